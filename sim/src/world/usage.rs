//! Memory and CPU time of a process, from `/proc`. Elsewhere than on Linux there is none to tell.

use std::fs;

/// Clock ticks per second in `/proc/PID/stat`: fixed at 100 in Linux's interface to user space.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Peak resident set size, bytes.
    pub peak_rss: u64,
    /// CPU time so far, user and system, microseconds.
    pub cpu_us: u64,
}

impl Usage {
    /// The usage of a running process; `None` when it has ended or the system does not tell.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&pid.to_string())
    }

    /// The usage of this process.
    #[must_use]
    pub fn of_this() -> Option<Self> {
        Self::read("self")
    }

    fn read(process: &str) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(Self {
            peak_rss: peak_rss(&status)?,
            cpu_us: cpu_us(&stat)?,
        })
    }
}

/// `VmHWM:      5120 kB`.
fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Fields 14 and 15 of `stat` (utime, stime), counted after the command, which is in brackets and may hold spaces.
fn cpu_us(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * (1_000_000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(
            peak_rss("Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t    5120 kB\n"),
            Some(5120 * 1024)
        );
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_us(stat), Some(420_000));
        assert_eq!(cpu_us("nothing"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_size() {
        let usage = Usage::of_this().expect("Linux tells");
        assert!(usage.peak_rss > 1024 * 1024);
        assert_eq!(Usage::of(u32::MAX), None);
    }
}

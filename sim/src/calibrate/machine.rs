//! The machine that a calibration was measured on, as far as the system tells.

use std::fs;

use super::Machine;

impl Machine {
    /// This one.
    pub(super) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        let os = match std::env::consts::OS {
            "linux" => "Linux",
            "macos" => "macOS",
            other => other,
        };
        Self {
            cpu: cpu_model(&read("/proc/cpuinfo"))
                .unwrap_or(std::env::consts::ARCH)
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: total_mib(&read("/proc/meminfo")).unwrap_or(0),
            os: format!("{os} {}", release.trim()).trim().to_owned(),
        }
    }
}

/// `model name      : Example CPU @ 2.00GHz`.
fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let model = line.split_once(':')?.1.trim();
    (!model.is_empty()).then_some(model)
}

/// `MemTotal:        8152340 kB`, in MiB.
fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let cpuinfo =
            "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Example CPU @ 2.00GHz\nmodel name\t: another\n";
        assert_eq!(cpu_model(cpuinfo), Some("Example CPU @ 2.00GHz"));
        assert_eq!(cpu_model("model name\t:\n"), None);
        assert_eq!(
            total_mib("MemTotal:        8152340 kB\nMemFree: 1 kB\n"),
            Some(7961)
        );
        assert_eq!(total_mib(""), None);
    }

    #[test]
    fn this_machine_is_told() {
        let this = Machine::this();
        assert!(
            this.cores > 0 && !this.cpu.is_empty() && !this.os.is_empty(),
            "{this:?}"
        );
    }
}

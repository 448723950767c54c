//! The share of a processor that a function's memory buys, by a control group where this machine lets us make one.
//!
//! Lambda gives one processor at 1,769 MB and shares in proportion, up to six
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>). In which slices nobody says: a fiftieth of
//! a second is assumed. (Whether a start gets more is not documented; here it gets the same.)

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// The memory that buys one processor, MB.
const MB_PER_PROCESSOR: f64 = 1769.0;
/// The most processors.
const MOST: f64 = 6.0;
/// The length of a slice, µs.
const PERIOD_US: u64 = 20_000;
/// How our groups are called; then come the process that made one and a number.
const PREFIX: &str = "crypto-watch-";
/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// How often it is tried whether a group can be removed: the kernel lets go of a killed process a moment after.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Tells the groups of this process apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// How many processors this much memory buys.
#[must_use]
pub fn processors(memory_mb: u32) -> f64 {
    (f64::from(memory_mb) / MB_PER_PROCESSOR).min(MOST)
}

/// A control group with a limit. Dropping it removes it when its processes are gone; see [`tidy`].
#[derive(Debug)]
pub struct CpuLimit(PathBuf);

impl CpuLimit {
    /// A group for processes that may use this share together.
    ///
    /// # Errors
    /// Why this machine gives none, in a few words.
    pub fn new(memory_mb: u32) -> Result<Self, String> {
        let quota = (processors(memory_mb) * PERIOD_US as f64).round() as u64;
        let parent = parent()?;
        let name = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = parent.folder.join(name);
        let refused = |error| format!("cannot make a control group: {error}");
        // One that is there is somebody else's, and must not be dropped as ours.
        fs::create_dir(&folder).map_err(refused)?;
        let group = Self(folder);
        let limited = match parent.version {
            CgroupVersion::One => fs::write(group.0.join("cpu.cfs_period_us"), PERIOD_US.to_string())
                .and_then(|()| fs::write(group.0.join("cpu.cfs_quota_us"), quota.to_string())),
            CgroupVersion::Two => fs::write(group.0.join("cpu.max"), format!("{quota} {PERIOD_US}")),
        };
        limited.map_err(refused)?;
        Ok(group)
    }

    /// Puts a process under the limit, with all that it will start.
    ///
    /// # Errors
    /// It has ended.
    pub fn hold(&self, process: i32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }

    /// Kills all that is under the limit, whatever became of its group and of its variables.
    pub fn kill(&self) {
        kill_all_of(&self.0);
    }
}

impl Drop for CpuLimit {
    fn drop(&mut self) {
        self.kill();
        // Busy as long as a killed process has not gone: then `tidy` does it.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Kills what is in a group.
fn kill_all_of(group: &Path) {
    let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for id in list.lines().filter_map(|id| Pid::from_raw(id.parse().ok()?)) {
        let _ = kill_process(id, Signal::KILL);
    }
}

/// Kills what is in the groups of a process that has gone, and removes them; takes no longer than `patience`.
pub async fn tidy_after(owner: u32, patience: Duration) {
    let Ok(Parent { folder, .. }) = parent() else {
        return;
    };
    let until = Instant::now() + patience;
    loop {
        let groups = groups(&folder).filter(|(_, of)| *of == owner);
        let left = groups.filter(|(group, _)| {
            kill_all_of(group);
            fs::remove_dir(group).is_err()
        });
        if left.count() == 0 || Instant::now() > until {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Our groups, each with the process that made it.
fn groups(folder: &Path) -> impl Iterator<Item = (PathBuf, u32)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let name = entry.file_name();
        let owner = name.to_str()?.strip_prefix(PREFIX)?.split('-').next()?.parse();
        Some((entry.path(), owner.ok()?))
    })
}

/// Removes the groups that this process has made and no longer uses, and those of processes that are gone.
pub async fn tidy() {
    let Ok(Parent { folder, .. }) = parent() else {
        return;
    };
    let patience = async {
        while remove_unused(&folder) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), patience).await;
}

/// Whether one of this process's is left.
fn remove_unused(folder: &Path) -> bool {
    let mut is_left = false;
    for (group, owner) in groups(folder) {
        let is_ours = owner == std::process::id();
        if is_ours || !Path::new("/proc").join(owner.to_string()).exists() {
            is_left |= fs::remove_dir(group).is_err() && is_ours;
        }
    }
    is_left
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CgroupVersion {
    One,
    Two,
}

struct Parent {
    folder: PathBuf,
    version: CgroupVersion,
}

/// The group of this process, in which its children may be told apart.
fn parent() -> Result<Parent, String> {
    let own = fs::read_to_string("/proc/self/cgroup")
        .map_err(|_| "this system has no control groups".to_owned())?;
    let (version, within) =
        within(&own).ok_or_else(|| "no control group of this process governs processors".to_owned())?;
    let root = match version {
        CgroupVersion::One => Path::new(ROOT).join("cpu"),
        CgroupVersion::Two => PathBuf::from(ROOT),
    };
    let folder = root.join(within.trim_start_matches('/'));
    if version == CgroupVersion::Two {
        let given = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
        if !given.split_whitespace().any(|controller| controller == "cpu") {
            return Err(format!(
                "the control group {} hands no processor time on",
                folder.display()
            ));
        }
    }
    Ok(Parent { folder, version })
}

/// The version of control groups that governs processors, and the group of this process: `4:cpu,cpuacct:/` or `0::/user`.
fn within(own: &str) -> Option<(CgroupVersion, &str)> {
    let mut second = None;
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if controllers.split(',').any(|controller| controller == "cpu") {
            return Some((CgroupVersion::One, path));
        }
        if controllers.is_empty() {
            second = Some((CgroupVersion::Two, path));
        }
    }
    second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_buys_processors() {
        assert!((processors(1769) - 1.0).abs() < 1e-9);
        assert!((processors(512) - 0.2894).abs() < 1e-4);
        assert!((processors(10_240) - 5.7886).abs() < 1e-4);
    }

    #[test]
    fn the_group_that_governs_processors_is_found() {
        assert_eq!(
            within("5:memory:/a\n1:cpu,cpuacct:/b\n0::/c\n"),
            Some((CgroupVersion::One, "/b"))
        );
        assert_eq!(
            within("5:memory:/a\n0::/c/d\n"),
            Some((CgroupVersion::Two, "/c/d"))
        );
        assert_eq!(within("5:memory:/a\n"), None);
    }
}

//! The folder of a run's results: made, locked while in use, laid out as DESIGN says.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;

/// A folder that this process alone writes to, for as long as this lives.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
    /// Holds the lock. The file stays: removing it would let two processes lock two different files.
    _lock: File,
}

/// Why there is nowhere to write.
#[derive(Debug, thiserror::Error)]
pub enum OutDirError {
    /// Another run holds the lock.
    #[error("another run is writing to {path}; wait until it ends or choose another folder with --out")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The file system refuses.
    #[error("cannot write to {path}: {source}; choose another folder with --out")]
    Refused {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl OutDir {
    /// Makes the folder if need be and locks it.
    ///
    /// # Errors
    /// When another run has it, or when it cannot be made.
    pub fn lock(path: &Path) -> Result<Self, OutDirError> {
        let refused = |source| OutDirError::Refused {
            path: path.display().to_string(),
            source,
        };
        fs::create_dir_all(path).map_err(refused)?;
        let lock = File::create(path.join(".lock")).map_err(refused)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Err(OutDirError::InUse {
                path: path.display().to_string(),
            }),
            Err(error) => Err(refused(error.into())),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The empty folder of one play, `<play>/<clock>`: what an earlier run left there is removed, so that it cannot
    /// be taken for a result of this one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn play(&self, play: &str, clock: &str) -> Result<PathBuf, OutDirError> {
        let path = self.path.join(play).join(clock);
        let refused = |source| OutDirError::Refused {
            path: path.display().to_string(),
            source,
        };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(refused)?;
        }
        fs::create_dir_all(&path).map_err(refused)?;
        Ok(path)
    }

    /// Writes a file of the whole run.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write(&self, name: &str, text: &str) -> Result<(), OutDirError> {
        write(&self.path.join(name), text)
    }
}

/// Writes a file at once: a reader sees the old text or the new one, never half of it.
///
/// # Errors
/// When the file system refuses.
pub fn write(path: &Path, text: &str) -> Result<(), OutDirError> {
    let refused = |source| OutDirError::Refused {
        path: path.display().to_string(),
        source,
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    fs::write(&beside, text).map_err(refused)?;
    fs::rename(&beside, path).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_kept_out_until_the_first_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/sim");
        let first = OutDir::lock(&path).expect("nobody holds it");
        assert!(matches!(OutDir::lock(&path), Err(OutDirError::InUse { .. })));
        drop(first);
        OutDir::lock(&path).expect("free again");
    }

    #[test]
    fn a_play_starts_with_an_empty_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = OutDir::lock(folder.path()).expect("nobody holds it");
        let play = out.play("steady@a=b", "real").expect("writable");
        write(&play.join("report.json"), "{}").expect("writable");
        let again = out.play("steady@a=b", "real").expect("writable");
        assert_eq!(again, play);
        assert_eq!(fs::read_dir(&again).expect("readable").count(), 0);
    }
}

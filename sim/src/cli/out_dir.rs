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

    /// The folder of one play, `<play>/<clock>`.
    #[must_use]
    pub fn play_folder(&self, play: &str, clock: &str) -> PathBuf {
        self.path.join(play).join(clock)
    }

    /// Empties the folder of one play: what an earlier run left there must not be taken for a result of this one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn empty_play_folder(&self, play: &str, clock: &str) -> Result<(), OutDirError> {
        let path = self.play_folder(play, clock);
        let refused = |source| OutDirError::Refused {
            path: path.display().to_string(),
            source,
        };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(refused)?;
        }
        fs::create_dir_all(&path).map_err(refused)
    }
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
        out.empty_play_folder("steady@a=b", "real").expect("writable");
        let play = out.play_folder("steady@a=b", "real");
        fs::write(play.join("report.json"), "{}").expect("writable");
        out.empty_play_folder("steady@a=b", "real").expect("writable");
        assert_eq!(fs::read_dir(&play).expect("readable").count(), 0);
    }
}

//! The binaries beside this one: found, and built from the same sources.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// A binary that a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The API.
    Api,
    /// The price update.
    Update,
    /// The load generator.
    Load,
}

impl Binary {
    /// Every binary that a run starts.
    pub const ALL: [Self; 3] = [Self::Api, Self::Update, Self::Load];

    /// Its file name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "crypto-watch-api",
            Self::Update => "crypto-watch-update",
            Self::Load => "crypto-watch-load",
        }
    }

    /// The build id that it must have: that of the crate that it comes from, as this program was built with it.
    #[must_use]
    pub fn expected_build(self) -> &'static str {
        match self {
            Self::Api | Self::Update => service::BUILD_ID,
            Self::Load => scenarios::BUILD_ID,
        }
    }
}

/// The folder with the binaries of a run.
#[derive(Clone, Debug)]
pub struct Siblings {
    folder: PathBuf,
}

/// Why the binaries beside this one cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiblingError {
    /// This program does not know where it is.
    #[error("cannot tell which folder this program is in: {0}")]
    Lost(#[source] io::Error),
    /// There is no such file.
    #[error("{name} is missing beside this program (looked in {folder}); {}", rebuild())]
    Missing {
        /// The binary.
        name: &'static str,
        /// Where it should be.
        folder: String,
    },
    /// It did not tell its version.
    #[error("{name} does not answer --version ({reason}); {}", rebuild())]
    Mute {
        /// The binary.
        name: &'static str,
        /// What it did instead.
        reason: String,
    },
    /// It was built from other sources.
    #[error(
        "{name} is stale: it is build {found}, this program needs {expected}; {}",
        rebuild()
    )]
    Stale {
        /// The binary.
        name: &'static str,
        /// Its build id.
        found: String,
        /// The build id that this program was built with.
        expected: &'static str,
    },
}

/// What to do about a missing or stale binary.
fn rebuild() -> &'static str {
    if cfg!(debug_assertions) {
        "rebuild with `cargo build --workspace --bins`"
    } else {
        "rebuild with `cargo build --release --workspace --bins`"
    }
}

impl Siblings {
    /// The folder of this program.
    ///
    /// # Errors
    /// [`SiblingError::Lost`] when the operating system does not tell.
    pub fn beside_this() -> Result<Self, SiblingError> {
        let this = std::env::current_exe().map_err(SiblingError::Lost)?;
        Ok(Self {
            folder: this.parent().unwrap_or(Path::new(".")).to_owned(),
        })
    }

    /// The path of a binary.
    #[must_use]
    pub fn path(&self, binary: Binary) -> PathBuf {
        self.folder
            .join(format!("{}{}", binary.name(), std::env::consts::EXE_SUFFIX))
    }

    /// Checks that a binary is there and was built from the sources that this program was built from.
    ///
    /// # Errors
    /// Says what is wrong with it and how to rebuild it.
    pub async fn check(&self, binary: Binary) -> Result<(), SiblingError> {
        let (name, expected) = (binary.name(), binary.expected_build());
        let path = self.path(binary);
        if !path.is_file() {
            return Err(SiblingError::Missing {
                name,
                folder: self.folder.display().to_string(),
            });
        }
        let output = Command::new(&path)
            .arg("--version")
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| SiblingError::Mute {
                name,
                reason: error.to_string(),
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        match build_id(&text) {
            None => Err(SiblingError::Mute {
                name,
                reason: format!("{}", output.status),
            }),
            Some(found) if found != expected => Err(SiblingError::Stale {
                name,
                found: found.to_owned(),
                expected,
            }),
            Some(_) => Ok(()),
        }
    }

    /// Checks every binary that a run starts.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub async fn check_all(&self) -> Result<(), SiblingError> {
        let (api, update, load) = tokio::join!(
            self.check(Binary::Api),
            self.check(Binary::Update),
            self.check(Binary::Load)
        );
        api.and(update).and(load)
    }
}

/// The build id in `crypto-watch-api 0.0.0 (build 0123456789abcdef-release)`.
fn build_id(version: &str) -> Option<&str> {
    version.trim().split_once("(build ")?.1.strip_suffix(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_read_from_a_version_line() {
        assert_eq!(
            build_id("crypto-watch-api 0.0.0 (build 12ab-release)\n"),
            Some("12ab-release")
        );
        assert_eq!(build_id("crypto-watch-api 0.0.0\n"), None);
    }
}

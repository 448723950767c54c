//! `dist/manifest.json`: what was packed, from which sources, by its hashes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::archive::{self, ArchiveError};

/// Its name in the folder of the packages.
pub const FILE: &str = "manifest.json";
/// The version of its form.
pub const SCHEMA: u32 = 1;

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub schema: u32,
    /// The commit that was built; none outside of git.
    pub commit: Option<String>,
    /// Whether files that git knows differed from that commit.
    pub modified: bool,
    /// The build id of the service: the hash of its sources and of the lockfile.
    pub build_id: String,
    /// The compiler, as it calls itself.
    pub rustc: String,
    /// As Lambda calls it: `x86_64` or `arm64`.
    pub architecture: String,
    /// One package for each function.
    pub packages: Vec<Packed>,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packed {
    /// `api` or `update`.
    pub function: String,
    /// The archive, relative to the manifest.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// The same in base64: what Lambda calls `CodeSha256` after a deployment.
    pub code_sha256: String,
    /// The size of the executable in it.
    pub bootstrap_bytes: u64,
    /// The executable's SHA-256 in hex.
    pub bootstrap_sha256: String,
    /// The newest version of glibc that the executable asks for.
    pub glibc: String,
    /// The libraries that it is linked with at its start.
    pub libraries: Vec<String>,
}

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// 64 hex digits.
    #[must_use]
    pub fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As Lambda writes it.
    #[must_use]
    pub fn base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

/// Why packages cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("there is no {0}: nothing has been packaged; run `crypto-watch-sim package`")]
    Missing(String),
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// It is no manifest.
    #[error("{path} is no manifest of packages: {problem}; run `crypto-watch-sim package` again")]
    Malformed {
        /// Which file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// It does not name what is asked for.
    #[error("{path} does not name the package {package}; it has: {has}")]
    NotNamed {
        /// The manifest.
        path: String,
        /// The package, as the template has it.
        package: String,
        /// What it names.
        has: String,
    },
    /// The package is not what the manifest says.
    #[error(
        "{path} is not what was packaged: its SHA-256 is {found}, and the manifest says {expected}; run `crypto-watch-sim package` again"
    )]
    Changed {
        /// The package.
        path: String,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The package is unfit.
    #[error("{path}: {error}")]
    Unfit {
        /// The package.
        path: String,
        /// Why.
        error: ArchiveError,
    },
    /// It is made from other sources than this program.
    #[error(
        "the packages are stale: they are build {found}, this program is {expected}; run `crypto-watch-sim package` again"
    )]
    Stale {
        /// Their build id.
        found: String,
        /// The one that is needed.
        expected: String,
    },
}

/// A package that is what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the manifest says of it.
    pub packed: Packed,
    /// The executable.
    pub bootstrap: Vec<u8>,
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// It is missing or no manifest.
    pub fn read(dist: &Path) -> Result<Self, ManifestError> {
        let path = dist.join(FILE);
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ManifestError::Missing(shown.clone()),
            _ => ManifestError::Read {
                path: shown.clone(),
                source,
            },
        })?;
        let malformed = |problem| ManifestError::Malformed { path: shown, problem };
        let manifest: Self = match serde_json::from_str(&text) {
            Ok(manifest) => manifest,
            Err(error) => return Err(malformed(error.to_string())),
        };
        if manifest.schema != SCHEMA {
            let problem = format!(
                "its schema is {}, and this program knows {SCHEMA}",
                manifest.schema
            );
            return Err(malformed(problem));
        }
        Ok(manifest)
    }

    /// As it is written.
    ///
    /// # Panics
    /// Never: it is made of texts and numbers.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("texts and numbers");
        json.push('\n');
        json
    }

    /// That the packages were built from the sources of `build_id`.
    ///
    /// # Errors
    /// [`ManifestError::Stale`]
    pub fn is_of(&self, build_id: &str) -> Result<(), ManifestError> {
        if self.build_id == build_id {
            return Ok(());
        }
        Err(ManifestError::Stale {
            found: self.build_id.clone(),
            expected: build_id.to_owned(),
        })
    }

    /// The package at `path`, which must be one that this manifest, which lies in `dist`, names.
    ///
    /// # Errors
    /// It is not named, not what was packed, or Lambda would not run it.
    pub fn verify(&self, dist: &Path, path: &Path) -> Result<Verified, ManifestError> {
        let named = |packed: &&Packed| same(&dist.join(&packed.file), path);
        let Some(packed) = self.packages.iter().find(named) else {
            return Err(ManifestError::NotNamed {
                path: dist.join(FILE).display().to_string(),
                package: path.display().to_string(),
                has: self
                    .packages
                    .iter()
                    .map(|packed| packed.file.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        };
        let shown = path.display().to_string();
        let zip = fs::read(path).map_err(|source| ManifestError::Read {
            path: shown.clone(),
            source,
        })?;
        let found = Hash::of(&zip).hex();
        if found != packed.sha256 {
            return Err(ManifestError::Changed {
                path: shown,
                expected: packed.sha256.clone(),
                found,
            });
        }
        let bootstrap = archive::unpack(&zip).map_err(|error| ManifestError::Unfit { path: shown, error })?;
        Ok(Verified {
            packed: packed.clone(),
            bootstrap,
        })
    }
}

/// Whether both are one file.
fn same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    resolved(one) == resolved(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dist() -> (tempfile::TempDir, Manifest) {
        let folder = tempfile::tempdir().expect("a folder");
        let bootstrap = b"#!/bin/sh\n";
        let zip = archive::pack(bootstrap);
        fs::create_dir(folder.path().join("api")).expect("a folder");
        fs::write(folder.path().join("api/bootstrap.zip"), &zip).expect("a file");
        let manifest = Manifest {
            schema: SCHEMA,
            commit: Some("0123abcd".to_owned()),
            modified: false,
            build_id: "12-release".to_owned(),
            rustc: "rustc 1.95.0".to_owned(),
            architecture: "x86_64".to_owned(),
            packages: vec![Packed {
                function: "api".to_owned(),
                file: "api/bootstrap.zip".to_owned(),
                bytes: zip.len() as u64,
                sha256: Hash::of(&zip).hex(),
                code_sha256: Hash::of(&zip).base64(),
                bootstrap_bytes: 10,
                bootstrap_sha256: Hash::of(bootstrap).hex(),
                glibc: "2.34".to_owned(),
                libraries: vec!["libc.so.6".to_owned()],
            }],
        };
        fs::write(folder.path().join(FILE), manifest.to_json()).expect("a file");
        (folder, manifest)
    }

    #[test]
    fn hashes_are_those_of_the_standard_and_of_lambda() {
        let hash = Hash::of(b"abc");
        assert_eq!(
            hash.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(hash.base64(), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_its_package_verified() {
        let (folder, manifest) = dist();
        let read = Manifest::read(folder.path()).expect("it was just written");
        assert_eq!(read, manifest);
        let path = folder.path().join("api/../api/bootstrap.zip");
        let verified = read.verify(folder.path(), &path).expect("it is what was packed");
        assert_eq!(verified.bootstrap, b"#!/bin/sh\n");
        assert!(read.is_of("12-release").is_ok());
    }

    #[test]
    fn whatever_is_not_what_was_packaged_is_refused() {
        let (folder, manifest) = dist();
        let at = |file: &str| folder.path().join(file);
        let told = |error: ManifestError| {
            error
                .to_string()
                .replace(&folder.path().display().to_string(), "dist")
        };
        let verify = |path: &Path| told(manifest.verify(folder.path(), path).expect_err("it is refused"));
        insta::assert_snapshot!(verify(&at("other.zip")), @"dist/manifest.json does not name the package dist/other.zip; it has: api/bootstrap.zip");
        fs::write(at("api/bootstrap.zip"), archive::pack(b"#!/bin/bash\n")).expect("a file");
        insta::assert_snapshot!(verify(&at("api/bootstrap.zip")), @"dist/api/bootstrap.zip is not what was packaged: its SHA-256 is 072a11fcce5fe4ebf2ce16f5482f9e1b1bf2bcb4e037073afe3c60fc9d749316, and the manifest says 4e0a020e59e5101f0e811bd98820ddab0459fcad73200a7b847c1090e0af0230; run `crypto-watch-sim package` again");
        insta::assert_snapshot!(told(manifest.is_of("34-release").expect_err("stale")), @"the packages are stale: they are build 12-release, this program is 34-release; run `crypto-watch-sim package` again");
        let read = || told(Manifest::read(folder.path()).expect_err("it is refused"));
        fs::write(
            at(FILE),
            manifest.to_json().replace("\"schema\": 1", "\"schema\": 2"),
        )
        .expect("a file");
        insta::assert_snapshot!(read(), @"dist/manifest.json is no manifest of packages: its schema is 2, and this program knows 1; run `crypto-watch-sim package` again");
        fs::write(at(FILE), "{}").expect("a file");
        insta::assert_snapshot!(read(), @"dist/manifest.json is no manifest of packages: missing field `schema` at line 1 column 2; run `crypto-watch-sim package` again");
        fs::remove_file(at(FILE)).expect("it is there");
        insta::assert_snapshot!(read(), @"there is no dist/manifest.json: nothing has been packaged; run `crypto-watch-sim package`");
    }
}

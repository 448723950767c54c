//! What ships to Lambda: built once, packed so that the same binary gives the same archive, and listed in a manifest.
//!
//! | file | owns |
//! |---|---|
//! | `cargo` | the one build: `cargo build -p service --bins --profile dist --locked` |
//! | `binary` | what the built file needs of the system that it will run on |
//! | `archive` | `bootstrap.zip`: written the same each time, and read again |
//! | `manifest` | `dist/manifest.json`: what was packed, by its hashes; and whether it is still there |
//!
//! Whoever runs a package ([`crate::lambda`]) takes it by its manifest and runs nothing that the manifest does not name.

pub mod archive;
pub mod binary;
pub mod cargo;
pub mod manifest;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::{
    binary::{BinaryError, Needs},
    cargo::{Built, CargoError},
    manifest::{Hash, Manifest, Packed},
};

/// The functions, by the folder of their package, with the binary of each.
pub const FUNCTIONS: [(&str, &str); 2] = [("api", "crypto-watch-api"), ("update", "crypto-watch-update")];

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It could not be built.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// It would not run where it ships to.
    #[error("{path} would not run on Lambda: {error}")]
    Unfit {
        /// The binary.
        path: String,
        /// Why.
        error: BinaryError,
    },
    /// A file could not be read or written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A built binary could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// Builds the service in the workspace at `workspace` (`home` is cargo's own folder), packs its functions into `dist`, and
/// writes the manifest.
///
/// # Errors
/// [`PackageError`]; `dist` then has what it had, or no manifest.
pub async fn package(workspace: &Path, home: &Path, dist: &Path) -> Result<Manifest, PackageError> {
    let built = cargo::build(workspace, home).await?;
    pack(&built, dist)
}

/// Packs what was built already, and writes the manifest.
///
/// # Errors
/// As [`package`].
pub fn pack(built: &Built, dist: &Path) -> Result<Manifest, PackageError> {
    // Without its manifest a package is none: so what fails halfway leaves no old manifest for new packages.
    let manifest_path = dist.join(manifest::FILE);
    match fs::remove_file(&manifest_path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(write(&manifest_path)(source)),
        _ => {}
    }
    let mut packages = Vec::with_capacity(FUNCTIONS.len());
    let mut architecture = "";
    for (function, binary) in FUNCTIONS {
        let path = built.binary(binary)?;
        let bytes = fs::read(&path).map_err(|source| PackageError::Read {
            path: path.display().to_string(),
            source,
        })?;
        let needs = Needs::of(&bytes).and_then(Needs::fit);
        let needs = needs.map_err(|error| PackageError::Unfit {
            path: path.display().to_string(),
            error,
        })?;
        architecture = needs.architecture;
        let zip = archive::pack(&bytes);
        let file = PathBuf::from(function).join(archive::FILE);
        let target = dist.join(&file);
        fs::create_dir_all(dist.join(function))
            .and_then(|()| fs::write(&target, &zip))
            .map_err(write(&target))?;
        packages.push(Packed {
            function: function.to_owned(),
            file: file.to_string_lossy().into_owned(),
            bytes: zip.len() as u64,
            sha256: Hash::of(&zip).hex(),
            code_sha256: Hash::of(&zip).base64(),
            bootstrap_bytes: bytes.len() as u64,
            bootstrap_sha256: Hash::of(&bytes).hex(),
            glibc: needs.glibc.to_string(),
            libraries: needs.libraries,
        });
    }
    let manifest = Manifest {
        schema: manifest::SCHEMA,
        commit: built.commit.clone(),
        modified: built.modified,
        build_id: service::BUILD_ID.to_owned(),
        rustc: built.rustc.clone(),
        architecture: architecture.to_owned(),
        packages,
    };
    fs::write(&manifest_path, manifest.to_json()).map_err(write(&manifest_path))?;
    Ok(manifest)
}

fn write(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    let path = path.display().to_string();
    move |source| PackageError::Write { path, source }
}

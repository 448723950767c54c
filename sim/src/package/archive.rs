//! `bootstrap.zip`: one executable entry, and nothing in it that depends on when or where it was written.

use std::{
    borrow::Cow,
    io::{self, Cursor, Read, Write},
};

use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// The name of the archive.
pub const FILE: &str = "bootstrap.zip";
/// Lambda runs this file of a package for an OS-only runtime.
pub const ENTRY: &str = "bootstrap";
/// `rwxr-xr-x`: Lambda runs it as another user than the one who packed it.
const MODE: u32 = 0o755;
/// The smallest archive; what it costs is paid once a build.
const LEVEL: i64 = 9;
/// Lambda takes no larger package unzipped; bytes.
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>: 250 MB, layers included.)
pub const MOST_UNZIPPED: u64 = 250 << 20;

/// Why an archive is no package.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is no zip.
    #[error("it is no zip archive: {0}")]
    Zip(#[from] ZipError),
    /// It lacks what Lambda runs.
    #[error("it has no file `{ENTRY}` at its root (it has: {0})")]
    NoBootstrap(String),
    /// Lambda could not run it.
    #[error("`{ENTRY}` is not executable (mode {0:o}): Lambda would answer Runtime.InvalidEntrypoint")]
    NotExecutable(u32),
    /// It is larger than Lambda takes.
    #[error("`{ENTRY}` has {0} bytes; Lambda takes {MOST_UNZIPPED} unzipped")]
    TooLarge(u64),
    /// It cannot be unpacked.
    #[error("`{ENTRY}` cannot be unpacked: {0}")]
    Broken(#[from] io::Error),
}

/// Packs a bootstrap. The same bytes always give the same archive.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn pack(bootstrap: &[u8]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        // The first instant that the format knows.
        .last_modified_time(DateTime::default())
        .unix_permissions(MODE);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let written = zip
        .start_file(ENTRY, options)
        .and_then(|()| zip.write_all(bootstrap).map_err(ZipError::from))
        .and_then(|()| zip.finish());
    written.expect("memory takes what is written").into_inner()
}

/// The bootstrap of an archive.
///
/// # Errors
/// What Lambda would refuse to run, and why.
pub fn unpack(zip: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let mut archive = ZipArchive::new(Cursor::new(zip))?;
    let Some(index) = archive.index_for_name(ENTRY) else {
        let names: Vec<String> = archive.file_names().flatten().map(Cow::into_owned).collect();
        return Err(ArchiveError::NoBootstrap(names.join(", ")));
    };
    let entry = archive.by_index(index)?;
    // Written elsewhere than on Unix there is no mode; Lambda then gives none to execute.
    let mode = entry.unix_mode().unwrap_or(0) & 0o777;
    if mode & 0o111 == 0 {
        return Err(ArchiveError::NotExecutable(mode));
    }
    if entry.size() > MOST_UNZIPPED {
        return Err(ArchiveError::TooLarge(entry.size()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
    // What an archive says of its size is not to be believed.
    entry.take(MOST_UNZIPPED + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_UNZIPPED {
        return Err(ArchiveError::TooLarge(bytes.len() as u64));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip_of(name: &str, mode: u32) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().unix_permissions(mode);
        zip.start_file(name, options).expect("memory");
        zip.write_all(b"#!/bin/sh\n").expect("memory");
        zip.finish().expect("memory").into_inner()
    }

    #[test]
    fn the_same_bytes_give_the_same_archive_and_come_out_again() {
        let bootstrap: Vec<u8> = (0..100_000u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        let zip = pack(&bootstrap);
        assert_eq!(zip, pack(&bootstrap));
        assert!(zip.len() < bootstrap.len() / 4, "it is compressed");
        assert_eq!(unpack(&zip).expect("it was just packed"), bootstrap);
        // Local header: version, flags, method, then time and date. 0 and 0x21 are midnight of 1980-01-01.
        assert_eq!(zip[10..14], [0, 0, 0x21, 0]);
    }

    #[test]
    fn what_lambda_would_not_run_is_refused() {
        let told = |zip: &[u8]| unpack(zip).expect_err("it is no package").to_string();
        insta::assert_snapshot!(told(b"PK, but no zip"), @"it is no zip archive: invalid Zip archive: Could not find EOCD");
        insta::assert_snapshot!(told(&zip_of("bin/bootstrap", 0o755)), @"it has no file `bootstrap` at its root (it has: bin/bootstrap)");
        insta::assert_snapshot!(told(&zip_of(ENTRY, 0o644)), @"`bootstrap` is not executable (mode 644): Lambda would answer Runtime.InvalidEntrypoint");
        let mut broken = pack(&[7; 4096]);
        // Behind the local header of 30 bytes and the name of 9 lies what is compressed.
        broken[41] ^= 0xff;
        assert!(unpack(&broken).is_err());
    }
}

//! Writing reports: each file appears whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Entry, Played, ReportDocument, junit_xml, summary_md};

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system refused.
    #[error("cannot write {}: {source}; choose another folder with --out", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The findings cannot be put in this form.
    #[error("cannot make {what}: {message}")]
    Form {
        /// Which report.
        what: &'static str,
        /// Why.
        message: String,
    },
}

/// Writes `report.json` and `run.json` of a scenario into `folder`, which is made when it is not there.
///
/// # Errors
/// A file cannot be written.
pub fn write_scenario(folder: &Path, played: &Played) -> Result<(), ReportError> {
    write_json(&folder.join("report.json"), &ReportDocument::of(played))?;
    write_json(&folder.join("run.json"), &played.facts)
}

/// Writes `junit.xml` and `summary.md` of a suite into `folder`, which is made when it is not there.
///
/// # Errors
/// A file cannot be written.
pub fn write_suite(folder: &Path, entries: &[Entry]) -> Result<(), ReportError> {
    write(&folder.join("junit.xml"), junit_xml(entries)?.as_bytes())?;
    write(&folder.join("summary.md"), summary_md(entries).as_bytes())
}

fn write_json(path: &Path, document: &impl Serialize) -> Result<(), ReportError> {
    let mut text = serde_json::to_string_pretty(document).map_err(|error| ReportError::Form {
        what: "a JSON report",
        message: error.to_string(),
    })?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Writes beside the file, then renames.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let failed = |source| ReportError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

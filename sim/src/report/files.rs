//! Writing reports: each file appears whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Beside, Clocks, Entry, Played, ReportDocument, junit_xml, summary_md};

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

/// What the plays of one command say together: `together.json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Together {
    /// Variants and twins of one scenario on one clock.
    pub beside: Vec<Beside>,
    /// One play on both clocks.
    pub clocks: Vec<Clocks>,
}

/// Writes `report.json` and `run.json` of a scenario into `folder`, which is made when it is not there.
///
/// # Errors
/// A file cannot be written.
pub fn write_scenario(folder: &Path, played: &Played) -> Result<(), ReportError> {
    write_json(&folder.join("report.json"), &ReportDocument::of(played))?;
    write_json(&folder.join("run.json"), &played.facts)
}

/// Writes `junit.xml` and `summary.md` of a suite into `folder`, which is made when it is not there; and
/// `together.json` when plays were compared with each other.
///
/// # Errors
/// A file cannot be written.
pub fn write_suite(folder: &Path, entries: &[Entry], together: &Together) -> Result<(), ReportError> {
    write(
        &folder.join("junit.xml"),
        junit_xml(entries, &together.clocks)?.as_bytes(),
    )?;
    write(
        &folder.join("summary.md"),
        summary_md(entries, together).as_bytes(),
    )?;
    if together.beside.is_empty() && together.clocks.is_empty() {
        return Ok(());
    }
    write_json(&folder.join("together.json"), together)
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

//! What the command line reads from its own environment: how to print, where tools are, and what stores are told.

use std::{io::IsTerminal, path::PathBuf, process::Stdio};

use tokio::process::Command;

use crate::store::backend::{Tell, Tools};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal that can redraw lines.
    pub stderr: bool,
    /// Colours are wanted on standard output.
    pub colour: bool,
}

impl Terminal {
    /// Looks at the streams, `NO_COLOR` (any value but an empty one, see <https://no-color.org>) and `TERM`.
    #[must_use]
    pub fn detect() -> Self {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let stdout = std::io::stdout().is_terminal();
        Self {
            stdout,
            stderr: std::io::stderr().is_terminal() && !dumb,
            colour: stdout && !dumb && !set("NO_COLOR"),
        }
    }
}

/// The first program of this name on `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// What this machine gives to a store; downloads go beside the build, whichever profile it is of.
#[must_use]
pub fn tools(tell: Tell) -> Tools {
    let this = std::env::current_exe().unwrap_or_default();
    let folder = this.parent().filter(|folder| !folder.ends_with("deps"));
    let profile = folder.or_else(|| this.parent()?.parent());
    Tools {
        env: variables(),
        downloads: profile
            .and_then(|profile| profile.parent())
            .map_or_else(|| PathBuf::from("target"), PathBuf::from),
        tell,
    }
}

/// The commit that is checked out here, when there is a checkout and `git`.
pub async fn commit() -> Option<String> {
    let git = Command::new(find_program("git")?)
        .args(["rev-parse", "HEAD"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .await
        .ok()?;
    let commit = String::from_utf8(git.stdout).ok()?;
    let commit = commit.trim();
    (git.status.success() && !commit.is_empty()).then(|| commit.to_owned())
}

/// All variables that are text.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of reading the harness's environment"
)]
fn variables() -> std::collections::BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// A variable, when it is set to something.
#[must_use]
pub fn setting(name: &str) -> Option<String> {
    variable(name)?
        .into_string()
        .ok()
        .filter(|value| !value.is_empty())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one home of reading the harness's environment"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

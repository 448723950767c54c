//! What the command line reads from its own environment: only how to print and where tools are.

use std::{io::IsTerminal, path::PathBuf, process::Stdio};

use tokio::process::Command;

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

#[expect(
    clippy::disallowed_methods,
    reason = "the one home of reading the harness's environment"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

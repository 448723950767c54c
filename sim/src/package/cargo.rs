//! The one build of what ships.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde::Deserialize;
use tokio::process::Command;

/// What is built, to the letter.
pub const COMMAND: [&str; 7] = [
    "build",
    "-p",
    "service",
    "--bins",
    "--profile",
    "dist",
    "--locked",
];

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// A tool is missing.
    #[error("cannot run {tool}: {source}; packaging needs the Rust toolchain that the project is built with")]
    Tool {
        /// `cargo` or `rustc`.
        tool: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// This is not the place.
    #[error("{0} is not within the Crypto Watch workspace: run this in a checkout of it")]
    Elsewhere(String),
    /// It does not compile; the compiler has said why.
    #[error("`cargo {}` failed ({status}); it says above why", COMMAND.join(" "))]
    Failed {
        /// How it ended.
        status: String,
    },
    /// It did not name a binary.
    #[error("`cargo {command}` did not say where it put {0}", command = COMMAND.join(" "))]
    NoBinary(&'static str),
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// By name.
    binaries: BTreeMap<String, PathBuf>,
    /// The commit; none outside of git.
    pub commit: Option<String>,
    /// Whether files that git knows differ from that.
    pub modified: bool,
    /// The compiler.
    pub rustc: String,
}

impl Built {
    /// Binaries that lie in a folder, of which nothing else is known.
    #[must_use]
    pub fn lying_in(folder: &Path, names: &[&str]) -> Self {
        let binaries = names.iter().map(|name| ((*name).to_owned(), folder.join(name)));
        Self {
            binaries: binaries.collect(),
            commit: None,
            modified: false,
            rustc: "unknown".to_owned(),
        }
    }

    /// Where a binary is.
    ///
    /// # Errors
    /// It was not built.
    pub fn binary(&self, name: &'static str) -> Result<PathBuf, CargoError> {
        self.binaries.get(name).cloned().ok_or(CargoError::NoBinary(name))
    }
}

/// The root of the workspace that `folder` is in.
///
/// # Errors
/// It is in none, or in another one.
pub async fn workspace(folder: &Path) -> Result<PathBuf, CargoError> {
    let mut command = cargo(folder);
    command.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let found = run("cargo", command).await?;
    let elsewhere = || CargoError::Elsewhere(folder.display().to_string());
    let manifest = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim());
    let root = manifest
        .parent()
        .filter(|_| found.status.success())
        .ok_or_else(elsewhere)?;
    let is_ours = root.join("service/src/bin/crypto-watch-api.rs").is_file();
    is_ours.then(|| root.to_owned()).ok_or_else(elsewhere)
}

/// Builds what ships; cargo, whose home is `home`, tells meanwhile on standard error how it goes.
///
/// # Errors
/// [`CargoError`]
pub async fn build(workspace: &Path, home: &Path) -> Result<Built, CargoError> {
    let mut version = Command::new("rustc");
    version.arg("--version");
    let rustc = run("rustc", version).await?;
    let mut command = cargo(workspace);
    command
        .args(COMMAND)
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        // What the user compiles other things with must not change what ships.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        // C code that says when it was compiled (`__TIME__`) says this: 1980-01-01, as the archive does.
        .env("SOURCE_DATE_EPOCH", "315532800")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            rust_flags(workspace, home).join("\u{1f}"),
        );
    let built = run("cargo", command).await?;
    if !built.status.success() {
        return Err(CargoError::Failed {
            status: built.status.to_string(),
        });
    }
    let git = |args: &'static [&'static str]| git(workspace, args);
    Ok(Built {
        binaries: binaries(&String::from_utf8_lossy(&built.stdout)),
        commit: git(&["rev-parse", "HEAD"]).await,
        modified: git(&["status", "--porcelain", "--untracked-files=no"])
            .await
            .is_some_and(|changes| !changes.is_empty()),
        rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
    })
}

/// Panics name the file that they are in: without these flags, where it was on the machine that built it.
fn rust_flags(workspace: &Path, home: &Path) -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // Of two that fit, the last one counts: the home may be within the workspace, as in a container.
    vec![remap(workspace, "crypto-watch"), remap(home, "cargo")]
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    command
}

async fn run(tool: &'static str, mut command: Command) -> Result<Output, CargoError> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| CargoError::Tool { tool, source })?
        .wait_with_output()
        .await
        .map_err(|source| CargoError::Tool { tool, source })
}

/// What git says; none when there is no git, or no repository.
async fn git(workspace: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(workspace)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

/// The executables in what cargo says, by name.
fn binaries(messages: &str) -> BTreeMap<String, PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let told = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    told.filter_map(|message| {
        let path = message.executable?;
        Some((path.file_name()?.to_string_lossy().into_owned(), path))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_it_put_what() {
        let said = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"service"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"crypto-watch-api"},"executable":"/t/dist/crypto-watch-api"}"#,
            "\nnot JSON\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let found = binaries(said);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [(
                "crypto-watch-api".to_owned(),
                PathBuf::from("/t/dist/crypto-watch-api")
            )]
        );
    }

    #[test]
    fn no_path_of_this_machine_gets_into_a_package() {
        assert_eq!(
            rust_flags(Path::new("/home/me/crypto-watch"), Path::new("/home/me/.cargo")),
            [
                "--remap-path-prefix=/home/me/crypto-watch=crypto-watch",
                "--remap-path-prefix=/home/me/.cargo=cargo"
            ]
        );
    }

    #[tokio::test]
    async fn another_place_is_refused() {
        let elsewhere = tempfile::tempdir().expect("a folder");
        let error = workspace(elsewhere.path())
            .await
            .expect_err("there is no project");
        assert!(matches!(error, CargoError::Elsewhere(_)), "{error}");
    }
}

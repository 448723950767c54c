//! `package`: what ships to Lambda.

use std::path::{Path, PathBuf};

use crate::{
    cli::{ambient, exit::Exit, printer},
    package::{self, cargo, manifest::Manifest},
};

/// Builds and packs the functions into `out`, or where the template looks for them.
pub async fn package(out: Option<&Path>) -> Exit {
    let workspace = match cargo::workspace(Path::new(".")).await {
        Ok(workspace) => workspace,
        Err(error) => return failed(&error),
    };
    let dist = out.map_or_else(|| workspace.join("dist"), Path::to_owned);
    let Some(home) = cargo_home() else {
        printer::notice(
            "error: neither CARGO_HOME nor HOME is set, so that nobody knows where cargo keeps its sources",
        );
        return Exit::Harness;
    };
    match package::package(&workspace, &home, &dist).await {
        Ok(manifest) => {
            printer::result(&told(&manifest, &dist));
            Exit::Held
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Exit {
    printer::notice(&format!("error: {error}"));
    Exit::Harness
}

/// Where cargo keeps what it downloads.
fn cargo_home() -> Option<PathBuf> {
    let named = ambient::setting("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(ambient::setting("HOME")?).join(".cargo")))
}

/// What was packed, for people.
fn told(manifest: &Manifest, dist: &Path) -> String {
    let commit = match (&manifest.commit, manifest.modified) {
        (None, _) => "no commit".to_owned(),
        (Some(commit), false) => commit.clone(),
        (Some(commit), true) => format!("{commit}, modified"),
    };
    let mut lines = vec![
        format!(
            "{} ({}, {})",
            manifest.build_id, manifest.architecture, manifest.rustc
        ),
        commit,
    ];
    for package in &manifest.packages {
        lines.push(format!(
            "{:<8} {:.2} MB ({:.2} MB unpacked), glibc {}\n         sha256 {}",
            package.function,
            package.bytes as f64 / 1e6,
            package.bootstrap_bytes as f64 / 1e6,
            package.glibc,
            package.sha256
        ));
    }
    lines.push(format!("packages and manifest are in {}", dist.display()));
    lines.join("\n")
}

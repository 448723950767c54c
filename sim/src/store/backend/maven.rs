//! DynamoDB Local by the user's own Maven: resolved once, and found again.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{BackendError, error::indented, local::VERSION, tools::Tools};
use crate::{
    reaper::TemporaryFolder,
    world::children::{Child, ChildSpec, Keep},
};

/// What is resolved.
const POM: &str = include_str!("pom.xml");
/// The plugin that copies, pinned so that all machines do the same.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The folder with DynamoDB Local's jar and all that it needs. It appears there whole or not at all.
pub(super) async fn resolve(tools: &Tools) -> Result<PathBuf, BackendError> {
    let parent = tools.downloads.join("dynamodb-local");
    let folder = parent.join(VERSION);
    if jar(&folder).is_file() {
        return Ok(folder);
    }
    let maven = tools.program("mvn").ok_or(BackendError::Missing {
        program: "Maven",
        what_to_do: "`mvn` is not on PATH, and it is what brings DynamoDB Local; install it, or play with \
                     --dynamodb-local docker or --dynamodb-local PATH-OF-DynamoDBLocal.jar",
    })?;
    tools.tell.notice(&format!(
        "Maven resolves DynamoDB Local {VERSION} into {}; it is Amazon's, under the DynamoDB Local License Agreement, which is \
         not open source and asks for an AWS account: LICENSE.txt in its jar",
        folder.display()
    ));
    let unusable = |action: String| move |source| BackendError::Io { action, source };
    let refused = format!("make the folder {}", parent.display());
    std::fs::create_dir_all(&parent).map_err(unusable(refused.clone()))?;
    let work = TemporaryFolder::within(&parent, ".resolving-").map_err(unusable(refused))?;
    let (pom, lib) = (work.path().join("pom.xml"), work.path().join("lib"));
    std::fs::write(&pom, POM).map_err(unusable(format!("write {}", pom.display())))?;
    run(tools, maven, &pom, &lib).await?;
    match std::fs::rename(&lib, &folder) {
        Ok(()) => Ok(folder),
        // Another run was faster.
        Err(_) if jar(&folder).is_file() => Ok(folder),
        Err(source) => Err(BackendError::Io {
            action: format!("move what Maven brought to {}", folder.display()),
            source,
        }),
    }
}

/// Whether it has been resolved.
pub(super) fn is_resolved(tools: &Tools) -> bool {
    jar(&tools.downloads.join("dynamodb-local").join(VERSION)).is_file()
}

/// What a Maven says of itself, in one line.
pub(super) async fn said(maven: &Path, tools: &Tools) -> String {
    let output = Command::new(maven)
        .args(["--batch-mode", "-Dstyle.color=never", "--version"])
        .env_clear()
        .envs(&tools.env)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let text = output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    text.lines().next().unwrap_or_default().to_owned()
}

/// The jar in such a folder.
pub(super) fn jar(folder: &Path) -> PathBuf {
    folder.join(format!("DynamoDBLocal-{VERSION}.jar"))
}

/// Maven looks for what it already has first, and fetches the rest.
async fn run(tools: &Tools, maven: PathBuf, pom: &Path, lib: &Path) -> Result<(), BackendError> {
    let spec = ChildSpec {
        name: "Maven".to_owned(),
        program: maven,
        args: vec![
            "--batch-mode".to_owned(),
            "--quiet".to_owned(),
            "--file".to_owned(),
            pom.display().to_string(),
            GOAL.to_owned(),
            "-DincludeScope=runtime".to_owned(),
            format!("-DoutputDirectory={}", lib.display()),
        ],
        env: tools.env.clone(),
        stdin: None,
    };
    let child = Child::spawn(spec, |_| Keep::Line).await?;
    let status = child.ended().await;
    if status.success() && jar(lib).is_file() {
        return Ok(());
    }
    Err(BackendError::Maven {
        version: VERSION,
        status: status.to_string(),
        lines: indented(child.last_lines().iter().map(String::as_str)),
    })
}

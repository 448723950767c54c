// Included by each crate's build script: the build id that every binary prints with `--version`.
//
// It is the FNV-1a hash of the service's sources and the lockfile, so that the harness can tell
// whether a sibling binary was built from the sources that it was itself built with.

use std::path::{Path, PathBuf};

/// Hashes the service sources and the lockfile found beside `crate_dir` and hands the result to rustc.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn emit_build_id(crate_dir: &Path, inputs: &[&str]) {
    let root = crate_dir
        .parent()
        .expect("a workspace member has a parent folder");
    let mut files = Vec::new();
    for input in inputs {
        collect(&root.join(input), &mut files);
        println!("cargo:rerun-if-changed={}", root.join(input).display());
    }
    files.sort();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in &files {
        let name = file.strip_prefix(root).expect("collected below the root");
        let bytes = std::fs::read(file).unwrap_or_default();
        for byte in name.to_string_lossy().bytes().chain([0]).chain(bytes).chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    let kind = if std::env::var("PROFILE").as_deref() == Ok("debug") {
        "debug"
    } else {
        "release"
    };
    println!("cargo:rustc-env=BUILD_ID={hash:016x}-{kind}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), files);
        }
    } else if path.is_file() {
        files.push(path.to_path_buf());
    }
}

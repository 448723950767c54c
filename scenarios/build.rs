//! Gives the crate its build id: the load generator speaks a protocol of this crate, so its sources count.
include!("../build/build_id.rs");

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn main() {
    let dir = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    emit_build_id(&dir, &["scenarios/src", "scenarios/Cargo.toml", "Cargo.lock"]);
}

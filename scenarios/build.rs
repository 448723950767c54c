//! Gives the crate its build id: the load generator speaks a protocol of this crate, so its sources count.
include!("../build/build_id.rs");

fn main() {
    let dir = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    emit_build_id(&dir, &["scenarios/src", "scenarios/Cargo.toml", "Cargo.lock"]);
}

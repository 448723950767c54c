//! Keeps goose's log off standard output, where only lines for the harness may appear.

/// Discards everything.
struct Nobody;

impl log::Log for Nobody {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

/// Takes the place in which goose would install a logger that prints warnings to standard output.
///
/// What it would say of failed requests is in their lines.
pub(super) fn silence_goose() {
    static NOBODY: Nobody = Nobody;
    // Whoever installed a logger before is not goose.
    let _ = log::set_logger(&NOBODY);
}

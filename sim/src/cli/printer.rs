//! The command line's one way to print.
//!
//! Results go to standard output, everything about getting them to standard error. A reader that has gone away
//! (`| head`) is no reason to fail.

use std::io::{self, Write};

/// Writes a text and a line end to standard output.
pub fn result(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// Writes a text and a line end to standard error.
pub fn notice(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

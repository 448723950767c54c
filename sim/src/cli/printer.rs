//! The command line's one way to print.
//!
//! Results go to standard output, everything about getting them to standard error. A reader that has gone away
//! (`| head`) is no reason to fail.

use std::io::{self, Write};

/// Writes a text and a line end to standard output.
pub fn result(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", text.trim_end());
}

/// An error with its causes, but for those that it has told of already.
pub fn causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut text, cause| {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        text
    })
}

/// Writes a text and a line end to standard error.
pub fn notice(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let source = || io::Error::other("there is no such thing");
        let told: anyhow::Error = anyhow::anyhow!("cannot read it: {}", source());
        let nested = Err::<(), _>(source())
            .context("cannot read it: there is no such thing; look elsewhere")
            .expect_err("it is one");
        let bare = Err::<(), _>(source())
            .context("cannot read it")
            .expect_err("it is one");
        assert_eq!(causes(&told), "cannot read it: there is no such thing");
        assert_eq!(
            causes(&nested),
            "cannot read it: there is no such thing; look elsewhere"
        );
        assert_eq!(causes(&bare), "cannot read it: there is no such thing");
    }
}

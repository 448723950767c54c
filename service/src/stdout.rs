//! Standard output: whole lines of JSON and nothing else, so that whoever runs the process can read it.

use std::io::Write;

/// Writes a line at once, so that lines of different threads do not mix.
///
/// A reader that went away is no reason to fail: the line is lost.
pub fn write_line(text: &str) {
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

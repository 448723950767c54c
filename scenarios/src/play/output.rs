//! What the generator tells the harness, written by one thread so that no request waits for the pipe.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::wire::LoadLine;

/// Takes lines; never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    lines: Sender<LoadLine>,
}

impl Output {
    /// Starts the writer. It ends after [`LoadLine::Done`] or [`LoadLine::Failed`], or when nobody reads.
    pub(crate) fn to(sink: impl Write + Send + 'static) -> (Self, JoinHandle<io::Result<()>>) {
        let (lines, written) = channel();
        let writer = std::thread::spawn(move || write_all(&written, sink));
        (Self { lines }, writer)
    }

    /// Says a line.
    pub(crate) fn say(&self, line: LoadLine) {
        // The writer has gone when nobody reads; then there is nobody to tell.
        let _ = self.lines.send(line);
    }
}

fn write_all(lines: &Receiver<LoadLine>, sink: impl Write) -> io::Result<()> {
    let mut sink = io::BufWriter::with_capacity(64 * 1024, sink);
    while let Ok(first) = lines.recv() {
        for line in std::iter::once(first).chain(lines.try_iter()) {
            serde_json::to_writer(&mut sink, &line)?;
            sink.write_all(b"\n")?;
            if matches!(line, LoadLine::Done { .. } | LoadLine::Failed { .. }) {
                return sink.flush();
            }
        }
        sink.flush()?;
    }
    sink.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::wire::RequestLine;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_the_last_one_ends_the_writer() {
        let sink = Shared::default();
        let (output, writer) = Output::to(sink.clone());
        output.say(LoadLine::Request(RequestLine::default()));
        output.say(LoadLine::Request(RequestLine::default()));
        output.say(LoadLine::Done {
            sent: 2,
            dropped: 0,
            cpu_us: 0,
        });
        assert!(writer.join().is_ok_and(|end| end.is_ok()));
        output.say(LoadLine::Request(RequestLine::default()));
        let text = String::from_utf8(sink.0.lock().expect("not poisoned").clone()).expect("JSON");
        let lines: Vec<LoadLine> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line"))
            .collect();
        assert_eq!(lines.len(), 3);
        assert!(matches!(lines[2], LoadLine::Done { sent: 2, .. }), "{text}");
    }
}

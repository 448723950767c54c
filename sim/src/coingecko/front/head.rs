//! The head of an answer: read as wiremock sends it, written as CoinGecko would.

use std::fmt::Write;
use std::io;

use http::StatusCode;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::{CALL, Framing};
use crate::coingecko::headers::Headers;

/// Longest head that is read, bytes. wiremock sends a few hundred.
const LONGEST: usize = 64 * 1024;

/// The head of one of wiremock's answers.
pub(super) struct Head {
    text: String,
}

impl Head {
    /// Reads a head; `None` when the connection has ended instead.
    pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if from.read_line(&mut text).await? == 0 {
                return Ok(None);
            }
            if text.len() > LONGEST {
                return Err(io::Error::other("a head without an end"));
            }
        }
        Ok(Some(Self { text }))
    }

    /// As it came.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The number of the call that it answers.
    pub(super) fn call(&self) -> Option<u64> {
        self.header(CALL)?.parse().ok()
    }

    /// Bytes of its body.
    pub(super) fn length(&self) -> usize {
        let length = self.header("content-length");
        length.and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    /// How the answer tells its length. A caller of HTTP/1.0 knows no chunks.
    pub(super) fn framing(&self, headers: &Headers, length: usize, bodiless: bool) -> Framing {
        let chunked = headers.iter().any(|(name, _)| *name == "transfer-encoding");
        if bodiless {
            Framing::Nothing
        } else if chunked && !self.text.starts_with("HTTP/1.0") {
            Framing::Chunked
        } else {
            Framing::Length(length)
        }
    }

    /// The head of CoinGecko's answer in its place.
    pub(super) fn answer(&self, status: u16, headers: &Headers, framing: Framing) -> String {
        let version = self.text.split(' ').next().unwrap_or("HTTP/1.1");
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let mut head = format!("{version} {status} {}\r\n", reason.unwrap_or("Unknown"));
        // Writing to a string cannot fail.
        let mut line = |name: &str, value: &str| {
            let _ = write!(head, "{name}: {value}\r\n");
        };
        let mut framed = framing == Framing::Nothing;
        for (name, value) in headers {
            match *name {
                "transfer-encoding" | "content-length" => {
                    if !framed {
                        frame(framing, &mut line);
                    }
                    framed = true;
                }
                name => line(name, value),
            }
        }
        if !framed {
            frame(framing, &mut line);
        }
        if self
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            line("connection", "close");
        }
        head.push_str("\r\n");
        head
    }
}

fn frame(framing: Framing, line: &mut impl FnMut(&str, &str)) {
    match framing {
        Framing::Length(length) => line("content-length", &length.to_string()),
        Framing::Chunked => line("transfer-encoding", "chunked"),
        Framing::Nothing => {}
    }
}

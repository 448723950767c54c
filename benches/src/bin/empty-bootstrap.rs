//! A bootstrap that answers every event with `{}`, with nothing but the standard library: the least that a function can be.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

const INVOCATION: &str = "/2018-06-01/runtime/invocation";

#[expect(
    clippy::disallowed_methods,
    reason = "a function of its own, which Lambda tells by a variable where it is"
)]
fn main() -> io::Result<()> {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(&api)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    loop {
        write!(stream, "GET {INVOCATION}/next HTTP/1.1\r\nHost: {api}\r\n\r\n")?;
        let id = answer(&mut answers)?.ok_or(io::ErrorKind::InvalidData)?;
        write!(
            stream,
            "POST {INVOCATION}/{id}/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: 2\r\n\r\n{{}}"
        )?;
        answer(&mut answers)?;
    }
}

/// Reads one answer to its end; gives the id of the invocation, when it has one.
fn answer(answers: &mut impl BufRead) -> io::Result<Option<String>> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
            id = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut answers.take(length), &mut io::sink())?;
    Ok(id)
}

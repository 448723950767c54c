//! The TCP layer before the fake CoinGecko: where an answer becomes bytes, and connections fail.
//!
//! wiremock stands behind it and takes requests apart; the engine's answer to each waits in [`Calls`]. The front
//! passes the bytes of requests on as they come, and writes each answer itself: after its delay, as its [`Wire`] says.
//! So it knows what reached the caller, and when.
//!
//! [`door`] says who may connect at all.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use scenarios::format::fault::Cut;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::calls::{Calls, OpenCall};
use super::engine::Engine;
use super::exchange::Fate;
use super::wire::Wire;
use crate::clock::RunClock;

mod door;
mod head;

use door::Door;
use head::Head;

/// The header by which the front knows a call; no caller sees it.
pub(super) const CALL: &str = "x-fake-call";
/// How often a dripping body is fed.
const DRIP_EVERY: Duration = Duration::from_millis(50);
/// How long wiremock may take for a call, real time; it answers at once.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// The longest chunk.
const CHUNK: usize = 16 * 1024;

/// A running front. It stops listening when dropped, and its connections are cut.
#[derive(Debug)]
pub(super) struct Front {
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Front {
    /// Puts a front before wiremock at `behind`, on a port that is bound and not listened on yet, and its address. It works on the
    /// runtime that it is started from.
    pub(super) fn start(
        (listener, address): (TcpListener, SocketAddrV4),
        behind: SocketAddr,
        engine: Arc<Engine>,
        clock: RunClock,
        calls: Arc<Calls>,
    ) -> io::Result<Self> {
        let serve = move |caller, slowed| {
            let calls = Arc::clone(&calls);
            async move { serve(caller, slowed, behind, &calls).await }
        };
        let door = Door::new(listener, address, engine, clock)?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self {
            stop,
            accepting: tokio::spawn(door.keep(serve, stopped)),
        })
    }

    /// Stops it, and returns when its connections have told of their calls.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        // It ends only by its own or by an abort, and nobody aborts it while `self` lives.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Its connections end with it, and tell of their calls.
        self.accepting.abort();
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In order, or because its caller has gone.
    Close,
    /// By a reset.
    Reset,
}

/// Serves one connection until either side has had enough. `slowed`: the fault that made connecting take long.
async fn serve(mut caller: TcpStream, slowed: Option<u16>, behind: SocketAddr, calls: &Calls) {
    // Without it the connection works, a little slower.
    let _ = caller.set_nodelay(true);
    let Ok(mut fake) = TcpStream::connect(behind).await else {
        return;
    };
    let _ = fake.set_nodelay(true);
    let (left, has_left) = watch::channel(false);
    let end = {
        let (mut from_caller, mut to_caller) = caller.split();
        let (from_fake, mut to_fake) = fake.split();
        let mut from_fake = BufReader::new(from_fake);
        let ask = async {
            let asked = pass_on(&mut from_caller, &mut to_fake).await;
            left.send_replace(true);
            // What it asked for at last may have begun, and is told of when wiremock's answer to it is seen.
            if let Some(asked) = asked {
                sleep_until(asked + SETTLED_AFTER).await;
            }
        };
        tokio::select! {
            biased;
            end = answer_all(&mut from_fake, &mut to_caller, slowed, has_left, calls) => end.unwrap_or(End::Close),
            () = ask => End::Close,
        }
    };
    if end == End::Reset {
        let _ = caller.set_zero_linger();
    } else {
        let _ = caller.shutdown().await;
    }
}

/// Passes on what a caller sends until it will send nothing more, which is taken for having left, as servers do. Returns
/// when it last sent something.
async fn pass_on(
    from_caller: &mut (impl AsyncRead + Unpin),
    to_fake: &mut (impl AsyncWrite + Unpin),
) -> Option<Instant> {
    let (mut asked, mut bytes) = (None, vec![0; 8 * 1024]);
    while let Ok(read @ 1..) = from_caller.read(&mut bytes).await {
        asked = Some(Instant::now());
        if to_fake.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    asked
}

/// Answers what comes on a connection, one after the other. Who has left is answered nothing.
async fn answer_all(
    from_fake: &mut (impl AsyncBufRead + Unpin),
    to_caller: &mut (impl AsyncWrite + Unpin),
    mut slowed: Option<u16>,
    mut has_left: watch::Receiver<bool>,
    calls: &Calls,
) -> io::Result<End> {
    loop {
        let Some(head) = Head::read(from_fake).await? else {
            return Ok(End::Close);
        };
        let Some(mut call) = head.call().and_then(|number| calls.take(number)) else {
            // wiremock's own answer to what is no request.
            to_caller.write_all(head.as_bytes()).await?;
            let mut body = vec![0; head.length()];
            from_fake.read_exact(&mut body).await?;
            to_caller.write_all(&body).await?;
            continue;
        };
        // The first call had to wait for the connection.
        call.touched_by(slowed.take());
        let mut body = vec![0; if call.bodiless { 0 } else { head.length() }];
        from_fake.read_exact(&mut body).await?;
        let ended = tokio::select! {
            biased;
            _ = has_left.wait_for(|left| *left) => None,
            ended = answer(to_caller, &head, &body, call) => ended?,
        };
        if let Some(end) = ended {
            return Ok(end);
        }
    }
}

/// Answers one call; `Some` when that ends its connection.
async fn answer(
    to_caller: &mut (impl AsyncWrite + Unpin),
    head: &Head,
    body: &[u8],
    mut call: OpenCall,
) -> io::Result<Option<End>> {
    // A delay of nothing would still wait for the timer's next tick.
    if !call.answer.delay.is_zero() {
        sleep(call.answer.delay).await;
    }
    let wire = call.answer.wire;
    match (call.answer.fate, wire) {
        (Fate::Hang, _) | (Fate::Answer, Wire::Close) => return Ok(Some(End::Close)),
        (Fate::Answer, Wire::Reset) => return Ok(Some(End::Reset)),
        (Fate::Answer, Wire::Whole | Wire::Drip { .. } | Wire::Cut { .. }) => {}
    }
    let framing = head.framing(&call.answer.headers, body.len(), call.bodiless);
    let text = head.answer(call.answer.status, &call.answer.headers, framing);
    match wire {
        Wire::Cut { how, after } => {
            to_caller.write_all(text.as_bytes()).await?;
            call.head_sent();
            let come = &body[..after.min(body.len())];
            match how {
                Cut::Chunked => to_caller.write_all(&chunk(come)).await?,
                Cut::Length | Cut::Json => to_caller.write_all(come).await?,
            }
            to_caller.flush().await?;
            return Ok(Some(End::Close));
        }
        Wire::Drip { bytes_per_second } => {
            to_caller.write_all(text.as_bytes()).await?;
            to_caller.flush().await?;
            call.head_sent();
            drip(to_caller, body, framing, bytes_per_second).await?;
        }
        Wire::Whole | Wire::Close | Wire::Reset => {
            let mut bytes = text.into_bytes();
            match framing {
                Framing::Chunked => {
                    body.chunks(CHUNK).for_each(|piece| bytes.extend(chunk(piece)));
                    bytes.extend_from_slice(LAST_CHUNK);
                }
                Framing::Length(_) => bytes.extend_from_slice(body),
                Framing::Nothing => {}
            }
            to_caller.write_all(&bytes).await?;
            to_caller.flush().await?;
            call.head_sent();
        }
    }
    call.complete();
    Ok(None)
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// `Content-Length`
    Length(usize),
    /// `Transfer-Encoding: chunked`
    Chunked,
    /// There is no body.
    Nothing,
}

/// What ends a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One chunk.
fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Sends a body at its speed: what is due by now, and never more.
async fn drip(
    to_caller: &mut (impl AsyncWrite + Unpin),
    body: &[u8],
    framing: Framing,
    bytes_per_second: u64,
) -> io::Result<()> {
    let (begun, mut sent) = (Instant::now(), 0);
    while sent < body.len() {
        // The next piece is sent when the whole of it is due.
        let step = (bytes_per_second as f64 * DRIP_EVERY.as_secs_f64()) as usize;
        let until = body.len().min(sent + step.max(1));
        let due = Duration::from_secs_f64(until as f64 / bytes_per_second as f64);
        sleep_until(begun + due).await;
        let piece = &body[sent..until];
        match framing {
            Framing::Chunked => to_caller.write_all(&chunk(piece)).await?,
            Framing::Length(_) | Framing::Nothing => to_caller.write_all(piece).await?,
        }
        to_caller.flush().await?;
        sent = until;
    }
    if framing == Framing::Chunked {
        to_caller.write_all(LAST_CHUNK).await?;
    }
    to_caller.flush().await
}

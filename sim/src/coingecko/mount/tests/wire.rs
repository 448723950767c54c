//! What a plain TCP client sees of each fault beneath HTTP.

use std::io::ErrorKind;

use scenarios::format::fault::{ConnectFailure, Cut};
use scenarios::format::model::FaultShape;
use tokio::time::Instant;

use super::*;

const MS: Duration = Duration::from_millis(1);

async fn played(kind: CoinGeckoFault) -> Played {
    Played::on(Plan::Demo, &[sample(kind)]).await
}

fn request(target: &str, more: &str) -> Vec<u8> {
    format!("GET /api/v3{target} HTTP/1.1\r\nhost: localhost\r\nx-cg-demo-api-key: {DEMO_KEY}\r\n{more}\r\n")
        .into_bytes()
}

/// Writes bytes and reads all that comes.
async fn exchange(played: &Played, bytes: &[u8]) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut stream = played.connect().await;
    let mut answer = Vec::new();
    if let Err(error) = stream.write_all(bytes).await {
        return (answer, Err(error.kind()));
    }
    let read = stream.read_to_end(&mut answer).await;
    (answer, read.map(|_| ()).map_err(|error| error.kind()))
}

/// The head and what comes after it.
fn parted(answer: &[u8]) -> (String, Vec<u8>) {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        panic!("no head: {}", String::from_utf8_lossy(answer))
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head, answer[end + 4..].to_vec())
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

/// The whole body, as a healthy fake sends it.
async fn healthy() -> String {
    let played = Played::on(Plan::Demo, &[]).await;
    let (_, _, body) = get(&mut played.client().await, "/coins/list").await;
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn a_short_body_promises_the_whole() {
    let after = Some(100);
    let played = played(CoinGeckoFault::Truncated {
        how: Cut::Length,
        after,
    })
    .await;
    let (answer, end) = exchange(&played, &request("/coins/list", "")).await;
    let (head, body) = parted(&answer);
    let whole = healthy().await;
    assert_eq!(header(&head, "content-length"), Some(whole.len().to_string()));
    assert_eq!(header(&head, "transfer-encoding"), None);
    assert_eq!(String::from_utf8_lossy(&body), whole[..100]);
    assert_eq!(end, Ok(()), "closed in order");
    let call = &played.ended(1).await[0];
    assert_eq!((call.status, call.complete), (200, false));
    assert_eq!(call.faults, [0]);
}

#[tokio::test]
async fn a_chunked_body_lacks_its_last_chunk() {
    let after = Some(100);
    let played = played(CoinGeckoFault::Truncated {
        how: Cut::Chunked,
        after,
    })
    .await;
    let (answer, end) = exchange(&played, &request("/coins/list", "")).await;
    let (head, body) = parted(&answer);
    assert_eq!(header(&head, "transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(header(&head, "content-length"), None);
    let whole = healthy().await;
    assert_eq!(
        String::from_utf8_lossy(&body),
        format!("64\r\n{}\r\n", &whole[..100])
    );
    assert_eq!(end, Ok(()), "closed in order");
    assert!(!played.ended(1).await[0].complete);
}

#[tokio::test]
async fn json_that_breaks_off_is_complete_as_http() {
    let after = Some(100);
    let played = played(CoinGeckoFault::Truncated {
        how: Cut::Json,
        after,
    })
    .await;
    let (_, _, body) = get(&mut played.client().await, "/coins/list").await;
    assert_eq!(String::from_utf8_lossy(&body), healthy().await[..100]);
    assert!(played.ended(1).await[0].complete);
}

#[tokio::test]
async fn closed_or_reset_without_an_answer() {
    for (how, end) in [
        (ConnectFailure::Close, Ok(())),
        (ConnectFailure::Reset, Err(ErrorKind::ConnectionReset)),
    ] {
        let played = played(CoinGeckoFault::ConnectFail { how }).await;
        let seen = exchange(&played, &request("/coins/list", "")).await;
        assert_eq!(seen, (Vec::new(), end), "{how:?}");
        let call = &played.ended(1).await[0];
        assert_eq!((call.status, call.complete, call.credit), (0, false, false));
    }
}

#[tokio::test]
async fn a_dripping_body_is_whole_and_never_faster_than_it_may_be() {
    let whole = healthy().await;
    // A third of a second for all of it.
    let bytes_per_second = whole.len() as u64 * 3;
    let played = played(CoinGeckoFault::SlowBody { bytes_per_second }).await;
    let begun = Instant::now();
    let mut stream = played.connect().await;
    let sent = stream
        .write_all(&request("/coins/list", "connection: close\r\n"))
        .await;
    assert!(sent.is_ok());
    let (mut answer, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(read) = stream.read(&mut piece).await
        && read > 0
    {
        answer.extend_from_slice(&piece[..read]);
        // Heads and the lengths of chunks are not body.
        let body = answer.len().saturating_sub(2_000) as f64;
        assert!(body <= begun.elapsed().as_secs_f64() * bytes_per_second as f64);
    }
    let (_, body) = parted(&answer);
    let mut body = String::from_utf8_lossy(&body).into_owned();
    let mut unchunked = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or_else(|_| panic!("{length} is a length"));
        unchunked.push_str(&rest[..length]);
        body = rest[length + 2..].to_owned();
    }
    assert_eq!(unchunked, whole);
    let call = &played.ended(1).await[0];
    assert!(call.complete && call.done_us - call.at_us >= 333_000, "{call:?}");
}

#[tokio::test]
async fn nobody_listens_and_then_somebody_does() {
    let refuse = Fault {
        length: 3000 * MS,
        ..sample(CoinGeckoFault::ConnectFail {
            how: ConnectFailure::Refuse,
        })
    };
    let begun = Instant::now();
    let played = Played::on(Plan::Demo, &[refuse]).await;
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, played.mounted.port()));
    // Until the door has seen the fault.
    while connect().await.is_ok() {
        assert!(begun.elapsed() < 3000 * MS, "nobody was refused");
        tokio::task::yield_now().await;
    }
    let mut refused = 0;
    while let Err(error) = connect().await {
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        refused += 1;
        tokio::time::sleep(5 * MS).await;
    }
    assert!(
        refused > 0 && begun.elapsed() >= 3000 * MS,
        "{refused} {:?}",
        begun.elapsed()
    );
    let (status, ..) = get(&mut played.client().await, "/ping").await;
    let calls = played.ended(1).await.len();
    assert_eq!((status, calls), (200, 1), "who was refused made no call");
}

#[tokio::test]
async fn packets_vanish_and_come_through_when_they_are_sent_again() {
    let blackhole = Fault {
        length: 3000 * MS,
        ..sample(CoinGeckoFault::ConnectFail {
            how: ConnectFailure::Blackhole,
        })
    };
    let begun = Instant::now();
    let played = Played::on(Plan::Demo, &[blackhole]).await;
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, played.mounted.port()));
    // Until the door has seen the fault, who comes is let in.
    while let Ok(connected) = tokio::time::timeout(250 * MS, connect()).await {
        assert!(connected.is_ok(), "nobody is refused: {connected:?}");
        assert!(begun.elapsed() < 3000 * MS, "no packet has vanished");
        // Not so many that they fill the queue by themselves.
        tokio::time::sleep(10 * MS).await;
    }
    // Linux sends the first packet again each second, until there is somebody.
    assert!(connect().await.is_ok());
    assert!(begun.elapsed() >= 3000 * MS, "{:?}", begun.elapsed());
    let (status, ..) = get(&mut played.client().await, "/ping").await;
    assert_eq!((status, played.ended(1).await.len()), (200, 1));
}

#[tokio::test]
async fn connecting_is_slow_and_the_call_is_answered() {
    let by = 300 * MS;
    let played = played(CoinGeckoFault::SlowConnect { by }).await;
    // Until the door has seen the fault, who comes is let in at once.
    let all = Instant::now();
    let mut stream = loop {
        let begun = Instant::now();
        let stream = played.connect().await;
        if begun.elapsed() >= by {
            break stream;
        }
        assert!(all.elapsed() < 20_000 * MS, "nobody has waited");
    };
    assert!(
        stream
            .write_all(&request("/ping", "connection: close\r\n"))
            .await
            .is_ok()
    );
    let mut answer = Vec::new();
    assert!(stream.read_to_end(&mut answer).await.is_ok());
    let (head, _) = parted(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(played.ended(1).await[0].faults, [0]);
}

#[tokio::test]
async fn a_flapping_port_comes_and_goes() {
    let flapping = Fault {
        shape: FaultShape::Flap {
            on: 150 * MS,
            off: 150 * MS,
        },
        ..sample(CoinGeckoFault::ConnectFail {
            how: ConnectFailure::Refuse,
        })
    };
    let played = Played::on(Plan::Demo, &[flapping]).await;
    let mut turns = 0;
    let mut last = None;
    let begun = Instant::now();
    while turns < 4 {
        assert!(begun.elapsed() < GIVEN_UP_AFTER, "{turns} turns");
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, played.mounted.port())).await;
        let open = connected.is_ok();
        turns += u32::from(last.is_some_and(|last| last != open));
        last = Some(open);
        tokio::time::sleep(5 * MS).await;
    }
}

#[tokio::test]
async fn one_connection_carries_many_calls_and_two_at_once() {
    let played = Played::on(Plan::Demo, &[]).await;
    let mut client = played.client().await;
    for _ in 0..20 {
        let (status, _, body) = get(&mut client, "/coins/list").await;
        assert!(status == 200 && body.len() > 10_000, "{status} {}", body.len());
    }
    let both = [request("/ping", ""), request("/ping", "connection: close\r\n")].concat();
    let (answer, _) = exchange(&played, &both).await;
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!(played.ended(22).await.len(), 22);
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_no_call() {
    let played = Played::on(Plan::Demo, &[]).await;
    let (answer, _) = exchange(&played, b"nonsense\r\n\r\n").await;
    let (head, _) = parted(&answer);
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(played.calls().is_empty());
    let head = b"HEAD /api/v3/ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (answer, _) = exchange(&played, head).await;
    let (head, body) = parted(&answer);
    assert!(
        head.starts_with("HTTP/1.1 404") && body.is_empty(),
        "{head} {body:?}"
    );
}

#[tokio::test]
async fn who_asks_and_leaves_at_once_is_told_of() {
    let played = Played::on(Plan::Demo, &[]).await;
    for _ in 0..30 {
        let mut stream = played.connect().await;
        assert!(stream.write_all(&request("/ping", "")).await.is_ok());
    }
    let calls = played.ended(30).await;
    assert_eq!((calls.len(), played.mounted.calls.begun()), (30, 30), "each once");
    // A busy machine may be late with some of them.
    let mut took_us: Vec<_> = calls.iter().map(|call| call.done_us - call.at_us).collect();
    took_us.sort_unstable();
    assert!(
        took_us[took_us.len() / 2] < 1_000_000,
        "not only when the connection ends: {took_us:?}"
    );
}

//! The store front before the embedded DynamoDB: the service's own requests go through it, and it tells what
//! happened.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use http_body_util::BodyExt;
use service::{
    models::{KeyId, Timestamp},
    store::{Acquire, ReleaseLease, ReleaseOutcome, StoreError},
};
use sim::{
    record::event::{Event, LeaseAction, StoreCall, StoreOp, StoreSubject},
    store::{
        front::{Emit, FrontSabotage, StoreFront},
        table,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{
    Fronted, Told,
    checks::{
        self, TABLE,
        counters::{ROOM, TRIES, WINDOW},
        lease::{acquire, holder},
        service_store,
    },
    clock,
    raw::Raw,
    untouched,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_admits_as_many_as_it_has_room_for_and_the_front_saw_each() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    let key = KeyId::new(&table::key_id("a secret"));
    checks::counters::share_out_their_room(&service_store(front.url()), &key).await;

    let (mut counts, mut refusals) = (BTreeSet::new(), 0);
    for event in told.all() {
        if let Event::Admission {
            key_id,
            window,
            admitted,
            count,
            ..
        } = event
        {
            assert_eq!((&*key_id, window), (key.as_str(), WINDOW));
            if admitted {
                assert!(counts.insert(count), "{count} was given twice");
            } else {
                assert_eq!(count, ROOM, "a refusal shows the full counter");
                refusals += 1;
            }
        }
    }
    assert_eq!(counts, (1..=ROOM).collect());
    assert_eq!(refusals, TRIES - ROOM);

    let counters: Vec<_> = told
        .calls()
        .into_iter()
        .filter(|call| call.op == StoreOp::UpdateItem)
        .collect();
    assert_eq!(counters.len(), TRIES as usize);
    assert!(
        counters
            .iter()
            .all(|call| call.subject == StoreSubject::RateLimit && call.items == 1)
    );
    let units: f64 = counters.iter().map(|call| call.wcu).sum();
    assert_eq!(units, f64::from(TRIES), "a refused update costs a unit, too");
    let cost = front.cost();
    assert_eq!(cost.added.count, u64::from(TRIES) + 2);
    assert!(
        cost.store.sum_us > 0 && cost.added.p50_us <= cost.added.p99_us,
        "{cost:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lease_has_one_holder_and_each_try_is_told() {
    use LeaseAction::{Acquire, Release};
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    checks::lease::has_one_holder(&service_store(front.url())).await;
    let (a, b, c) = (
        "api-1111111111111111",
        "api-2222222222222222",
        "update-3333333333333333",
    );
    let (d, e) = ("api-4444444444444444", "api-5555555555555555");
    let expected = [
        (a, Acquire, true),
        (b, Acquire, false),
        (c, Acquire, false),
        (b, Release, false),
        (a, Release, true),
        (c, Acquire, false),
        (c, Acquire, true),
        (d, Acquire, false),
        (d, Acquire, true),
        (c, Release, false),
        (d, Release, true),
        (e, Acquire, false),
        (e, Acquire, true),
    ];
    assert_eq!(
        told.leases(),
        expected.map(|(holder, action, held)| (holder.to_owned(), action, held))
    );
    let lease_read = told
        .calls()
        .into_iter()
        .find(|call| call.op == StoreOp::GetItem)
        .expect("it was read");
    assert_eq!(
        (lease_read.subject, lease_read.consistent, lease_read.rcu),
        (StoreSubject::Lease, true, 1.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_the_lease() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    checks::lease::goes_to_one_of_many(&service_store(front.url())).await;
    let tries = told.leases();
    assert_eq!(tries.len(), 64);
    assert_eq!(tries.iter().filter(|(_, _, held)| *held).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sabotage_gives_the_lease_to_whoever_asks_and_touches_nothing_else() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage {
        drop_lease_condition: true,
    })
    .await;
    let store = service_store(front.url());
    let now = Timestamp(1_772_409_600_000);
    for name in ["api-1111111111111111", "update-2222222222222222"] {
        let taken = store
            .acquire_lease(&acquire(name, now))
            .await
            .expect("DynamoDB takes the shortened request");
        assert!(
            matches!(taken.value, Acquire::Acquired(_)),
            "{name} gets the lease"
        );
    }
    for (name, outcome) in [
        ("update-2222222222222222", ReleaseOutcome::Unused),
        ("api-1111111111111111", ReleaseOutcome::Unused),
    ] {
        let release = ReleaseLease {
            holder: holder(name),
            outcome,
        };
        assert!(
            store.release_lease(&release).await.expect("an answer").value,
            "{name} gives it back"
        );
    }
    assert!(told.leases().iter().all(|(_, _, held)| *held));
    assert_eq!(told.leases().len(), 4);
    // Counters keep their condition.
    checks::counters::share_out_their_room(&service_store(front.url()), &KeyId::new("ab")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capacity_sums_up_to_the_documented_formulas() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    let (read, written) = checks::capacity::follows_the_formulas(&Raw::new(front.url())).await;
    let calls = told.calls();
    assert_eq!(calls.iter().map(|call| call.rcu).sum::<f64>(), read);
    assert_eq!(calls.iter().map(|call| call.wcu).sum::<f64>(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_are_kept_exactly_and_each_write_is_told() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    let written = checks::prices::come_back_exactly(&service_store(front.url())).await;
    let seen: BTreeSet<_> = told
        .all()
        .into_iter()
        .filter_map(|event| match event {
            Event::PriceWrite {
                symbol,
                price,
                updated_ms,
                fetched_ms,
                ttl_s,
                ..
            } => Some((symbol, price, updated_ms, fetched_ms, ttl_s)),
            _ => None,
        })
        .collect();
    let expected: BTreeSet<_> = written
        .iter()
        .map(|price| {
            let (symbol, number) = (price.symbol.to_string(), price.price.to_string());
            (
                symbol,
                number,
                price.last_updated.0,
                price.fetched_at.0,
                price.ttl,
            )
        })
        .collect();
    assert_eq!(seen, expected);
    let summary: Vec<_> = told
        .calls()
        .into_iter()
        .map(|call| {
            (
                call.op,
                call.subject,
                call.consistent,
                call.items,
                call.found,
                call.rcu,
                call.wcu,
            )
        })
        .collect();
    let (get, put, prices) = (
        StoreOp::BatchGetItem,
        StoreOp::BatchWriteItem,
        StoreSubject::Prices,
    );
    assert_eq!(
        summary,
        [
            (put, prices, false, 25, 0, 0.0, 25.0),
            (get, prices, false, 26, 25, 13.0, 0.0),
            (get, prices, true, 26, 25, 26.0, 0.0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeded_keys_are_keys_to_the_service() {
    let Fronted { store, front, told } = &Fronted::start(FrontSabotage::default()).await;
    let keys = [("secret-1".to_owned(), true), ("secret-2".to_owned(), false)];
    table::seed_keys(store.database(), TABLE, &keys, 1_772_409_600_000).expect("stored");
    let service = service_store(front.url());
    for (secret, enabled) in &keys {
        let id = KeyId::new(&table::key_id(secret));
        let key = service
            .api_key(&id)
            .await
            .expect("an answer")
            .value
            .expect("it is there");
        assert_eq!(
            (key.id, key.enabled, key.created_at.0),
            (id, *enabled, 1_772_409_600_000)
        );
        assert_eq!(key.last_used_at, None);
    }
    let read = told.calls().into_iter().next_back().expect("a call");
    assert_eq!(
        (read.op, read.subject, read.found),
        (StoreOp::GetItem, StoreSubject::ApiKey, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_is_an_error_at_once_and_told() {
    let Fronted { store, front, told } = Fronted::start(FrontSabotage::default()).await;
    let service = service_store(front.url());
    service.lease().await.expect("it is up, and a connection is open");
    drop(store);
    let failed = service
        .count_request(&KeyId::new("ab"), 1, 1, 1)
        .await
        .expect_err("it is down");
    assert!(
        matches!(
            failed,
            StoreError::Unavailable {
                operation: "UpdateItem",
                ..
            }
        ),
        "{failed}"
    );
    let (status, answer) = Raw::new(front.url()).send("GetItem", "{}").await;
    assert_eq!(status, 500);
    assert_eq!(
        answer["__type"],
        "com.amazonaws.dynamodb.v20120810#InternalServerError"
    );
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("the store behind the front at http://127.0.0.1:"),
        "{message}"
    );
    let statuses: Vec<_> = told.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 500, 500]);
    assert!(
        !told
            .all()
            .iter()
            .any(|event| matches!(event, Event::Admission { .. })),
        "nobody was admitted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refuses_is_its_own_to_refuse() {
    let Fronted { front, told, .. } = &Fronted::start(FrontSabotage::default()).await;
    let raw = Raw::new(front.url());
    for (operation, body, code) in [
        ("GetItem", "{", "#SerializationException"),
        ("GetItem", "{}", "#ValidationException"),
        ("Nonsense", "{}", "#UnknownOperationException"),
        (
            "GetItem",
            r#"{"TableName":"missing","Key":{"PK":{"S":"x"},"SK":{"S":"y"}}}"#,
            "#ResourceNotFoundException",
        ),
    ] {
        let (status, answer) = raw.send(operation, body).await;
        assert_eq!(status, 400);
        assert!(
            answer["__type"].as_str().is_some_and(|told| told.ends_with(code)),
            "{body}: {answer}"
        );
    }
    let (status, _) = raw.send("PutItem", vec![b' '; 16 * 1024 * 1024 + 1]).await;
    assert_eq!(status, 413);
    let statuses: Vec<_> = told.calls().iter().map(|call| (call.op, call.status)).collect();
    let (get, put, other) = (StoreOp::GetItem, StoreOp::PutItem, StoreOp::Other);
    assert_eq!(
        statuses,
        [(get, 400), (get, 400), (other, 400), (get, 400), (put, 413)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_and_headers_pass_unchanged() {
    let echo = post(|headers: HeaderMap, body: Bytes| async move {
        let told = ["host", "authorization", "x-amz-target", "x-own"].map(|name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("none")
                .to_owned()
        });
        (
            [("x-amz-crc32", "7"), ("x-came", "through")],
            [told.join("|").as_bytes(), &body].concat(),
        )
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let server = tokio::spawn(async move { axum::serve(listener, Router::new().route("/", echo)).await });

    let told = Told::default();
    let front = StoreFront::start(&endpoint, clock(), told.emit(), untouched())
        .await
        .expect("the front starts");
    let raw = Raw::new(front.url());
    let odd = b" { \"a\" :\t1.50, \"a\": \xff }";
    let mut request = raw.request("GetItem", &odd[..]);
    request
        .headers_mut()
        .insert("x-own", "yes".parse().expect("a value"));
    request
        .headers_mut()
        .insert("connection", "keep-alive".parse().expect("a value"));
    let authorization = request.headers()["authorization"]
        .to_str()
        .expect("text")
        .to_owned();
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let answer = client.request(request).await.expect("an answer");
    assert_eq!(answer.headers()["x-amz-crc32"], "7");
    assert_eq!(answer.headers()["x-came"], "through");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let host = front.url().trim_start_matches("http://");
    let expected = format!("{host}|{authorization}|DynamoDB_20120810.GetItem|yes");
    assert_eq!(body, [expected.as_bytes(), odd].concat());
    server.abort();
}

/// Reads one request of a known body from a socket.
async fn read_request(stream: &mut TcpStream, body: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(body.as_bytes()) {
        let read = stream.read_buf(&mut seen).await.expect("readable");
        assert!(read > 0, "the request was cut");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_gives_up_does_not_hide_what_the_store_did() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    let (tell, mut told) = mpsc::unbounded_channel();
    let emit: Emit = Arc::new(move |event| drop(tell.send(event)));
    let front = StoreFront::start(&endpoint, clock(), emit, untouched())
        .await
        .expect("it starts");

    let address = front.url().trim_start_matches("http://");
    let body = r#"{"Key":{"PK":{"S":"APIKEY#ab"},"SK":{"S":"RATELIMIT#5"}}}"#;
    let mut client = TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: D.UpdateItem\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    client.write_all(head.as_bytes()).await.expect("written");
    let (mut store, _) = listener.accept().await.expect("the front connects");
    read_request(&mut store, body).await;
    drop(client);
    // The front does not hang up on the store; there is no event that says so, only that nothing comes.
    let hung_up = tokio::time::timeout(Duration::from_millis(200), store.read_u8()).await;
    assert!(hung_up.is_err(), "{hung_up:?}");
    let answer = r#"{"Attributes":{"requestCount":{"N":"9"}}}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    store.write_all(head.as_bytes()).await.expect("written");

    assert!(matches!(
        told.recv().await,
        Some(Event::Store(StoreCall { status: 200, .. }))
    ));
    assert!(matches!(
        told.recv().await,
        Some(Event::Admission {
            admitted: true,
            count: 9,
            window: 5,
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_front_listens_no_more() {
    for graceful in [true, false] {
        let Fronted {
            store: _store, front, ..
        } = Fronted::start(FrontSabotage::default()).await;
        let address = front.url().trim_start_matches("http://").to_owned();
        // A connection that is open and idle does not hold it up.
        let service = service_store(front.url());
        service.lease().await.expect("an answer");
        if graceful {
            assert_eq!(front.stop().await.store.count, 1);
            assert!(TcpStream::connect(&address).await.is_err(), "nothing listens");
        } else {
            drop(front);
        }
        // Dropped, it ends as soon as the runtime gets to it.
        while service.lease().await.is_ok() {}
    }
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused() {
    for endpoint in [
        "",
        "127.0.0.1:8000",
        "ftp://dynamodb.us-east-1.amazonaws.com",
        "http://",
    ] {
        let front = StoreFront::start(endpoint, clock(), Told::default().emit(), untouched()).await;
        let error = front.expect_err("no endpoint").to_string();
        assert_eq!(
            error,
            format!("`{endpoint}` is no endpoint of a store: it must be like http://127.0.0.1:8000")
        );
    }
}

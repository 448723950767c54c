//! Stores that are ours: started, halted, resumed, gone.

mod bad_input;
mod endpoint;
mod stub;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

fn contents() -> Contents {
    Contents {
        keys: vec![("secret".to_owned(), true)],
        start_ms: 1_772_409_600_000,
    }
}

fn spec(disk: Disk) -> StoreSpec {
    StoreSpec {
        disk,
        ..StoreSpec::default()
    }
}

/// Asks with a signature that nobody checks, on a connection of its own.
async fn ask(url: &str, operation: &str, body: Value) -> std::io::Result<Value> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let body = body.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-amz-json-1.0\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
         x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=x/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    Ok(serde_json::from_str(body).expect("JSON"))
}

fn key(backend: &Backend) -> Value {
    let id = table::key_id("secret");
    json!({
        "TableName": backend.table(),
        "Key": { "PK": { "S": format!("APIKEY#{id}") }, "SK": { "S": "METADATA" } },
    })
}

#[tokio::test]
async fn what_is_on_disk_outlives_a_halt_and_is_gone_with_the_store() {
    let mut backend = Backend::start(&spec(Disk::Yes)).await.expect("it starts");
    backend.prepare(&contents()).await.expect("it is prepared");
    assert!(backend.is_durable());
    let url = backend.url().to_owned();
    for _ in 0..3 {
        backend.halt().await.expect("it halts");
        let refused = ask(&url, "GetItem", key(&backend))
            .await
            .expect_err("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        backend.resume().await.expect("it resumes");
        assert_eq!(backend.url(), url);
        let answer = ask(&url, "GetItem", key(&backend)).await.expect("it answers");
        assert_eq!(answer["Item"]["enabled"]["BOOL"], true, "{answer}");
    }
    let Kind::Embedded(embedded) = &backend.kind else {
        panic!("{backend:?} is the embedded one")
    };
    let folder = embedded.folder().expect("it is on disk").to_owned();
    assert!(folder.join("dynoxide.db").is_file());
    backend.stop().await.expect("it stops");
    assert!(!folder.exists(), "nothing is left behind");
}

#[tokio::test]
async fn what_is_in_memory_is_not_halted() {
    let mut backend = Backend::start(&spec(Disk::No)).await.expect("it starts");
    backend.prepare(&contents()).await.expect("it is prepared");
    assert!(!backend.is_durable());
    let refused = backend.halt().await.expect_err("its data would be lost");
    let version = dynoxide::PRODUCT_VERSION;
    assert_eq!(
        refused.to_string(),
        format!(
            "dynoxide {version} (embedded) keeps its data in memory, so that it cannot be restarted: all would be lost"
        )
    );
    let answer = ask(backend.url(), "GetItem", key(&backend))
        .await
        .expect("it goes on");
    assert_eq!(answer["Item"]["enabled"]["BOOL"], true, "{answer}");
}

/// The real one, where this machine has Java and Maven has brought it before (`run --store dynamodb-local` does that).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[expect(clippy::print_stderr, reason = "what a machine cannot do is said")]
async fn dynamodb_local_outlives_being_killed_when_it_is_on_disk() {
    let tools = crate::cli::ambient::tools(Tell::default());
    if !maven::is_resolved(&tools) || tools.java().is_none() {
        eprintln!("SKIPPED: this machine has no DynamoDB Local by Maven");
        return;
    }
    let spec = StoreSpec {
        choice: Choice::DynamoDbLocal(Some(Way::Maven)),
        disk: Disk::Yes,
        tools,
    };
    let mut backend = Backend::start(&spec).await.expect("it starts");
    assert_eq!(
        backend.about().to_string(),
        "DynamoDB Local 3.3.1 (Maven, on disk)"
    );
    backend.prepare(&contents()).await.expect("it is prepared");
    backend.halt().await.expect("it is killed");
    let refused = ask(backend.url(), "GetItem", key(&backend))
        .await
        .expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    backend.resume().await.expect("it starts again");
    let answer = ask(backend.url(), "GetItem", key(&backend))
        .await
        .expect("it answers");
    assert_eq!(answer["Item"]["enabled"]["BOOL"], true, "{answer}");
    let Kind::Local(local) = &backend.kind else {
        panic!("{backend:?} is DynamoDB Local")
    };
    let Local::Java(java) = local else {
        panic!("{local:?} is a process")
    };
    let folder = java.folder().to_owned();
    let url = backend.url().to_owned();
    assert!(folder.join("shared-local-instance.db").is_file());
    backend.stop().await.expect("it stops");
    assert!(!folder.exists(), "nothing is left behind");
    assert!(
        ask(&url, "ListTables", json!({})).await.is_err(),
        "nobody listens"
    );
}

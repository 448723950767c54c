//! Our table at an endpoint that is not ours: dynoxide plays one.

use serde_json::{Value, json};

use super::{
    super::*,
    ask, contents, key,
    stub::{Stub, Told, fine},
};
use crate::store::embedded::EmbeddedStore;

fn spec(url: &str, told: &Told) -> StoreSpec {
    StoreSpec {
        choice: Choice::Endpoint(Endpoint::parse(url).expect("an endpoint")),
        disk: Disk::No,
        tools: Tools {
            tell: told.tell(),
            ..Tools::default()
        },
    }
}

async fn tables(url: &str) -> Value {
    let listed = ask(url, "ListTables", json!({})).await.expect("it answers");
    listed["TableNames"].clone()
}

async fn time_to_live(backend: &Backend) -> String {
    let asked = json!({ "TableName": backend.table() });
    let told = ask(backend.url(), "DescribeTimeToLive", asked)
        .await
        .expect("it answers");
    told["TimeToLiveDescription"]["TimeToLiveStatus"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

#[tokio::test]
async fn a_play_has_a_table_of_its_own_that_goes_with_it() {
    let (elsewhere, told) = (EmbeddedStore::start().expect("it starts"), Told::default());
    let backend = Backend::start(&spec(elsewhere.url(), &told))
        .await
        .expect("it starts");
    let other = Backend::start(&spec(elsewhere.url(), &told))
        .await
        .expect("it starts");
    assert_ne!(backend.table(), other.table());
    let keys: Vec<_> = (0..2_345)
        .map(|n| (format!("secret-{n}"), n != 7))
        .chain(contents().keys)
        .collect();
    backend
        .prepare(&Contents { keys, ..contents() })
        .await
        .expect("it is prepared");
    assert_eq!(tables(elsewhere.url()).await, json!([backend.table()]));
    let answer = ask(backend.url(), "GetItem", key(&backend))
        .await
        .expect("it answers");
    assert_eq!(answer["Item"]["enabled"]["BOOL"], true, "{answer}");
    let counted = json!({ "TableName": backend.table(), "Select": "COUNT" });
    let counted = ask(backend.url(), "Scan", counted).await.expect("it answers");
    assert_eq!(counted["Count"], 2_346, "{counted}");
    let mut backend = backend;
    let url = backend.url().to_owned();
    let not_ours = backend.halt().await.expect_err("it is not ours").to_string();
    assert_eq!(
        not_ours,
        format!("the store at {url} is not ours, so that it cannot be restarted")
    );
    backend.stop().await.expect("it stops");
    assert_eq!(tables(elsewhere.url()).await, json!([]));
}

#[tokio::test]
async fn items_expire_by_todays_date_or_not_at_all() {
    let (elsewhere, told) = (EmbeddedStore::start().expect("it starts"), Told::default());
    let past = Backend::start(&spec(elsewhere.url(), &told))
        .await
        .expect("it starts");
    past.prepare(&contents()).await.expect("it is prepared");
    assert_eq!(time_to_live(&past).await, "DISABLED");
    insta::assert_snapshot!(told.lines().join("\n"), @"this store deletes expired items by today's date, and the scenario does not play today: the table's time to live stays off, so expired items stay until the service itself ignores them");
    let now = Backend::start(&spec(elsewhere.url(), &told))
        .await
        .expect("it starts");
    let since = crate::clock::system_now().duration_since(std::time::UNIX_EPOCH);
    let start_ms = since.expect("after 1970").as_millis() as i64 - 3_600_000;
    now.prepare(&Contents {
        start_ms,
        ..contents()
    })
    .await
    .expect("it is prepared");
    assert_eq!(time_to_live(&now).await, "ENABLED");
    assert_eq!(told.lines().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_play_that_is_broken_off_leaves_no_table() {
    let (elsewhere, told) = (EmbeddedStore::start().expect("it starts"), Told::default());
    let backend = Backend::start(&spec(elsewhere.url(), &told))
        .await
        .expect("it starts");
    backend.prepare(&contents()).await.expect("it is prepared");
    assert_eq!(tables(elsewhere.url()).await, json!([backend.table()]));
    drop(backend);
    assert_eq!(tables(elsewhere.url()).await, json!([]));
    assert_eq!(
        told.lines().len(),
        1,
        "nothing but the time to live: {:?}",
        told.lines()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_that_cannot_be_deleted_is_named() {
    let told = Told::default();
    let stubborn = Stub::start(|operation, body| match operation {
        "DescribeTable" => {
            let mut table = table::definition(body["TableName"].as_str().unwrap_or_default());
            table["TableStatus"] = "ACTIVE".into();
            fine(&json!({ "Table": table }))
        }
        "DeleteTable" => super::stub::error("AccessDeniedException", "not you"),
        _ => fine(&json!({})),
    })
    .await;
    let start = async || {
        let backend = Backend::start(&spec(&stubborn.url, &told))
            .await
            .expect("it starts");
        backend.prepare(&contents()).await.expect("it is prepared");
        let table = backend.table().to_owned();
        (backend, table)
    };
    let (backend, table) = start().await;
    let url = &stubborn.url;
    assert_eq!(
        backend.stop().await.expect_err("it stays").to_string(),
        format!(
            "the table `{table}` at {url} could not be deleted (AccessDeniedException: not you): delete it by hand"
        )
    );
    let (backend, table) = start().await;
    drop(backend);
    assert_eq!(
        told.lines().last(),
        Some(&format!(
            "the table `{table}` at {url} may be left: delete it by hand"
        ))
    );
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again() {
    let told = Told::default();
    let first = std::sync::atomic::AtomicBool::new(true);
    let slow = Stub::start(move |operation, body| match operation {
        "DescribeTable" => {
            let mut table = table::definition(body["TableName"].as_str().unwrap_or_default());
            table["TableStatus"] = "ACTIVE".into();
            fine(&json!({ "Table": table }))
        }
        "BatchWriteItem" if first.swap(false, std::sync::atomic::Ordering::AcqRel) => {
            fine(&json!({ "UnprocessedItems": body["RequestItems"] }))
        }
        _ => fine(&json!({})),
    })
    .await;
    let backend = Backend::start(&spec(&slow.url, &told)).await.expect("it starts");
    backend.prepare(&contents()).await.expect("it is prepared");
    backend.stop().await.expect("it stops");
    let all = [
        "CreateTable",
        "DescribeTable",
        "BatchWriteItem",
        "BatchWriteItem",
        "DeleteTable",
    ];
    assert_eq!(slow.operations(), all);
}

//! Tests of what goes to DynamoDB and how its answers are read, over a connector without sockets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use insta::assert_snapshot;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::*;
use crate::{
    clock::SystemClock,
    models::{Holder, RetryTokens},
    store::{Binary, ReleaseOutcome},
};

/// Answers in order; an empty queue is a bug of the test.
#[derive(Clone, Debug, Default)]
struct Canned {
    replies: Arc<Mutex<VecDeque<(u16, String)>>>,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Canned {
    fn reply(&self, status: u16, body: &str) {
        self.replies
            .lock()
            .expect("not poisoned")
            .push_back((status, body.to_owned()));
    }

    /// The requests so far: operation and body.
    fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.seen.lock().expect("not poisoned"))
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("JSON");
        self.seen.lock().expect("not poisoned").push((operation, body));
        let (status, body) = self
            .replies
            .lock()
            .expect("not poisoned")
            .pop_front()
            .expect("a reply");
        let status = StatusCode::try_from(status).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn config() -> Config {
    let config = Config::from_lookup(|name| {
        let value = match name {
            "DYNAMODB_TABLE_NAME" => "crypto-watch",
            "AWS_ENDPOINT_URL_DYNAMODB" => "http://127.0.0.1:1",
            _ => return None,
        };
        Some(value.to_owned())
    });
    config.expect("a valid configuration")
}

fn store() -> (DynamoStore, Canned) {
    let canned = Canned::default();
    (
        DynamoStore::over(canned.clone(), &config(), Arc::new(SystemClock)),
        canned,
    )
}

fn expression<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

fn acquire(binary: Binary) -> AcquireLease {
    AcquireLease {
        holder: Holder("api-1".into()),
        binary,
        now: Timestamp(100),
        until: Timestamp(5100),
        due_before: Timestamp(-200),
    }
}

const REFUSED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    "message":"The conditional request failed",
    "Item":{"holder":{"S":"update-2"},"leaseUntil":{"N":"900"},"retryTokens":{"N":"4.9"},"requestCount":{"N":"7"}}}"#;

#[tokio::test(start_paused = true)]
async fn acquiring_is_one_conditional_update() {
    let (store, canned) = store();
    canned.reply(200, r#"{"Attributes":{"holder":{"S":"api-1"},"failures":{"N":"2"}},"ConsumedCapacity":{"CapacityUnits":1.0}}"#);
    let answer = store
        .acquire_lease(&acquire(Binary::Api))
        .await
        .expect("answered");
    assert!(matches!(&answer.value, Acquire::Acquired(item) if item.failures == 2));
    assert_eq!(
        answer.consumed,
        Capacity {
            read: 0.0,
            write: 1.0
        }
    );
    let (operation, body) = canned.take().remove(0);
    assert_eq!(operation, "UpdateItem");
    assert_eq!(body["ReturnConsumedCapacity"], "TOTAL");
    assert_eq!(body["Key"]["PK"]["S"], "LEASE#prices");
    assert_snapshot!(expression(&body, "UpdateExpression"), @"SET #holder = :me, #leaseUntil = :until");
    assert_snapshot!(expression(&body, "ConditionExpression"), @"(attribute_not_exists(#leaseUntil) OR #leaseUntil <= :now) AND (attribute_not_exists(#retryNotBefore) OR #retryNotBefore <= :now) AND (attribute_not_exists(#refreshedAt) OR #refreshedAt <= :due) AND (attribute_not_exists(#apiNotBefore) OR #apiNotBefore <= :now)");
    assert_eq!(body["ExpressionAttributeValues"][":due"]["N"], "-200");

    canned.reply(400, REFUSED);
    let answer = store
        .acquire_lease(&acquire(Binary::Update))
        .await
        .expect("answered");
    let Acquire::Refused(item) = answer.value else {
        panic!("refused")
    };
    assert_eq!(
        (item.lease_until, item.retry_tokens),
        (Some(Timestamp(900)), Some(RetryTokens(49)))
    );
    let (_, body) = canned.take().remove(0);
    assert!(
        !body.to_string().contains("apiNotBefore"),
        "unused names are refused"
    );
}

#[tokio::test(start_paused = true)]
async fn releasing_writes_what_the_refresh_leaves_behind() {
    let (store, canned) = store();
    let (at, tokens, failures) = (Timestamp(7), RetryTokens(41), 3);
    let outcomes = [
        ReleaseOutcome::Refreshed { at, tokens },
        ReleaseOutcome::Failed {
            failures,
            tokens,
            retry_not_before: at,
        },
        ReleaseOutcome::GaveUp {
            failures,
            tokens,
            api_not_before: at,
        },
        ReleaseOutcome::Unused,
    ];
    let mut expressions = Vec::new();
    for outcome in outcomes {
        canned.reply(200, "{}");
        let release = ReleaseLease {
            holder: Holder("api-1".into()),
            outcome,
        };
        assert!(store.release_lease(&release).await.expect("answered").value);
        let (_, body) = canned.take().remove(0);
        assert_eq!(body["ConditionExpression"], "#holder = :me");
        let update = expression(&body, "UpdateExpression");
        for name in body["ExpressionAttributeNames"]
            .as_object()
            .expect("names")
            .keys()
        {
            assert!(
                name == "#holder" || update.contains(name.as_str()),
                "{name} is unused"
            );
        }
        expressions.push(update.to_owned());
    }
    assert_snapshot!(expressions.join("\n"), @r"
    SET #refreshedAt = :at, #retryTokens = :tokens, #failures = :failures REMOVE #leaseUntil, #retryNotBefore, #apiNotBefore
    SET #failures = :failures, #retryTokens = :tokens, #retryNotBefore = :when REMOVE #leaseUntil
    SET #failures = :failures, #retryTokens = :tokens, #apiNotBefore = :when REMOVE #leaseUntil
    REMOVE #leaseUntil
    ");
    canned.reply(400, REFUSED);
    let release = ReleaseLease {
        holder: Holder("api-1".into()),
        outcome: ReleaseOutcome::Unused,
    };
    assert!(!store.release_lease(&release).await.expect("answered").value);
}

#[tokio::test(start_paused = true)]
async fn counting_gives_the_count_either_way() {
    let (store, canned) = store();
    let id = KeyId::new("ab");
    canned.reply(200, r#"{"Attributes":{"requestCount":{"N":"3"}}}"#);
    let counted = store.count_request(&id, 5, 10, 99).await.expect("answered").value;
    assert_eq!(counted, Counted::Admitted { count: 3 });
    let (_, body) = canned.take().remove(0);
    assert_eq!(body["Key"]["SK"]["S"], "RATELIMIT#5");
    assert_snapshot!(expression(&body, "UpdateExpression"), @"SET #ttl = if_not_exists(#ttl, :ttl) ADD #requestCount :one");
    canned.reply(400, REFUSED);
    let counted = store.count_request(&id, 5, 10, 99).await.expect("answered");
    assert_eq!(counted.value, Counted::Refused { count: 7 });
    assert_eq!(counted.consumed.write, 1.0);
}

#[tokio::test(start_paused = true)]
async fn batches_say_what_was_left_out() {
    let (store, canned) = store();
    canned.reply(
        200,
        r#"{"Responses":{"crypto-watch":[{"PK":{"S":"PRICE#ETH"},"symbol":{"S":"ETH"}}]},
            "UnprocessedKeys":{"crypto-watch":{"Keys":[{"PK":{"S":"PRICE#BTC"},"SK":{"S":"METADATA"}}]}},
            "ConsumedCapacity":[{"TableName":"crypto-watch","CapacityUnits":0.5}]}"#,
    );
    let symbols = [Symbol::new("BTC"), Symbol::new("ETH")];
    let answer = store
        .prices(&symbols, Consistency::Strong)
        .await
        .expect("answered");
    assert_eq!(answer.consumed.read, 0.5);
    // The unreadable item counts as absent.
    let expected = PriceBatch {
        prices: Vec::new(),
        unprocessed: vec![Symbol::new("BTC")],
    };
    assert_eq!(answer.value, expected);
    let (_, body) = canned.take().remove(0);
    assert_eq!(body["RequestItems"]["crypto-watch"]["ConsistentRead"], true);
}

#[tokio::test(start_paused = true)]
async fn reads_are_tried_twice_and_writes_once() {
    let (store, canned) = store();
    let failure = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"?"}"#;
    canned.reply(500, failure);
    canned.reply(200, "{}");
    assert_eq!(store.lease().await.expect("answered").value, LeaseItem::default());
    assert_eq!(canned.take().len(), 2);
    canned.reply(500, failure);
    let error = store
        .acquire_lease(&acquire(Binary::Api))
        .await
        .expect_err("failed");
    assert_snapshot!(error, @"UpdateItem: the store is unavailable: InternalServerError: ?");
    assert_eq!(canned.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_one_store_spends_on_retries_is_not_missing_in_another() {
    let failure = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"?"}"#;
    let (spent, canned) = store();
    let mut failed = 0;
    loop {
        canned.reply(500, failure);
        canned.reply(500, failure);
        spent.lease().await.expect_err("failed");
        if canned.take().len() == 1 {
            break;
        }
        failed += 1;
        assert!(failed < 1_000, "the budget of retries has no end");
    }

    let (other, canned) = store();
    canned.reply(500, failure);
    canned.reply(200, "{}");
    other.lease().await.expect("tried again");
}

#[tokio::test(start_paused = true)]
async fn errors_are_sorted_by_what_they_mean() {
    let (store, canned) = store();
    for (code, expected) in [
        ("ProvisionedThroughputExceededException", "throttled"),
        ("ThrottlingException", "throttled"),
        ("ResourceNotFoundException", "rejected"),
        ("ValidationException", "rejected"),
    ] {
        canned.reply(
            400,
            &format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"?"}}"#),
        );
        let error = store
            .count_request(&KeyId::new("ab"), 1, 1, 1)
            .await
            .expect_err("failed");
        let sorted = match error {
            StoreError::Throttled { .. } => "throttled",
            StoreError::Rejected { .. } => "rejected",
            StoreError::Unavailable { .. } | StoreError::Corrupt { .. } => "other",
        };
        assert_eq!(sorted, expected, "{code}");
    }
}

/// Takes requests and never answers.
#[derive(Clone, Debug)]
struct Silent;

impl HttpConnector for Silent {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

impl HttpClient for Silent {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_given_up_within_its_timeout() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let store = DynamoStore::over(Silent, &config(), Arc::new(SystemClock));
    let begun = Instant::now();
    let error = timeout(PATIENCE, store.acquire_lease(&acquire(Binary::Api)))
        .await
        .expect("it is given up")
        .expect_err("nothing was answered");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    // STORE_TIMEOUT once for a write; for a read twice, with a pause of at most 25 ms between.
    let took = begun.elapsed().as_millis();
    assert!((1000..=1001).contains(&took), "{took} ms");
    let begun = Instant::now();
    let error = timeout(PATIENCE, store.lease())
        .await
        .expect("it is given up")
        .expect_err("nothing was answered");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let took = begun.elapsed().as_millis();
    assert!((2000..=2030).contains(&took), "{took} ms");
}

//! A runtime that is played by hand.

use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

struct Hand {
    api: RuntimeApi,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Hand {
    async fn new() -> Self {
        Self {
            api: RuntimeApi::listen().await.expect("a port"),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Status, and the body as text.
    async fn call(&self, method: Method, path: &str, body: impl Into<Bytes>) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{VERSION}{path}", self.api.address()))
            .body(Full::new(body.into()))
            .expect("a request");
        let response = self.client.request(request).await.expect("it listens");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).trim().to_owned())
    }

    async fn next(&self) -> (u16, String) {
        self.call(Method::GET, "/runtime/invocation/next", "").await
    }

    async fn respond(&self, id: &str, body: impl Into<Bytes>) -> (u16, String) {
        self.call(Method::POST, &format!("/runtime/invocation/{id}/response"), body)
            .await
    }

    fn offer(&self, id: &str) -> oneshot::Receiver<Answer> {
        self.api.offer(Event {
            request_id: id.to_owned(),
            trace_id: "Root=1-0-0;Parent=0;Sampled=0".to_owned(),
            deadline_ms: 1_772_409_600_000,
            arn: "arn:aws:lambda:us-east-1:123456789012:function:f".to_owned(),
            payload: Bytes::from(format!(r#"{{"for":"{id}"}}"#)),
        })
    }
}

#[tokio::test]
async fn an_event_goes_round() {
    let hand = Hand::new().await;
    let answered = hand.offer("one");
    assert_eq!(hand.next().await, (200, r#"{"for":"one"}"#.to_owned()));
    assert!(hand.api.ready().now_or_never().is_none(), "it is busy");
    assert_eq!(
        hand.next().await.1,
        r#"{"for":"one"}"#,
        "the same to whoever asks again"
    );
    assert_eq!(
        hand.respond("one", "42").await,
        (202, r#"{"status":"OK"}"#.to_owned())
    );
    assert_eq!(answered.await, Ok(Answer::Response(Bytes::from("42"))));
    let answered = hand.offer("two");
    assert_eq!(hand.next().await.1, r#"{"for":"two"}"#);
    let (status, _) = hand
        .call(
            Method::POST,
            "/runtime/invocation/two/error",
            r#"{"errorMessage":"no"}"#,
        )
        .await;
    assert_eq!(status, 202);
    assert_eq!(
        answered.await,
        Ok(Answer::Error {
            error_type: "Runtime.Unknown".to_owned(),
            payload: Bytes::from(r#"{"errorMessage":"no"}"#)
        })
    );
}

#[tokio::test]
async fn the_headers_of_an_event_are_those_of_the_contract() {
    let hand = Hand::new().await;
    let _answered = hand.offer("one");
    let mut stream = TcpStream::connect(hand.api.address()).await.expect("it listens");
    let get =
        format!("GET {VERSION}/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(get.as_bytes()).await.expect("it reads");
    let mut head = String::new();
    stream.read_to_string(&mut head).await.expect("it answers");
    let mut lines: Vec<&str> = head.lines().filter(|line| !line.starts_with("date:")).collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"

    HTTP/1.1 200 OK
    connection: close
    content-length: 13
    content-type: application/json
    lambda-runtime-aws-request-id: one
    lambda-runtime-deadline-ms: 1772409600000
    lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:f
    lambda-runtime-trace-id: Root=1-0-0;Parent=0;Sampled=0
    {"for":"one"}
    "#);
}

#[tokio::test]
async fn steps_that_are_not_allowed_are_refused_as_aws_does() {
    let hand = Hand::new().await;
    insta::assert_snapshot!(hand.respond("one", "42").await.1, @r#"{"errorMessage":"State transition from Started to InvocationResponse failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}"#);
    let answered = hand.offer("one");
    hand.next().await;
    hand.respond("one", "42").await;
    insta::assert_snapshot!(hand.respond("one", "43").await.1, @r#"{"errorMessage":"State transition from RuntimeResponseSentState to InvocationResponse failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}"#);
    assert_eq!(
        answered.await,
        Ok(Answer::Response(Bytes::from("42"))),
        "the first answer counts"
    );
    let _answered = hand.offer("two");
    hand.next().await;
    let (status, told) = hand.respond("one", "42").await;
    assert_eq!(status, 400);
    insta::assert_snapshot!(told, @r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#);
    assert_eq!(hand.next().await.0, 403, "a wrong id has taken the step");
    assert_eq!(hand.call(Method::GET, "/runtime/nothing", "").await.0, 404);
    assert_eq!(
        hand.call(Method::GET, "/ping", "").await,
        (200, "pong".to_owned())
    );
}

#[tokio::test]
async fn an_answer_may_have_six_megabytes_and_a_hundred() {
    let hand = Hand::new().await;
    for (id, size, status) in [("fits", MOST_ANSWER, 202), ("not", MOST_ANSWER + 1, 413)] {
        let answered = hand.offer(id);
        hand.next().await;
        let (code, told) = hand.respond(id, vec![b'x'; size]).await;
        assert_eq!(code, status, "{told}");
        match answered.await.expect("answered") {
            Answer::Response(payload) => assert_eq!(payload.len(), size),
            other => {
                assert_eq!(other, Answer::TooLarge);
                insta::assert_snapshot!(told, @r#"{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let hand = Hand::new().await;
    let answered = hand.offer("one");
    hand.next().await;
    let mut stream = TcpStream::connect(hand.api.address()).await.expect("it listens");
    let post = format!(
        "POST {VERSION}/runtime/invocation/one/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    );
    stream.write_all(post.as_bytes()).await.expect("it reads");
    drop(stream);
    assert_eq!(answered.await, Ok(Answer::Truncated));
}

#[tokio::test]
async fn a_start_that_fails_is_told_in_its_own_words() {
    let hand = Hand::new().await;
    let body = r#"{"errorType":"Function.NoConfig","errorMessage":"DYNAMODB_TABLE_NAME: set it"}"#;
    assert_eq!(hand.call(Method::POST, "/runtime/init/error", body).await.0, 202);
    let told = hand.api.ready().await.expect_err("it says so");
    assert_eq!(told.payload, Bytes::from(body));
    assert_eq!(hand.next().await.0, 403, "and then it is over");
}

#[test]
fn error_types_are_let_pass_as_aws_does() {
    let typed = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(
            "lambda-runtime-function-error-type",
            HeaderValue::from_static(value),
        );
        error_type(&headers)
    };
    assert_eq!(typed("Runtime.ImportModuleError"), "Runtime.ImportModuleError");
    assert_eq!(typed("Function.lower"), "Function.Unknown");
    assert_eq!(typed("unhandled"), "Runtime.Unknown");
    assert_eq!(error_type(&HeaderMap::new()), "Runtime.Unknown");
}

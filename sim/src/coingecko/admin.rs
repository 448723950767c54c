//! The admin API of the fake that runs alone: faults set, listed and cleared while clients talk to it.
//!
//! | request | |
//! |---|---|
//! | `GET /faults` | each fault with how many calls it has touched, JSON |
//! | `POST /faults` | sets the fault of the body: the keys of a `[[fault]]` in TOML, without `target`; `at` counts from now (default: at once), `for` defaults to a year |
//! | `DELETE /faults/NAME`, `DELETE /faults` | clears one, or all |
//!
//! It answers those who call it by its address or by the names of this machine's loopback address: a page in a browser,
//! which says where it is from, is refused, and so is a name that somebody has made point here.

use std::net::SocketAddrV4;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::engine::{Engine, FaultNameTaken};
use super::mount::{MountError, reached_at};
use crate::clock::RunClock;

/// Longest body that is read.
const BODY_LIMIT: usize = 64 * 1024;

/// A running admin API. It stops when dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddrV4,
    serving: JoinHandle<()>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Admin {
    /// Starts it at `address`, port 0 = any free one, over an engine that lives on `clock`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        engine: Arc<Engine>,
        clock: RunClock,
        address: SocketAddrV4,
    ) -> Result<Self, MountError> {
        let unusable = |source| MountError::at(address, source);
        let listener = TcpListener::bind(address).await.map_err(unusable)?;
        let port = listener.local_addr().map_err(unusable)?.port();
        let address = reached_at(SocketAddrV4::new(*address.ip(), port));
        let router = router(Desk {
            engine,
            clock,
            address,
        });
        let serving = tokio::spawn(async move {
            // It ends only when it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }

    /// `http://ADDRESS:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[derive(Clone)]
struct Desk {
    engine: Arc<Engine>,
    clock: RunClock,
    address: SocketAddrV4,
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/faults", get(list).post(set).delete(clear_all))
        .route("/faults/{name}", delete(clear))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is /faults and /faults/NAME") })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(desk.clone(), of_this_machine))
        .with_state(desk)
}

fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    (status, Json(json!({ "error": why.into() }))).into_response()
}

/// Refuses pages of other origins, and names that are not ours (DNS rebinding).
async fn of_this_machine(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    match stranger(&desk, request.headers()) {
        Some(why) => refusal(StatusCode::FORBIDDEN, why),
        None => next.run(request).await,
    }
}

/// Why a request with these headers is refused.
fn stranger(desk: &Desk, headers: &HeaderMap) -> Option<String> {
    let said = |name: header::HeaderName| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let port = desk.address.port();
    let ours = [
        desk.address.to_string(),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
    ];
    let host = said(header::HOST).unwrap_or_default();
    if !ours.contains(&host) {
        return Some(format!(
            "`{host}` is not the address of this API: it is {}",
            ours[0]
        ));
    }
    let origin = said(header::ORIGIN)?;
    let is_ours = ours.iter().any(|host| origin == format!("http://{host}"));
    (!is_ours).then(|| format!("a page of `{origin}` may not set faults: send the request without Origin"))
}

async fn list(State(desk): State<Desk>) -> Response {
    let faults = desk.engine.touches().into_iter();
    let faults = faults.map(|touches| json!({ "name": touches.name, "touched": touches.count }));
    Json(json!({ "faults": faults.collect::<Vec<_>>() })).into_response()
}

async fn set(State(desk): State<Desk>, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "the body is no UTF-8");
    };
    let fault = match scenarios::format::parse_fault("body", text) {
        Ok(fault) => fault,
        Err(problems) => return refusal(StatusCode::BAD_REQUEST, problems.to_string()),
    };
    let name = fault.name.clone();
    let now_ms = desk.clock.wall_ms(desk.clock.now_us());
    match desk.engine.set_fault(fault, now_ms) {
        Ok(()) => (StatusCode::CREATED, Json(json!({ "name": name }))).into_response(),
        Err(FaultNameTaken) => refusal(
            StatusCode::CONFLICT,
            format!("there is a fault `{name}` already: clear it first, or choose another name"),
        ),
    }
}

async fn clear(State(desk): State<Desk>, Path(name): Path<String>) -> Response {
    if desk.engine.clear_faults(Some(&name)) == 0 {
        return refusal(StatusCode::NOT_FOUND, format!("there is no fault `{name}`"));
    }
    StatusCode::NO_CONTENT.into_response()
}

async fn clear_all(State(desk): State<Desk>) -> Response {
    desk.engine.clear_faults(None);
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;
    use scenarios::format::assumptions::Assumptions;
    use scenarios::format::model::Plan;
    use tower::ServiceExt;

    use super::*;
    use crate::coingecko::{EngineConfig, FakeRequest, Terms, engine::BASE_PATH, limits::KeyRing};
    use crate::faults::Timeline;

    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;

    fn desk() -> Desk {
        let config = EngineConfig {
            seed: 42,
            start_ms: START,
            terms: Terms::of(Plan::Demo),
            keys: KeyRing::default(),
            assumed: Assumptions::default(),
        };
        Desk {
            engine: Arc::new(Engine::new(config, Timeline::none())),
            clock: RunClock::starting_in(Duration::ZERO, START, 1.0),
            address: SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 7),
        }
    }

    /// Status and body of a request.
    async fn ask(desk: &Desk, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = http::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:7");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::from(body.to_owned()));
        let answer = router(desk.clone())
            .oneshot(request.expect("a request"))
            .await
            .expect("a router answers");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        format!("{status} {}", String::from_utf8_lossy(&body))
    }

    fn ping(desk: &Desk) -> u16 {
        let request = FakeRequest {
            method: http::Method::GET,
            path: format!("{BASE_PATH}/ping"),
            query: String::new(),
            headers: http::HeaderMap::new(),
        };
        let now_ms = desk.clock.wall_ms(desk.clock.now_us());
        desk.engine.answer(&request, now_ms).status
    }

    #[tokio::test]
    async fn a_fault_is_set_listed_and_cleared() {
        let desk = desk();
        let fault = "name = \"down\"\nkind = \"status\"\nstatus = 503\n";
        assert_eq!(ping(&desk), 200);
        assert_eq!(
            ask(&desk, "POST", "/faults", &[], fault).await,
            r#"201 {"name":"down"}"#
        );
        assert_eq!(ping(&desk), 503);
        assert_eq!(
            ask(&desk, "GET", "/faults", &[], "").await,
            r#"200 {"faults":[{"name":"down","touched":1}]}"#
        );
        assert!(
            ask(&desk, "POST", "/faults", &[], fault)
                .await
                .starts_with("409 "),
            "twice"
        );
        assert_eq!(ask(&desk, "DELETE", "/faults/down", &[], "").await, "204 ");
        assert_eq!(ping(&desk), 200);
        assert_eq!(
            ask(&desk, "DELETE", "/faults/down", &[], "").await,
            r#"404 {"error":"there is no fault `down`"}"#
        );
        let flapping =
            "name = \"f\"\nkind = \"status\"\nstatus = 500\nfirst = 1\nmatch = { path = \"/ping\" }";
        assert!(
            ask(&desk, "POST", "/faults", &[], flapping)
                .await
                .starts_with("201 ")
        );
        assert_eq!((ping(&desk), ping(&desk)), (500, 200));
        assert_eq!(ask(&desk, "DELETE", "/faults", &[], "").await, "204 ");
        assert_eq!(
            ask(&desk, "GET", "/faults", &[], "").await,
            r#"200 {"faults":[]}"#
        );
    }

    #[tokio::test]
    async fn what_is_no_fault_is_refused_with_the_reason() {
        let desk = desk();
        let mut said = Vec::new();
        for body in [
            "name = \"f\"\nkind = \"statsu\"\n",
            "name = \"f\"\nkind = \"status\"\n",
            "name = \"f\"\nkind = \"status\"\nstatus = 503\nshare = \"0%\"\n",
            "name = \"f\"\nkind = \"status\"\nstatus = 503\ntarget = \"store\"\n",
            "{\"name\":\"f\"}",
            "name = \"f\"\nkind = \"status\"\nstatus = 503\n[match]\npath = \"/ping\"\n",
        ] {
            let answer = ask(&desk, "POST", "/faults", &[], body).await;
            said.push(answer.split("\\n").next().unwrap_or_default().to_owned());
        }
        insta::assert_snapshot!(said.join("\n"), @r#"
        400 {"error":"error: target `coingecko` has no fault of kind `statsu`
        400 {"error":"error: a fault of kind `status` needs `status`
        400 {"error":"error: `0%` is no share of events
        400 {"error":"error: target `store` has no fault of kind `status`
        400 {"error":"error: this is not TOML: invalid key-value pair, expected key
        400 {"error":"error: a fault by itself has no tables of its own
        "#);
        assert_eq!(desk.engine.touches().len(), 0);
    }

    #[tokio::test]
    async fn a_page_of_another_origin_is_refused() {
        let desk = desk();
        let fault = "name = \"down\"\nkind = \"status\"\nstatus = 503\n";
        for headers in [[("origin", "https://example.com")], [("host", "example.com:7")]] {
            let refused = ask(&desk, "POST", "/faults", &headers, fault).await;
            assert!(refused.starts_with("403 "), "{refused}");
        }
        assert_eq!(desk.engine.touches().len(), 0);
        let own = [("origin", "http://localhost:7"), ("host", "localhost:7")];
        assert!(
            ask(&desk, "POST", "/faults", &own, fault)
                .await
                .starts_with("201 ")
        );
        assert!(ask(&desk, "GET", "/", &[], "").await.starts_with("404 "));
    }
}

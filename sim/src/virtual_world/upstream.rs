//! The fake CoinGecko in virtual time: the same engine that answers on sockets, called in process.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use service::coingecko::upstream::{BoxError, Upstream, UpstreamBody, UpstreamRequest};

use crate::{
    clock::RunClock,
    coingecko::{Engine, FakeAnswer, FakeRequest, Fate},
    latency::Modelled,
    record::{
        Recorder,
        event::{Event, UpstreamCall},
    },
};

/// The engine with all that a call in process needs.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: RunClock,
    pub(super) recorder: Recorder,
    /// How long an answer takes when no fault delays it.
    pub(super) latency: Arc<Modelled>,
}

/// The upstream seam over the engine.
pub(super) fn upstream(desk: Arc<Desk>) -> Upstream {
    Upstream::new(tower::service_fn(move |request: UpstreamRequest| {
        let desk = Arc::clone(&desk);
        async move { desk.serve(&request).await }
    }))
}

impl Desk {
    async fn serve(&self, request: &UpstreamRequest) -> Result<Response<UpstreamBody>, BoxError> {
        let at_us = self.clock.now_us();
        let call = FakeRequest {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
        };
        let answer = self.engine.answer(&call, self.clock.wall_ms(at_us));
        let mut open = OpenCall {
            desk: self,
            call: UpstreamCall {
                at_us,
                done_us: at_us,
                path: call.path,
                status: 0,
                retry_after_s: None,
                credit: answer.credit,
                faults: answer.faults.clone(),
            },
        };
        tokio::time::sleep(answer.delay).await;
        self.latency.pass().await;
        match answer.fate {
            Fate::Answer => {
                open.call.status = answer.status;
                open.call.retry_after_s = answer.retry_after_s;
                drop(open);
                response(answer)
            }
            Fate::Hang => Err("the connection was closed without an answer".into()),
        }
    }
}

/// A call that has come. It is recorded when it ends: with its answer, or without one when the caller went away
/// before it came.
struct OpenCall<'a> {
    desk: &'a Desk,
    call: UpstreamCall,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        let call = UpstreamCall {
            done_us: self.desk.clock.now_us(),
            path: std::mem::take(&mut self.call.path),
            faults: std::mem::take(&mut self.call.faults),
            ..self.call
        };
        self.desk.recorder.record(Event::Upstream(call));
    }
}

fn response(answer: FakeAnswer) -> Result<Response<UpstreamBody>, BoxError> {
    let body = Full::new(Bytes::from(answer.body))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status)?;
    for (name, value) in answer.headers {
        let name = http::HeaderName::try_from(name)?;
        response
            .headers_mut()
            .append(name, http::HeaderValue::try_from(value)?);
    }
    Ok(response)
}

//! The fake CoinGecko in virtual time: the same engine that answers on sockets, called in process.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use service::coingecko::upstream::{BoxError, Upstream, UpstreamBody, UpstreamRequest};

use crate::{
    clock::RunClock,
    coingecko::{Engine, FakeRequest, Fate, Unreachable, Wire, headers::Headers},
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
    async fn serve(self: Arc<Self>, request: &UpstreamRequest) -> Result<Response<UpstreamBody>, BoxError> {
        let at_us = self.clock.now_us();
        let call = FakeRequest {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
        };
        let unreachable = self.engine.unreachable(self.clock.wall_ms(at_us));
        let mut open = OpenCall {
            desk: Arc::clone(&self),
            call: UpstreamCall {
                at_us,
                done_us: at_us,
                path: call.path.clone(),
                status: 0,
                complete: false,
                retry_after_s: None,
                credit: false,
                faults: Vec::new(),
            },
        };
        if let Some((why, fault)) = unreachable {
            self.engine.touch(fault);
            open.call.faults.push(fault);
            connect(why).await?;
            // It comes when there is a connection.
            open.call.at_us = self.clock.now_us();
        }
        let answer = self.engine.answer(&call, self.clock.now_ms());
        open.call.credit = answer.credit;
        open.call.faults.extend(&answer.faults);
        tokio::time::sleep(answer.delay).await;
        self.latency.pass().await;
        match (answer.fate, answer.wire) {
            (Fate::Hang, _) | (Fate::Answer, Wire::Close) => {
                Err("the connection was closed without an answer".into())
            }
            (Fate::Answer, Wire::Reset) => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            (Fate::Answer, wire) => {
                open.call.status = answer.status;
                open.call.retry_after_s = answer.retry_after_s;
                let body = body(answer.body, wire, open);
                response(answer.status, answer.headers, body)
            }
        }
    }
}

/// Connecting, as a caller on Linux sees it.
async fn connect(unreachable: Unreachable) -> io::Result<()> {
    match unreachable {
        Unreachable::Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
        Unreachable::Blackhole => {
            tokio::time::sleep(GIVES_UP).await;
            Err(io::ErrorKind::TimedOut.into())
        }
        Unreachable::Slow(by) => {
            let mut sent_again = SENT_AGAIN_S.into_iter().map(Duration::from_secs);
            tokio::time::sleep(sent_again.find(|after| *after >= by).unwrap_or(by)).await;
            Ok(())
        }
    }
}

/// When Linux sends the first packet of a connection again, seconds: four times a second apart (since 6.5,
/// `tcp_syn_linear_timeouts`), then ever more slowly.
const SENT_AGAIN_S: [u64; 8] = [1, 2, 3, 4, 5, 7, 11, 19];
/// When Linux gives up connecting by its defaults, about.
const GIVES_UP: Duration = Duration::from_secs(67);

/// The body as it comes over such a wire. The call is under way until the body has come, or broken off.
fn body(whole: Bytes, wire: Wire, open: OpenCall) -> UpstreamBody {
    match wire {
        Wire::Drip { bytes_per_second } => {
            let pieces = futures_util::stream::unfold((whole, open), move |(mut rest, open)| async move {
                if rest.is_empty() {
                    open.complete();
                    return None;
                }
                // A piece each tenth of a second, or a byte at a time.
                let length = usize::try_from(bytes_per_second / 10)
                    .unwrap_or(usize::MAX)
                    .max(1);
                let piece = rest.split_to(length.min(rest.len()));
                tokio::time::sleep(Duration::from_secs_f64(
                    piece.len() as f64 / bytes_per_second as f64,
                ))
                .await;
                Some((Ok::<_, BoxError>(Frame::data(piece)), (rest, open)))
            });
            StreamBody::new(pieces).boxed_unsync()
        }
        Wire::Cut { after, .. } => {
            drop(open);
            let come = Ok(Frame::data(whole.slice(..after.min(whole.len()))));
            let broken = Err("the connection was closed before the body was complete".into());
            StreamBody::new(futures_util::stream::iter([come, broken])).boxed_unsync()
        }
        Wire::Whole | Wire::Close | Wire::Reset => {
            open.complete();
            Full::new(whole).map_err(|never| match never {}).boxed_unsync()
        }
    }
}

/// A call that has come. It is recorded when it ends: with its answer, or without one when the caller went away
/// before it came.
struct OpenCall {
    desk: Arc<Desk>,
    call: UpstreamCall,
}

impl OpenCall {
    /// The whole of its answer has come.
    fn complete(mut self) {
        self.call.complete = true;
    }
}

impl Drop for OpenCall {
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

fn response(status: u16, headers: Headers, body: UpstreamBody) -> Result<Response<UpstreamBody>, BoxError> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status)?;
    for (name, value) in headers {
        let name = http::HeaderName::try_from(name)?;
        response
            .headers_mut()
            .append(name, http::HeaderValue::try_from(value)?);
    }
    Ok(response)
}

//! The API in virtual time: each instance is the service's own router, called in process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use scenarios::within::{Answer, Carried, Carry, Exchange, NoAnswer};
use tower::ServiceExt;

use super::{Pulse, asking};
use crate::{clock::RunClock, latency::Modelled};

/// When the schedule fires next, µs since the start, for those who act at the same instant and have to come after
/// it. Shared.
#[derive(Clone, Debug)]
pub(super) struct NextFiring(Arc<AtomicU64>);

impl NextFiring {
    /// There is none.
    pub(super) const NEVER: u64 = u64::MAX;

    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(Self::NEVER)))
    }

    /// The next one is at `at_us`.
    pub(super) fn set(&self, at_us: u64) {
        self.0.store(at_us, Ordering::Relaxed);
    }

    /// Lets what is due by `now_us` happen first.
    async fn passed(&self, now_us: u64) {
        while self.0.load(Ordering::Relaxed) <= now_us {
            tokio::task::yield_now().await;
        }
    }
}

/// All instances.
#[derive(Debug)]
pub(super) struct Instances {
    pub(super) routers: Vec<Router>,
    pub(super) clock: RunClock,
    /// What the service itself takes for a request, beside its calls.
    pub(super) service_time: Arc<Modelled>,
    pub(super) next_firing: NextFiring,
    pub(super) pulse: Pulse,
    /// Requests so far.
    pub(super) count: AtomicU64,
}

impl Instances {
    async fn exchange(&self, target: u16, path: &str, headers: HeaderMap) -> Exchange {
        let _running = self.pulse.request();
        self.next_firing.passed(self.clock.now_us()).await;
        self.service_time.pass().await;
        let Some(router) = self.routers.get(usize::from(target)) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        let Ok(mut request) = Request::get(path).body(Body::empty()) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        *request.headers_mut() = headers;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let Ok(response) = asking::on_behalf_of(target, number, router.clone().oneshot(request)).await;
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Exchange::Answered(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
                number: Some(number),
            }),
            Err(_) => Exchange::Failed(NoAnswer::Body),
        }
    }
}

impl Carry for Instances {
    fn get<'a>(&'a self, target: u16, path: &'a str, headers: HeaderMap) -> Carried<'a> {
        Box::pin(self.exchange(target, path, headers))
    }
}

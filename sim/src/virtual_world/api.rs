//! The API in virtual time: each instance is the service's own router, called in process.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use scenarios::within::{Answer, Carried, Carry, Exchange, NoAnswer};
use tokio::sync::watch;
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
    pub(super) async fn passed(&self, now_us: u64) {
        while self.0.load(Ordering::Relaxed) <= now_us {
            tokio::task::yield_now().await;
        }
    }
}

/// All instances.
pub(super) struct Instances {
    pub(super) instances: Vec<Instance>,
    pub(super) clock: RunClock,
    /// What the service itself takes for a request, beside its calls.
    pub(super) service_time: Arc<Modelled>,
    pub(super) next_firing: NextFiring,
    pub(super) pulse: Pulse,
    /// Requests so far.
    pub(super) count: AtomicU64,
    /// Whether anything can happen to an instance.
    pub(super) are_mortal: bool,
    /// Makes an instance anew, given its index and how often it was started before.
    pub(super) make: Box<dyn Fn(u32, u64) -> Router + Send + Sync>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Instance {
    /// None while it is dead.
    router: Mutex<Option<Router>>,
    /// How often it was started again.
    starts: AtomicU64,
    /// Counts its deaths.
    deaths: watch::Sender<u64>,
    /// Whether it stands still.
    is_frozen: watch::Sender<bool>,
}

impl Instance {
    /// One that runs.
    pub(super) fn new(router: Router) -> Self {
        Self {
            router: Mutex::new(Some(router)),
            starts: AtomicU64::new(0),
            deaths: watch::Sender::new(0),
            is_frozen: watch::Sender::new(false),
        }
    }

    fn router(&self) -> MutexGuard<'_, Option<Router>> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` as long as it lives, and while it does not stand still; none when it is killed meanwhile.
    async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (mut deaths, mut is_frozen) = (self.deaths.subscribe(), self.is_frozen.subscribe());
        let mut work = pin!(work);
        loop {
            // The channels live as long as the instance.
            tokio::select! {
                biased;
                _ = deaths.changed() => return None,
                _ = is_frozen.wait_for(|frozen| !*frozen) => {}
            }
            tokio::select! {
                biased;
                _ = deaths.changed() => return None,
                _ = is_frozen.wait_for(|frozen| *frozen) => {}
                done = work.as_mut() => return Some(done),
            }
        }
    }
}

impl Instances {
    /// Kills an instance: what it was doing is lost.
    pub(super) fn kill(&self, index: u32) {
        if let Some(instance) = self.instances.get(index as usize) {
            *instance.router() = None;
            instance.deaths.send_modify(|deaths| *deaths += 1);
        }
    }

    /// Starts an instance anew, with an empty memory. What one that lives was doing it finishes.
    pub(super) fn start(&self, index: u32) {
        if let Some(instance) = self.instances.get(index as usize) {
            let starts = instance.starts.fetch_add(1, Ordering::Relaxed) + 1;
            *instance.router() = Some((self.make)(index, starts));
        }
    }

    /// Lets an instance stand still, or go on.
    pub(super) fn freeze(&self, index: u32, is_frozen: bool) {
        if let Some(instance) = self.instances.get(index as usize) {
            instance.is_frozen.send_replace(is_frozen);
        }
    }

    async fn exchange(&self, target: u16, path: &str, headers: HeaderMap) -> Exchange {
        let _running = self.pulse.request();
        self.next_firing.passed(self.clock.now_us()).await;
        self.service_time.pass().await;
        let Some(instance) = self.instances.get(usize::from(target)) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        let Some(router) = instance.router().clone() else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        let Ok(mut request) = Request::get(path).body(Body::empty()) else {
            return Exchange::Failed(NoAnswer::Connect);
        };
        *request.headers_mut() = headers;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let answering = answer(target, number, router, request);
        if !self.are_mortal {
            return answering.await;
        }
        instance
            .live(answering)
            .await
            .unwrap_or(Exchange::Failed(NoAnswer::Reset))
    }
}

async fn answer(target: u16, number: u64, router: Router, request: Request<Body>) -> Exchange {
    let Ok(response) = asking::on_behalf_of(target, number, router.oneshot(request)).await;
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

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances")
            .field("instances", &self.instances)
            .finish_non_exhaustive()
    }
}

impl Carry for Instances {
    fn get<'a>(&'a self, target: u16, path: &'a str, headers: HeaderMap) -> Carried<'a> {
        Box::pin(self.exchange(target, path, headers))
    }
}

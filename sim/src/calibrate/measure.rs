//! Everything that is measured, in order and in bounded time.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    Build, Calibration, Figures, Machine, Measured, environments, parts,
    search::{NothingServable, Search},
    stack,
};
use crate::{
    clock::RunClock,
    world::{WorldError, siblings::Siblings},
};

/// The longest that all of it may take, real time.
pub const LONGEST: Duration = Duration::from_secs(60);
/// What a play takes beside its arrivals: the stack's start, the last answers, the stack's end.
const BESIDE_ARRIVALS: Duration = Duration::from_secs(2);
/// Kept for the end.
const END: Duration = Duration::from_secs(1);
/// Arrivals per second while the service is measured: far below what is servable, so that requests come one by one.
const CALM_RATE: u32 = 50;
/// How much longer than a step the calm play is, for percentiles that say something.
const CALM_STEPS: u32 = 3;

/// What to measure with.
#[derive(Clone, Debug)]
pub struct MeasureSpec {
    /// The checked binaries.
    pub siblings: Siblings,
    /// How long each step counts, real time.
    pub step: Duration,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// The stack failed.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The store could not be measured.
    #[error("the store could not be measured: {0}")]
    Store(String),
    /// The fake CoinGecko could not be measured.
    #[error("the fake CoinGecko could not be measured: {0}")]
    CoinGecko(String),
    /// An environment could not be started, or did not answer.
    #[error("an environment of the API's function could not be started, or did not answer: {0}")]
    Environment(String),
    /// Nothing can be counted on.
    #[error(transparent)]
    Nothing(#[from] NothingServable),
    /// There was nothing to take percentiles of.
    #[error(
        "there were no samples of `{0}`: this machine is too busy; end what else it does and try again, or with more --seconds"
    )]
    NoSamples(&'static str),
    /// It took too long.
    #[error(
        "it was not done within {LONGEST:?}: this machine is too busy; end what else it does and try again"
    )]
    TooSlow,
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Measures this machine with the binaries of `spec`. `tell` hears what is under way.
///
/// # Errors
/// When a part fails, when someone asks to stop, when there is nothing to count on. Nothing is left running.
pub async fn measure(
    spec: &MeasureSpec,
    stop: &watch::Receiver<bool>,
    tell: impl Fn(&str),
) -> Result<Calibration, CalibrateError> {
    let begun = Instant::now();
    let embedded = timeout(LONGEST, figures(spec, stop, begun, tell))
        .await
        .map_err(|_| CalibrateError::TooSlow)??;
    let now_ms = RunClock::starting_in(Duration::ZERO, 0, 1.0).anchor_ms();
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    Ok(Calibration {
        date: jiff::tz::Offset::UTC.to_datetime(now).date(),
        build: if cfg!(debug_assertions) {
            Build::Debug
        } else {
            Build::Release
        },
        machine: Machine::this(),
        embedded,
    })
}

async fn figures(
    spec: &MeasureSpec,
    stop: &watch::Receiver<bool>,
    begun: Instant,
    tell: impl Fn(&str),
) -> Result<Figures, CalibrateError> {
    let measured = |name, spread: &_| Measured::of(spread).ok_or(CalibrateError::NoSamples(name));
    let calm = stack::scenario(CALM_RATE, spec.step)?;
    tell("the store, one request at a time");
    let store = parts::store(&calm, spec.step, stop).await?;
    tell("CoinGecko, one answer at a time");
    let coingecko = parts::coingecko(&calm, spec.step, stop).await?;
    tell("environments of a function, started one by one");
    let cold_starts = environments::cold_starts(&spec.siblings, &calm, spec.step, stop).await?;
    tell("invocations of a function, one at a time");
    let invocations = environments::invocations(&spec.siblings, &calm, store.hop, spec.step, stop).await?;
    tell(&format!("the service, {CALM_RATE} requests/s"));
    let (seen, window) = stack::play(&spec.siblings, CALM_RATE, spec.step * CALM_STEPS, stop).await?;
    let service = seen.service_times(&window, store.hop);
    let mut search = Search::default();
    while let Some(rate) = search.next() {
        if begun.elapsed() + stack::WARM + spec.step + BESIDE_ARRIVALS > LONGEST {
            tell("no time is left for a higher rate");
            break;
        }
        // What was measured by then counts, even if the last stack is slow to start.
        let left = (LONGEST - END).saturating_sub(begun.elapsed());
        let Ok(played) = timeout(left, stack::play(&spec.siblings, rate, spec.step, stop)).await else {
            tell(&format!("no time is left for {rate} requests/s"));
            break;
        };
        let (seen, window) = played?;
        let step = seen.step(rate, &window);
        let how = step.trouble().unwrap_or_else(|| match step.p99 {
            Some(p99) => format!("p99 {p99:.1?}"),
            None => String::new(),
        });
        tell(&format!("the stack, {rate} requests/s: {how}"));
        search.take(&step);
    }
    Ok(Figures {
        servable_rate: search.servable_rate()?,
        store: measured("store", &store.calls)?,
        coingecko: measured("coingecko", &coingecko)?,
        service: measured("service", &service)?,
        cold_start: measured("cold_start", &cold_starts)?,
        invocation: measured("invocation", &invocations)?,
    })
}

//! Modelled latency: what a call takes in virtual time, where by itself it would take none.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand_chacha::ChaCha8Rng;
use scenarios::format::fault::Latency;

use crate::seed::{Seed, unit};

/// The 99 % quantile of the standard normal distribution.
const Z99: f64 = 2.326_347_874;

/// Draws one latency.
pub(crate) fn draw(latency: Latency, rng: &mut ChaCha8Rng) -> Duration {
    match latency {
        Latency::Fixed(delay) => delay,
        Latency::Lognormal { p50, p99 } => {
            // ln X is normal with median ln p50.
            let sigma = (p99.as_secs_f64() / p50.as_secs_f64().max(1e-9)).max(1.0).ln() / Z99;
            let delay = p50.as_secs_f64() * (sigma * normal(rng)).exp();
            Duration::try_from_secs_f64(delay).unwrap_or(p99)
        }
    }
}

/// A standard normal draw (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

/// The latency of one kind of call, drawn for each call in the order of the calls.
///
/// tokio's timers move in steps of a millisecond, and most calls take less. So what has been drawn is summed up:
/// a call sleeps for the whole milliseconds of what is owed by then, which is nothing for most, and leaves the rest
/// to the next. All calls together have slept what was drawn for them, to within the last millisecond.
#[derive(Debug)]
pub struct Modelled(Mutex<State>);

#[derive(Debug)]
struct State {
    latency: Latency,
    rng: ChaCha8Rng,
    /// Drawn, but not slept so far: less than a millisecond.
    owed: Duration,
}

impl Modelled {
    /// Draws from `latency`, with a generator of its own that starts from `seed`.
    #[must_use]
    pub fn new(latency: Latency, seed: Seed) -> Self {
        Self(Mutex::new(State {
            latency,
            rng: seed.rng(),
            owed: Duration::ZERO,
        }))
    }

    /// Calls that take no time.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Latency::Fixed(Duration::ZERO), Seed(0))
    }

    /// Draws what a call takes and lets it pass. Returns exactly what was drawn, which can be more or less than
    /// what tokio's clock has moved.
    pub async fn pass(&self) -> Duration {
        let (drawn, due) = self.draw();
        if !due.is_zero() {
            tokio::time::sleep(due).await;
        }
        drawn
    }

    /// What a call takes, and the whole milliseconds that are to be slept now.
    fn draw(&self) -> (Duration, Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = draw(state.latency, &mut state.rng);
        let owed = state.owed.saturating_add(drawn);
        state.owed = Duration::from_nanos(u64::from(owed.subsec_nanos() % 1_000_000));
        (drawn, owed - state.owed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn a_lognormal_latency_has_its_median_and_tail() {
        let (p50, p99) = (Duration::from_secs(2), Duration::from_secs(30));
        let mut rng = Seed(1).rng();
        let mut draws: Vec<Duration> = (0..4_000)
            .map(|_| draw(Latency::Lognormal { p50, p99 }, &mut rng))
            .collect();
        draws.sort_unstable();
        let at = |share: f64| draws[(share * draws.len() as f64) as usize].as_secs_f64();
        assert!((1.8..2.2).contains(&at(0.5)), "median {}", at(0.5));
        assert!((22.0..40.0).contains(&at(0.99)), "99th percentile {}", at(0.99));
    }

    #[tokio::test(start_paused = true)]
    async fn parts_of_a_millisecond_add_up() {
        let model = Modelled::new(Latency::Fixed(400 * US), Seed(1));
        let start = Instant::now();
        let mut moved = Vec::new();
        for _ in 0..6 {
            assert_eq!(model.pass().await, 400 * US);
            moved.push(start.elapsed().as_millis());
        }
        assert_eq!(moved, [0, 0, 1, 1, 2, 2]);
        assert_eq!(
            start.elapsed(),
            Duration::from_millis(2),
            "whole milliseconds only"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_drawn_is_slept_and_repeats_with_the_seed() {
        let latency = Latency::Lognormal {
            p50: 700 * US,
            p99: 9_000 * US,
        };
        let draws = async |seed| {
            let model = Modelled::new(latency, Seed(seed));
            let start = Instant::now();
            let mut draws = Vec::new();
            for _ in 0..500 {
                draws.push(model.pass().await);
            }
            let sum: Duration = draws.iter().sum();
            assert_eq!(start.elapsed().as_millis(), sum.as_millis());
            draws
        };
        let first = draws(7).await;
        assert_eq!(first, draws(7).await);
        assert_ne!(first, draws(8).await);
        assert!(first.iter().any(|draw| *draw > 4_000 * US), "there is a tail");
    }

    #[tokio::test(start_paused = true)]
    async fn without_latency_nothing_is_waited_for() {
        assert_eq!(Modelled::none().pass().now_or_never(), Some(Duration::ZERO));
    }
}

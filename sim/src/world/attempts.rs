//! Calls to CoinGecko that nobody but the service can know of: those for which no connection came about.
//!
//! A port on which nobody listens, and packets that vanish, leave no trace at the fake. So such a call is heard of from
//! the service's own line about the attempt, and only while a fault keeps connections from coming about: whatever
//! reached the fake is counted there.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::RunClock,
    coingecko::{Engine, Unreachable},
    record::{
        Recorder,
        event::{Event, UpstreamCall},
    },
};

/// What a service's line says of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// When it began, Unix milliseconds of the run's clock, cut.
    pub at_ms: i64,
    /// How long it took, real time.
    pub latency: Duration,
    /// The path that was asked for.
    pub path: String,
    /// Whether a status came.
    pub answered: bool,
}

/// Who records the attempts that the fake could not see.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// Knows when connections do not come about.
    pub engine: Arc<Engine>,
    /// The run's clock.
    pub clock: RunClock,
    /// Where they are recorded.
    pub recorder: Recorder,
}

impl Unseen {
    /// Takes in the line of an attempt that has ended.
    pub fn hear(&self, attempt: Attempt) {
        if let Some(call) = call(&self.engine, &self.clock, attempt) {
            self.engine.touch(call.faults[0]);
            self.recorder.record(Event::Upstream(call));
        }
    }
}

/// The call that an attempt was, if it never got a connection.
fn call(engine: &Engine, clock: &RunClock, attempt: Attempt) -> Option<UpstreamCall> {
    let (unreachable, fault) = engine.unreachable(attempt.at_ms)?;
    let in_vain = match unreachable {
        Unreachable::Refuse | Unreachable::Blackhole => true,
        Unreachable::Slow(by) => attempt.latency <= by,
    };
    if attempt.answered || !in_vain {
        return None;
    }
    // The instant is cut to whole milliseconds, and no call comes before the lease under which it is made. The line
    // is written when the attempt ends, so it did not begin later than this.
    let since_start = u64::try_from(attempt.at_ms - clock.start_ms()).unwrap_or(0);
    let latest_us = clock.at_us_of_wall(Duration::from_millis(since_start) + Duration::from_micros(999));
    let took_us = u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX);
    let at_us = latest_us.min(clock.now_us().saturating_sub(took_us));
    Some(UpstreamCall {
        at_us,
        done_us: at_us + took_us,
        path: attempt.path,
        status: 0,
        complete: false,
        retry_after_s: None,
        credit: false,
        faults: vec![fault],
    })
}

#[cfg(test)]
mod tests {
    use scenarios::format::{
        assumptions::Assumptions,
        fault::{CoinGeckoFault, ConnectFailure},
        model::{Fault, Plan, Target},
    };

    use super::*;
    use crate::{
        coingecko::{EngineConfig, Terms, limits::KeyRing},
        faults::{Timeline, sample},
        seed::Seed,
    };

    /// 2026-03-02T00:00:00Z.
    const START: i64 = 1_772_409_600_000;

    fn played(kind: CoinGeckoFault) -> (Engine, RunClock) {
        let fault = Fault {
            at: Duration::from_secs(10),
            length: Duration::from_secs(10),
            ..sample(kind)
        };
        let config = EngineConfig {
            seed: 42,
            start_ms: START,
            terms: Terms::of(Plan::Demo),
            keys: KeyRing::default(),
            assumed: Assumptions::default(),
        };
        let clock = RunClock::starting_in(Duration::ZERO, START, 1000.0);
        let timeline = Timeline::new(&[fault], Target::CoinGecko, Seed(42));
        (Engine::new(config, timeline), clock)
    }

    fn attempt(second: i64, latency_ms: u64, answered: bool) -> Attempt {
        Attempt {
            at_ms: START + second * 1000,
            latency: Duration::from_millis(latency_ms),
            path: "/api/v3/coins/markets".to_owned(),
            answered,
        }
    }

    #[tokio::test]
    async fn an_attempt_is_a_call_where_no_connection_comes_about() {
        let (engine, clock) = played(CoinGeckoFault::ConnectFail {
            how: ConnectFailure::Refuse,
        });
        let calls =
            |second, answered| call(&engine, &clock, attempt(second, 1, answered)).map(|call| call.faults);
        assert_eq!(calls(9, false), None, "before the fault");
        assert_eq!(calls(10, false), Some(vec![0]));
        assert_eq!(
            calls(10, true),
            None,
            "it got through, and was counted where it came"
        );
        assert_eq!(calls(20, false), None, "after the fault");
        let (engine, clock) = played(CoinGeckoFault::SlowConnect {
            by: Duration::from_secs(3),
        });
        assert!(
            call(&engine, &clock, attempt(12, 2000, false)).is_some(),
            "given up while connecting"
        );
        assert!(
            call(&engine, &clock, attempt(12, 5000, false)).is_none(),
            "given up after that"
        );
    }
}

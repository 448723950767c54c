//! The store of a run: which, what it took of the requests' time, and whether it, not the service, is the bottleneck.

use std::fmt;

use serde::Serialize;

use crate::{
    record::Recording,
    store::{backend::StoreAbout, cost::Spread},
};

/// Above this share of the requests' time the store decides how long they take.
const BOTTLENECK: f64 = 0.5;

/// What only the player of a run knows of its store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreMeasured {
    /// What it was.
    pub about: StoreAbout,
    /// What its answers took, as the front before it saw it; none where time is modelled.
    pub times: Option<Spread>,
}

/// The store in `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreFacts {
    /// Its name.
    pub name: String,
    /// Its version, when it tells.
    pub version: Option<String>,
    /// How it was run.
    pub how: String,
    /// Requests to it.
    pub calls: u64,
    /// What they took on average, µs; none where time is modelled.
    pub mean_us: Option<f64>,
    /// 99th percentile, µs, to 3 %.
    pub p99_us: Option<u32>,
    /// What all of them took, those of updates included, ÷ what all client requests took from due to answered.
    pub share_of_request_time: Option<f64>,
    /// Whether that is more than half: then latencies say more about the store than about the service.
    pub is_bottleneck: bool,
}

impl StoreFacts {
    /// What the store was, and what it took in this recording.
    #[must_use]
    pub fn of(measured: &StoreMeasured, recording: &Recording) -> Self {
        let requests_us = recording.tallies.whole().latency.sum() * 1e6;
        Self::new(measured, recording.store.calls, requests_us)
    }

    fn new(measured: &StoreMeasured, calls: u64, requests_us: f64) -> Self {
        let StoreMeasured { about, times } = measured;
        let times = times.filter(|times| times.count > 0);
        let share = times
            .filter(|_| requests_us > 0.0)
            .map(|times| times.sum_us as f64 / requests_us);
        Self {
            name: about.name.clone(),
            version: about.version.clone(),
            how: about.how.clone(),
            calls,
            mean_us: times.map(|times| times.mean_us()),
            p99_us: times.map(|times| times.p99_us),
            share_of_request_time: share,
            is_bottleneck: share.is_some_and(|share| share > BOTTLENECK),
        }
    }

    /// What to be careful about.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.is_bottleneck.then(|| {
            format!(
                "the store is the bottleneck, not the service: more than half of the time of the requests was spent in \
                 {}; take no latency of this run for that of a stack on another store",
                self.name
            )
        })
    }
}

impl fmt::Display for StoreFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = StoreAbout {
            name: self.name.clone(),
            version: self.version.clone(),
            how: self.how.clone(),
        };
        write!(f, "{about}: {} calls", self.calls)?;
        if let (Some(mean), Some(p99)) = (self.mean_us, self.p99_us) {
            write!(
                f,
                ", mean {:.1} ms, p99 {:.1} ms",
                mean / 1e3,
                f64::from(p99) / 1e3
            )?;
        }
        if let Some(share) = self.share_of_request_time {
            write!(f, ", {:.0}% of the time of all requests", share * 100.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(sum_us: u64) -> StoreMeasured {
        StoreMeasured {
            about: StoreAbout {
                name: "DynamoDB Local".to_owned(),
                version: Some("3.3.1".to_owned()),
                how: "Maven".to_owned(),
            },
            times: Some(Spread {
                count: 1000,
                sum_us,
                p50_us: 2_000,
                p99_us: 8_100,
                max_us: 9_000,
            }),
        }
    }

    #[test]
    fn a_store_that_takes_most_of_the_time_is_warned_of() {
        let half = StoreFacts::new(&measured(2_500_000), 1000, 5e6);
        insta::assert_snapshot!(half, @"DynamoDB Local 3.3.1 (Maven): 1000 calls, mean 2.5 ms, p99 8.1 ms, 50% of the time of all requests");
        assert_eq!(half.warning(), None, "half is not more than half");
        let more = StoreFacts::new(&measured(2_500_100), 1000, 5e6);
        insta::assert_snapshot!(more.warning().expect("it is more"), @"the store is the bottleneck, not the service: more than half of the time of the requests was spent in DynamoDB Local; take no latency of this run for that of a stack on another store");
    }

    #[test]
    fn modelled_time_says_nothing_of_the_store() {
        let modelled = StoreMeasured {
            times: None,
            ..measured(0)
        };
        let facts = StoreFacts::new(&modelled, 7, 5e6);
        insta::assert_snapshot!(facts, @"DynamoDB Local 3.3.1 (Maven): 7 calls");
        assert_eq!((facts.share_of_request_time, facts.is_bottleneck), (None, false));
    }
}

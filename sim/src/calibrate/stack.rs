//! The real stack under even arrivals: the same world as in a run on the real clock, and what was seen of it.

use std::{
    collections::BTreeMap,
    mem,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use scenarios::format::{Alone, Scenario, parse};
use tokio::sync::watch;

use super::{measure::CalibrateError, seen::Seen};
use crate::{
    record::Witness,
    seed::Seed,
    store::{
        backend::{StoreSpec, Tell},
        front::FrontSabotage,
    },
    world::{Ended, World, WorldError, WorldSpec, environment::effective, siblings::Siblings},
};

/// How long arrivals come before they count: until then the first of them have fetched the prices, every key has been
/// read once, and connections are open.
pub(super) const WARM: Duration = Duration::from_secs(1);

/// A stack that serves everyone from memory, with `rate` arrivals a second for `length`.
///
/// The updater does not fire, no user is limited, and CoinGecko's plan allows whatever is asked.
pub(super) fn scenario(rate: u32, length: Duration) -> Result<Scenario, CalibrateError> {
    let text = format!(
        "schema = 1\nname = \"calibrate\"\nabout = \"Even arrivals, served from memory.\"\nseed = 1\n\
         duration = \"{}ms\"\n\
         [stack]\nrate_limit = \"1000000/min\"\nupdate_every = \"5m\"\nupdate_phase = \"4m\"\n\
         upstream_plan = {{ per_minute = 1000000, per_month = 1000000000 }}\n\
         [symbols]\ndist = \"zipf\"\ns = 1.1\n\
         [[journey]]\nname = \"watchlist\"\nweight = 3\nget = [\"/prices?symbols={{symbols:5}}\"]\n\
         [[journey]]\nname = \"one\"\nweight = 1\nget = [\"/prices/{{symbol}}\"]\n\
         [[load]]\nname = \"even\"\nrate = \"{rate}/s\"\narrivals = \"even\"\nkeys = {{ count = 10 }}\n",
        length.as_millis()
    );
    parse("calibrate", &text, &[], &Alone).map_err(|problems| defect(&problems.to_string()))
}

/// Plays even arrivals through the real binaries; they count for `lasting`, after the stack is warm.
pub(super) async fn play(
    siblings: &Siblings,
    rate: u32,
    lasting: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<(Seen, Range<u64>), CalibrateError> {
    let scenario = scenario(rate, WARM + lasting)?;
    let config =
        effective(&scenario.stack, &BTreeMap::new()).map_err(|problem| defect(&problem.to_string()))?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let watching = Arc::clone(&seen);
    let see = move |event: &_| {
        let mut seen = watching.lock().unwrap_or_else(PoisonError::into_inner);
        seen.see(event);
    };
    let spec = WorldSpec {
        deployed: None,
        has_users: true,
        seed: Seed(scenario.seed),
        scenario: Arc::new(scenario),
        speed: 1,
        siblings: siblings.clone(),
        env: BTreeMap::new(),
        config,
        store: StoreSpec::default(),
        sabotage: FrontSabotage::default(),
        witness: Some(Witness::new(see)),
        logs: Tell::default(),
    };
    let mut stopped = stop.clone();
    let world = tokio::select! {
        biased;
        _ = stopped.wait_for(|stop| *stop) => return Err(CalibrateError::Interrupted),
        world = World::start(spec) => world?,
    };
    let (played, _remains) = world.play(stop.clone(), |_| {}).await;
    match played.ended {
        Ended::Complete => {}
        Ended::Interrupted => return Err(CalibrateError::Interrupted),
        Ended::Failed(error) => return Err(error.into()),
    }
    let seen = mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    let window = WARM.as_micros() as u64..(WARM + lasting).as_micros() as u64;
    Ok((seen, window))
}

fn defect(problem: &str) -> CalibrateError {
    WorldError::Internal(problem.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_scenario_is_valid_for_every_rate_and_never_updated() {
        for rate in [1, 50, 2883] {
            let scenario = scenario(rate, Duration::from_secs(3)).expect("a scenario");
            assert_eq!(scenario.duration, Duration::from_secs(3));
            assert!(scenario.stack.update_phase > Some(scenario.duration));
            assert!(scenario.warnings().is_empty(), "{:?}", scenario.warnings());
            effective(&scenario.stack, &BTreeMap::new()).expect("the service accepts it");
        }
    }
}

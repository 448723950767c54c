//! Sweeps of a small scenario: planted bugs are found and shrunk, and the same seed finds the same.

use std::sync::LazyLock;

use scenarios::format::Scenario;
use tokio::sync::watch;

use super::*;

/// Forty minutes of a service whose prices last five: what a bug needs to show fits into few requests.
const SMALL: &str = r#"
schema = 1
name = "small"
about = "Small."
duration = "40m"
[stack]
instances = 2
cache_ttl = "2m"
price_retention = "5m"
update_every = "2m"
rate_limit = "10/min"
[[journey]]
name = "list"
get = ["/prices?symbols={symbols:3}"]
[[journey]]
name = "twice"
get = ["/prices/BTC", "/prices/BTC"]
think = "20s"
revalidate = true
[[load]]
name = "users"
rate = "6/min"
keys = { count = 3 }
"#;

fn read(text: &str) -> Scenario {
    trial::read("small.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn sweep(plant: Option<Plant>) -> Sweep {
    Sweep::new(read(SMALL), plant).unwrap_or_else(|problem| panic!("{problem}"))
}

fn never() -> watch::Receiver<bool> {
    // A channel that is closed would be taken for somebody who asks to stop.
    static NEVER: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));
    NEVER.subscribe()
}

/// The first of 200 seeds that breaks this rule, with the service broken so. (A bug may show in other ways, too.)
fn found(plant: Plant, rule: &str) -> Trial {
    let (sweep, halt) = (sweep(Some(plant)), Halt::on(never()));
    (0..200)
        .map(|seed| {
            sweep
                .trial(seed, &halt)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
        })
        .find(|trial| {
            trial
                .failure
                .as_ref()
                .is_some_and(|failure| failure.broken.rule == rule)
        })
        .unwrap_or_else(|| panic!("{plant:?} was not found"))
}

/// What a planted bug was found by, after it was shrunk; its file still fails by itself.
fn shrunk(plant: Plant, rule: &str) -> Vec<&'static str> {
    let Some(failure) = found(plant, rule).failure else {
        panic!("it failed")
    };
    assert!(failure.timeline.faults.len() <= 2, "{}", failure.text);
    let found = Arc::new(read(&failure.text));
    let play = |plant| trial::play(&found, plant, never()).unwrap_or_else(|error| panic!("{error}"));
    assert!(play(Some(plant)).breaks(&failure.broken.rule), "{}", failure.text);
    let healthy = play(None);
    assert!(healthy.held(), "{:?}\n{}", healthy.broken, failure.text);
    let kinds = failure.timeline.faults.iter().map(|fault| fault.kind);
    kinds.collect()
}

#[test]
fn a_service_that_ignores_retry_after_is_found() {
    let kinds = shrunk(Plant::RetryAfterIgnored, "upstream.pause");
    assert!(
        kinds.iter().any(|kind| matches!(*kind, "rate_limit" | "status")),
        "{kinds:?}"
    );
}

#[test]
fn a_service_that_serves_past_retention_is_found() {
    let kinds = shrunk(Plant::ServedPastRetention, "price.retention");
    assert!(!kinds.is_empty());
}

#[test]
fn a_service_that_overwrites_newer_prices_is_found() {
    let kinds = shrunk(Plant::OlderOverNewer, "store.backwards");
    assert!(
        kinds
            .iter()
            .any(|kind| matches!(*kind, "stale_data" | "cache_split")),
        "{kinds:?}"
    );
}

// `.ci/determinism` does the same with a hundred, in two processes.
#[test]
fn twenty_seeds_find_the_same_twice_whatever_the_threads() {
    let shorter = SMALL.replace("40m", "20m");
    let sweep = Sweep::new(read(&shorter), None).unwrap_or_else(|problem| panic!("{problem}"));
    let all = |jobs| {
        let mut found = Vec::new();
        let told = sweep.run(0..20, jobs, false, never(), |trial| {
            assert!(
                trial.findings.held(),
                "seed {}: {:?}",
                trial.seed,
                trial.findings.broken
            );
            found.push(trial.findings.document());
        });
        told.unwrap_or_else(|error| panic!("{error}"));
        found
    };
    let (once, again) = (all(1), all(3));
    assert_eq!(once.len(), 20);
    assert!(once == again, "the same seeds found something else");
    let mut different = once.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 20, "another seed plays another run");
}

#[test]
fn the_smallest_scenario_says_what_it_breaks_and_reads_as_any_other() {
    let Some(failure) = found(Plant::OlderOverNewer, "store.backwards").failure else {
        panic!("it failed")
    };
    assert!(
        failure.text.contains("about = \"Breaks store.backwards: "),
        "{}",
        failure.text
    );
    assert!(!failure.text.contains("extends"), "{}", failure.text);
    assert!(failure.name.starts_with("small-seed-"), "{}", failure.name);
}

#[test]
fn the_first_failure_ends_a_sweep_that_fails_fast() {
    let mut told = Vec::new();
    let ended = sweep(Some(Plant::OlderOverNewer)).run(0..200, 2, true, never(), |trial| {
        told.push((trial.seed, trial.failure.is_some()));
    });
    assert_eq!(ended, Ok(()));
    let last = told.len() as u64 - 1;
    let expected: Vec<(u64, bool)> = (0..=last).map(|seed| (seed, seed == last)).collect();
    assert_eq!(told, expected, "in order, and none after the first that failed");
}

#[test]
fn a_sweep_that_is_stopped_tells_what_it_has() {
    let stop = watch::Sender::new(false);
    let mut told = Vec::new();
    let ended = sweep(None).run(0..1_000, 2, false, stop.subscribe(), |trial| {
        told.push(trial.seed);
        stop.send_replace(true);
    });
    assert!(
        matches!(ended, Ok(()) | Err(TrialError::Interrupted)),
        "{ended:?}"
    );
    assert!((1..10).contains(&told.len()), "{told:?}");
}

#[test]
fn a_scenario_too_short_to_recover_is_refused() {
    let short = read(&SMALL.replace("40m", "10m"));
    let refused = Sweep::new(short, None).expect_err("there is no room");
    insta::assert_snapshot!(refused, @"`small` lasts 10m, and recovery alone may take 7m8s; sweep one of 13m or more, or shorten `stack.update_every`");
}

#[test]
fn timelines_have_all_there_is_to_draw_and_end_in_time() {
    let sweep = sweep(None);
    let timelines: Vec<Timeline> = (0..300)
        .map(|seed| Timeline::draw(Seed(seed), &sweep.menu, sweep.room))
        .collect();
    let mut kinds = std::collections::BTreeSet::new();
    for timeline in &timelines {
        assert!((1..=8).contains(&timeline.instances) && (1..=6).contains(&timeline.faults.len()));
        for fault in &timeline.faults {
            assert!(fault.at_s + fault.for_s <= sweep.room.faults_until_s, "{fault:?}");
            kinds.insert(format!("{}.{}", fault.target, fault.kind));
        }
        let variant = sweep.variant(1, timeline, "Any.");
        let read = read(&sweep.base.variant(&variant));
        assert_eq!(read.faults.len(), timeline.faults.len());
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), {
        let mut names: Vec<String> = sweep.menu.names().collect();
        names.sort();
        names
    });
    let modified = |has: fn(&timeline::Draft) -> bool| timelines.iter().flat_map(|one| &one.faults).any(has);
    assert!(modified(|fault| fault.share.is_some()) && modified(|fault| fault.every.is_some()));
    assert!(modified(|fault| fault.first.is_some()) && modified(|fault| fault.at_s == 0));
}

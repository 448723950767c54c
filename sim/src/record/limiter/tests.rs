//! An honest limiter is never blamed, a dishonest one is, and little is remembered.

use std::time::Duration;

use proptest::prelude::*;
use scenarios::wire::RequestLine;

use super::*;

const SPEED: f64 = 60.0;

pub(in crate::record) fn timing() -> Timing {
    Timing {
        start_ms: 0,
        speed: SPEED,
        duration: Duration::from_secs(600),
    }
}

/// An honest limiter of one process, with `limit`, asked at real instants; each decision takes `took_us`.
pub(in crate::record) fn play(
    limit: u32,
    arrivals: &[u64],
    took_us: u64,
) -> (Vec<Admission>, Vec<RequestLine>) {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    let mut admissions = Vec::new();
    let mut requests = Vec::new();
    for at_us in arrivals {
        let decided_us = at_us + took_us / 2;
        let wall_ms = timing().wall_ms(decided_us);
        let window = wall_ms.div_euclid(WINDOW_MS);
        let previous = counts.get(&(window - 1)).copied().unwrap_or(0);
        let elapsed = (wall_ms - window * WINDOW_MS) as f64 / WINDOW_MS as f64;
        let count = counts.entry(window).or_default();
        let admitted = *count < room(limit, previous, elapsed);
        if admitted {
            *count += 1;
            admissions.push(Admission {
                at_us: decided_us,
                window,
                key: 0,
            });
        }
        requests.push(RequestLine {
            due_us: *at_us,
            sent_us: *at_us,
            answered_us: at_us + took_us,
            key: Some(0),
            status: if admitted { 200 } else { 429 },
            owed: 200,
            ..RequestLine::default()
        });
    }
    (admissions, requests)
}

pub(in crate::record) fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(1u64..60_000, 1..300).prop_map(|gaps| {
        gaps.iter()
            .scan(0, |at, gap| {
                *at += gap;
                Some(*at)
            })
            .collect()
    })
}

/// A limiter that has admitted `admissions` and remembers all of them.
pub(in crate::record) fn over(limit: u32, admissions: &[Admission]) -> Limiter {
    let mut limiter = Limiter::new(limit, timing());
    admissions.iter().for_each(|admission| limiter.admit(admission));
    limiter
}

pub(in crate::record) fn excess(limit: u32, admissions: &[Admission]) -> usize {
    let mut limiter = over(limit, admissions);
    admissions
        .iter()
        .filter(|admission| limiter.is_excess(admission))
        .count()
}

fn records(lines: &[RequestLine]) -> Vec<RequestRecord> {
    lines
        .iter()
        .map(|line| RequestRecord::of(0, line, line.key))
        .collect()
}

proptest! {
    #[test]
    fn an_honest_limiter_is_never_blamed(arrivals in arrivals(), limit in 1u32..60, took_us in 0u64..5_000) {
        let (admissions, requests) = play(limit, &arrivals, took_us);
        let limiter = over(limit, &admissions);
        prop_assert_eq!(excess(limit, &admissions), 0);
        for request in records(&requests) {
            let class = limiter.class(&request);
            if request.status == 429 {
                prop_assert_ne!(class, Class::Owed, "a rightly refused request at {}", request.sent_us);
            } else {
                prop_assert_ne!(class, Class::Refuse, "a rightly admitted request at {}", request.sent_us);
            }
        }
    }
}

/// One arrival each 10 ms of real time = 100 a wall minute, for ten minutes.
fn even() -> Vec<u64> {
    (0..1000).map(|n| 5_000 + n * 10_000).collect()
}

#[test]
fn a_limiter_with_twice_the_limit_has_excess() {
    let (admissions, _) = play(60, &even(), 1_000);
    assert_eq!(excess(60, &admissions), 0);
    assert!(excess(30, &admissions) > 200);
}

#[test]
fn a_limiter_with_half_the_limit_refuses_what_is_owed() {
    let (admissions, requests) = play(20, &even(), 1_000);
    let limiter = over(40, &admissions);
    let wronged = records(&requests)
        .iter()
        .filter(|r| r.status == 429 && limiter.class(r) == Class::Owed)
        .count();
    assert!(wronged > 500, "{wronged}");
}

#[test]
fn a_minute_is_exact_whatever_the_windows() {
    // 30 at the end of one minute, 30 at the start of the next: 60 within an exact minute.
    let at = |n: u64| {
        if n < 30 {
            970_000 + n * 1_000
        } else {
            1_000_000 + (n - 30) * 1_000
        }
    };
    let admissions: Vec<Admission> = (0..60)
        .map(|n| Admission {
            at_us: at(n),
            window: i64::from(n >= 30),
            key: 0,
        })
        .collect();
    let limiter = over(40, &admissions);
    assert_eq!(limiter.in_minute_until(0, 0, 1_029_000), 60);
    assert_eq!(
        limiter.in_minute_until(0, 1_000_000, 1_029_000),
        30,
        "a window's start cuts"
    );
    assert_eq!(
        limiter.in_minute_until(0, 0, 1_970_000),
        59,
        "the first is a minute ago"
    );
    assert_eq!(limiter.in_minute_until(1, 0, 1_029_000), 0);
}

#[test]
fn a_silent_client_is_judged_by_what_was_known_when_it_was_refused() {
    let (admissions, _) = play(10, &even(), 1_000);
    let limiter = over(10, &admissions);
    // In the first minute ten are admitted within its first sixth; then none until the next.
    assert!(!limiter.admits_in_silence(0, 500_000, 900_000));
    assert!(
        !limiter.admits_in_silence(0, 500_000, 1_000_000),
        "the previous window still counts in full"
    );
    assert!(
        limiter.admits_in_silence(0, 500_000, 1_100_000),
        "a tenth of it has been forgotten"
    );
    assert!(
        limiter.admits_in_silence(7, 500_000, 500_001),
        "a key that was never seen"
    );
}

#[test]
fn what_lies_at_the_edge_may_be_either() {
    let (admissions, requests) = play(10, &even(), 1_000);
    let limiter = over(10, &admissions);
    let classes: Vec<Class> = records(&requests)
        .iter()
        .take(12)
        .map(|request| limiter.class(request))
        .collect();
    assert!(
        classes[..9].iter().all(|class| *class == Class::Owed),
        "{classes:?}"
    );
    assert_eq!(classes[11], Class::Refuse);
    let keyless = RequestRecord::of(0, &RequestLine::default(), None);
    assert_eq!(limiter.class(&keyless), Class::Owed);
}

#[test]
fn what_nobody_can_ask_about_any_more_is_forgotten() {
    let (admissions, requests) = play(10, &even(), 1_000);
    let mut limiter = over(5, &admissions);
    let classes = |limiter: &Limiter| -> Vec<Class> {
        records(&requests)
            .iter()
            .map(|request| limiter.class(request))
            .collect()
    };
    let at_once = RequestLine {
        sent_us: 9_000_000,
        answered_us: 9_000_500,
        owed: 200,
        status: 429,
        ..RequestLine::default()
    };
    let at_once = RequestRecord::of(0, &at_once, Some(0));
    let asked_at_once =
        |limiter: &Limiter| (limiter.class(&at_once), limiter.in_minute_until(0, 0, 9_000_000));
    let told = asked_at_once(&limiter);
    assert_eq!((told.0, told.1 > 8), (Class::Refuse, true));
    let (all, before) = (classes(&limiter), limiter.bytes());
    // The tenth minute has begun: its requests ask about it and the one before.
    limiter.forget(9_000_000);
    let kept = classes(&limiter);
    assert!(
        limiter.bytes() < before / 2,
        "{} of {before} bytes",
        limiter.bytes()
    );
    assert_eq!(all[900..], kept[900..]);
    assert_eq!(
        asked_at_once(&limiter),
        told,
        "by the other clock it was sent a minute before"
    );
    assert!(
        kept[..700].iter().all(|class| *class == Class::Either),
        "of what is forgotten nothing can be told"
    );
    limiter.forget(60_000_000);
    assert_eq!(limiter.bytes(), 0, "nothing was admitted for long");
}

#[test]
fn a_counter_whose_window_never_ends_is_seen_in_little_memory() {
    let mut limiter = Limiter::new(10, timing());
    let mut excess = 0;
    let mut most = 0;
    // One admission a wall second for an hour, all under the name of the first minute.
    for n in 0..3600 {
        let admission = Admission {
            at_us: n * 1_000_000 / 60,
            window: 0,
            key: 0,
        };
        limiter.admit(&admission);
        excess += u64::from(limiter.is_excess(&admission));
        most = most.max(limiter.in_minute_until(0, 0, admission.at_us));
        if n % 60 == 0 {
            limiter.forget(admission.at_us);
        }
    }
    assert_eq!((excess, most), (3590, 60));
    assert!(limiter.bytes() < 4096, "{} bytes", limiter.bytes());
}

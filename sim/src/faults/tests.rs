//! What a call suffers, fault by fault.

use super::*;
use scenarios::format::fault::{Latency, RetryAfter, StoreFault};
use scenarios::format::model::FaultShape;
use scenarios::format::model::Match;

const SECOND: Duration = Duration::from_secs(1);
/// 2026-03-02T00:00:00Z.
const START: i64 = 1_772_409_600_000;

/// From 10 s to 110 s.
fn fault(kind: CoinGeckoFault) -> Fault {
    Fault {
        at: 10 * SECOND,
        length: 100 * SECOND,
        ..sample(kind)
    }
}

fn status(status: u16) -> Fault {
    fault(CoinGeckoFault::Status { status })
}

fn timeline(faults: &[Fault]) -> Timeline {
    Timeline::new(faults, Target::CoinGecko, Seed(42))
}

/// Plays one call a second from 0 s on and returns the seconds in which a fault touched it.
fn touched_at(timeline: &mut Timeline, calls: u32, call: &Call<'_>) -> Vec<u32> {
    let touched = (0..calls).filter(|second| {
        let since_start = Duration::from_secs(u64::from(*second));
        !timeline
            .judge(since_start, START + i64::from(*second) * 1000, call)
            .touched
            .is_empty()
    });
    touched.collect()
}

fn check(fault: Fault, expect: &[u32]) {
    let mut timeline = timeline(&[fault]);
    assert_eq!(touched_at(&mut timeline, 20, &Call::default()), expect);
    assert_eq!(timeline.touches()[0].count, expect.len() as u64);
}

#[test]
fn a_span_begins_and_ends() {
    check(
        Fault {
            length: 3 * SECOND,
            ..status(503)
        },
        &[10, 11, 12],
    );
    check(
        Fault {
            at: 100 * SECOND,
            ..status(503)
        },
        &[],
    );
}

#[test]
fn modifiers_are_combined_by_and() {
    check(
        Fault {
            first: Some(2),
            ..status(503)
        },
        &[10, 11],
    );
    check(
        Fault {
            every: Some(3),
            ..status(503)
        },
        &[12, 15, 18],
    );
    check(
        Fault {
            every: Some(3),
            first: Some(6),
            ..status(503)
        },
        &[12, 15],
    );
    check(
        Fault {
            every: Some(10),
            first: Some(3),
            ..status(503)
        },
        &[],
    );
}

#[test]
fn a_share_is_drawn_from_the_seed() {
    let half = Fault {
        share: 0.5,
        length: 2_000 * SECOND,
        ..status(503)
    };
    let play = |seed| {
        let mut timeline = Timeline::new(std::slice::from_ref(&half), Target::CoinGecko, Seed(seed));
        touched_at(&mut timeline, 2_000, &Call::default())
    };
    let touched = play(1);
    assert!(
        (900..1100).contains(&touched.len()),
        "about half of 1990: {}",
        touched.len()
    );
    assert_eq!(touched, play(1));
    assert_ne!(touched, play(2));
}

#[test]
fn a_share_draws_the_same_beside_other_modifiers() {
    let play = |first| {
        let mut timeline = timeline(&[Fault {
            share: 0.5,
            first,
            ..status(503)
        }]);
        touched_at(&mut timeline, 60, &Call::default())
    };
    let all = play(None);
    let early: Vec<u32> = all.iter().copied().filter(|second| *second < 20).collect();
    assert_eq!(play(Some(10)), early);
}

#[test]
fn only_eligible_calls_are_counted() {
    let of_markets = Match {
        path: Some("/coins/markets".to_owned()),
        ..Match::default()
    };
    let mut timeline = timeline(&[Fault {
        first: Some(1),
        matches: of_markets,
        ..status(503)
    }]);
    let mut touched = |path| {
        let call = Call {
            facts: Facts {
                path,
                ..Facts::default()
            },
            ..Call::default()
        };
        !timeline.judge(20 * SECOND, START, &call).touched.is_empty()
    };
    assert_eq!(
        [
            touched("/ping"),
            touched("/coins/markets"),
            touched("/coins/markets")
        ],
        [false, true, false]
    );
}

#[test]
fn overlapping_faults_apply_in_file_order() {
    let slow = fault(CoinGeckoFault::Latency {
        latency: Latency::Fixed(2 * SECOND),
    });
    let hang = fault(CoinGeckoFault::Hang { at_most: 30 * SECOND });
    let judge = |faults: &[Fault]| timeline(faults).judge(20 * SECOND, START, &Call::default());

    let both = judge(&[slow.clone(), slow.clone(), status(503), hang.clone()]);
    assert_eq!(
        both,
        Judgement {
            delay: 4 * SECOND,
            verdict: Verdict::Answer(ErrorAnswer::of_status(503, START, 60)),
            touched: vec![0, 1, 2],
            ..Judgement::default()
        }
    );
    let ended = judge(&[hang, slow]);
    let verdict = Verdict::Hang { at_most: 30 * SECOND };
    assert_eq!(
        ended,
        Judgement {
            verdict,
            touched: vec![0],
            ..Judgement::default()
        }
    );
}

#[test]
fn the_oldest_of_overlapping_stale_data_is_sent() {
    let stale = |seconds: u32, freeze| {
        fault(CoinGeckoFault::StaleData {
            age: seconds * SECOND,
            freeze,
        })
    };
    let faults = [
        stale(300, Freeze::All),
        stale(540, Freeze::Price),
        stale(120, Freeze::All),
    ];
    let judged = timeline(&faults).judge(20 * SECOND, START, &Call::default());
    assert_eq!((judged.verdict, judged.touched.len()), (Verdict::Pass, 3));
    assert_eq!(
        judged.stale,
        Some(Stale {
            age: 540 * SECOND,
            freeze: Freeze::Price
        })
    );
}

#[test]
fn other_targets_keep_their_place_in_the_file() {
    let store = Fault {
        kind: FaultKind::Store(StoreFault::Error),
        ..status(0)
    };
    let mut timeline = timeline(&[store, status(500)]);
    assert_eq!(timeline.judge(20 * SECOND, START, &Call::default()).touched, [1]);
}

fn rate_limit(limit: f64, retry_after: RetryAfter) -> Fault {
    fault(CoinGeckoFault::RateLimit {
        limit,
        window: 60 * SECOND,
        retry_after,
    })
}

#[test]
fn a_limit_of_zero_refuses_every_call_that_it_touches() {
    let fixed = RetryAfter::Fixed(Duration::from_millis(52_500));
    let mut always = timeline(&[rate_limit(0.0, fixed)]);
    let judged = always.judge(20 * SECOND, START, &Call::default());
    assert_eq!(asked_to_wait(&judged), Some(53));
    check(
        Fault {
            every: Some(2),
            ..rate_limit(0.0, RetryAfter::Absent)
        },
        &[11, 13, 15, 17, 19],
    );
}

#[test]
fn a_limit_refuses_the_rest_of_each_window() {
    let mut timeline = timeline(&[rate_limit(3.0, RetryAfter::RestOfWindow)]);
    let touched = touched_at(&mut timeline, 80, &Call::default());
    let expect: Vec<u32> = (13..60).chain(63..80).collect();
    assert_eq!(touched, expect);
    let judged = timeline.judge(80 * SECOND, START + 80_000, &Call::default());
    assert_eq!(asked_to_wait(&judged), Some(40));
}

/// The `Retry-After` of a refusal.
fn asked_to_wait(judged: &Judgement) -> Option<u32> {
    match &judged.verdict {
        Verdict::Answer(answer) if answer.status == 429 => answer.retry_after_s,
        other => panic!("{other:?} is no 429"),
    }
}

#[test]
fn a_retry_after_is_sent_as_it_is_written() {
    let sent = |how| {
        let mut timeline = timeline(&[rate_limit(0.0, how)]);
        let judged = timeline.judge(20 * SECOND, START + 20_400, &Call::default());
        let Verdict::Answer(answer) = judged.verdict else {
            panic!("a limit of nothing refuses")
        };
        (answer.retry_after_s, answer.retry_after_text)
    };
    let date = "Mon, 02 Mar 2026 00:01:00 GMT".to_owned();
    assert_eq!(sent(RetryAfter::Date), (Some(39), Some(date)), "39.6 s ahead");
    let text = |text: &str| sent(RetryAfter::Text(text.to_owned()));
    assert_eq!(text("-1"), (None, Some("-1".to_owned())));
    assert_eq!(text("soon").0, None);
    assert_eq!(text("1000000000").0, Some(1_000_000_000));
    assert_eq!(sent(RetryAfter::Absent), (None, None));
}

#[test]
fn a_fault_has_a_shape() {
    let shaped = |shape| Fault {
        shape,
        length: 2000 * SECOND,
        ..status(503)
    };
    let touched = |fault| touched_at(&mut timeline(&[fault]), 2010, &Call::default());
    let (on, off) = (3 * SECOND, 2 * SECOND);
    let flapping = touched(shaped(FaultShape::Flap { on, off }));
    assert_eq!(flapping[..7], [10, 11, 12, 15, 16, 17, 20]);
    let late = |touched: &[u32]| touched.iter().filter(|second| **second >= 1010).count();
    let (grows, falls) = (
        touched(shaped(FaultShape::RampIn)),
        touched(shaped(FaultShape::RampOut)),
    );
    // Three quarters of a thousand in the stronger half, one in the weaker.
    for (touched, strong) in [(&grows, late(&grows)), (&falls, falls.len() - late(&falls))] {
        assert!((690..810).contains(&strong), "{strong} of {}", touched.len());
        assert!(
            (190..310).contains(&(touched.len() - strong)),
            "{strong} of {}",
            touched.len()
        );
    }
}

#[test]
fn what_keeps_connections_from_coming_about_judges_no_call() {
    let refuse = fault(CoinGeckoFault::ConnectFail {
        how: ConnectFailure::Refuse,
    });
    let mut timeline = timeline(&[refuse, status(503)]);
    assert_eq!(timeline.unreachable(9 * SECOND), None);
    assert_eq!(timeline.unreachable(10 * SECOND), Some((Unreachable::Refuse, 0)));
    let judged = timeline.judge(20 * SECOND, START, &Call::default());
    assert_eq!(judged.touched, [1], "a call that has come has its connection");
    timeline.touch(0);
    let counts = timeline.touches().into_iter().map(|touches| touches.count);
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn every_other_edge_is_behind() {
    let split = fault(CoinGeckoFault::CacheSplit { lag: 120 * SECOND });
    let mut timeline = timeline(&[split]);
    let behind: Vec<bool> = (0..4)
        .map(|call| {
            timeline
                .judge(20 * SECOND, START + call, &Call::default())
                .stale
                .is_some()
        })
        .collect();
    assert_eq!(behind, [false, true, false, true]);
    assert_eq!(timeline.touches()[0].count, 2);
}

//! What settles when, that settling early changes nothing, and that nothing piles up.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use scenarios::wire::ServedPrice;

use super::*;
use crate::record::{
    RecordingBytes, Tally, Timing,
    answers::tests::Hundred,
    limiter::{tests::excess, tests::over, tests::play, tests::timing},
};

const LAG_US: u64 = 250_000;

fn intake(timing: Timing, rate_limit: u32) -> Intake {
    Intake::new(RecordingSetup {
        timing,
        lag: Duration::from_micros(LAG_US),
        views: Vec::new(),
        rate_limit,
        cache_ttl: Duration::from_secs(30),
        symbols: vec!["BTC".to_owned()],
        key_ids: vec![vec!["aa".to_owned(), "bb".to_owned()], vec!["cc".to_owned()]],
        alarms: Vec::new(),
        publication: Arc::new(Hundred),
    })
}

fn admission(at_us: u64, key_id: &str, window: i64, admitted: bool) -> Event {
    Event::Admission {
        at_us,
        key_id: key_id.into(),
        window,
        admitted,
        count: 0,
    }
}

fn request(line: RequestLine) -> Event {
    Event::Request { load: 0, line }
}

/// A request of `aa` that takes 10 ms.
fn asked(sent_us: u64, status: u16) -> Event {
    request(RequestLine {
        due_us: sent_us,
        sent_us,
        answered_us: sent_us + 10_000,
        key: Some(0),
        owed: 200,
        status,
        ..RequestLine::default()
    })
}

#[test]
fn keys_of_loads_and_counters_are_one_list() {
    let mut intake = intake(timing(), 10);
    intake.take(admission(0, "cc", 29_540_160, false));
    intake.take(admission(0, "unknown", 29_540_160, true));
    assert_eq!(intake.load_keys, [vec![0, 1], vec![2]]);
    let key = |id: &str| intake.key_index.get(id).copied();
    assert_eq!(["aa", "bb", "cc", "unknown"].map(key), [0, 1, 2, 3].map(Some));
    assert_eq!(
        intake.recording().tallies.whole().admissions,
        1,
        "the other waits"
    );
    let tally = intake.finish().tallies.whole().clone();
    assert_eq!((tally.admissions, tally.busiest_minute), (2, 1));
}

#[test]
fn a_request_waits_for_what_may_still_be_heard_of() {
    let mut intake = intake(timing(), 1);
    intake.take(asked(100_000, 429));
    let settled = |intake: &Intake| intake.recording().tallies.whole().requests;
    intake.take(admission(110_000 + LAG_US + CLOCK_SLACK_US, "bb", 0, false));
    assert_eq!(settled(&intake), 0);
    // Behind the others: who had the one admission of the minute.
    intake.take(admission(50_000, "aa", 0, true));
    intake.take(admission(110_001 + LAG_US + CLOCK_SLACK_US, "bb", 0, false));
    assert_eq!(settled(&intake), 1);
    let tally = intake.finish().tallies.whole().clone();
    assert_eq!((tally.rejected, tally.false_rejected), (1, 0));

    let mut too_late = self::intake(timing(), 1);
    too_late.take(asked(100_000, 429));
    too_late.take(admission(900_000, "bb", 0, false));
    too_late.take(admission(50_000, "aa", 0, true));
    assert_eq!(too_late.finish().tallies.whole().false_rejected, 1);
}

#[test]
fn silence_is_told_by_instants_however_late_a_line_comes() {
    let refused = |sent_us| {
        request(RequestLine {
            due_us: sent_us,
            sent_us,
            answered_us: sent_us + 10_000,
            key: Some(0),
            owed: 200,
            status: 429,
            retry_after_s: Some(80),
            ..RequestLine::default()
        })
    };
    let honest = |admitted_us: &[u64]| {
        let mut intake = intake(timing(), 3);
        for at_us in admitted_us {
            intake.take(admission(*at_us, "aa", (at_us / 1_000_000) as i64, true));
        }
        intake.take(admission(3_000_000, "bb", 3, false));
        // It may come back at 1.75 s, and does.
        intake.take(refused(400_000));
        intake.take(refused(1_760_000));
        let tally = intake.finish().tallies.whole().clone();
        (tally.honest, tally.rejected)
    };
    let full = [100_000, 200_000, 300_000];
    assert_eq!(honest(&full), (1, 2), "nobody else came");
    let [first, second, third] = full;
    assert_eq!(
        honest(&[first, second, third, 1_500_000, 1_700_000]),
        (2, 2),
        "others took what it was promised"
    );
}

#[test]
fn of_a_request_that_comes_minutes_late_nothing_is_told() {
    let mut intake = intake(timing(), 1);
    for second in 0..60 {
        intake.take(admission(second * 1_000_000, "bb", second as i64, true));
    }
    intake.take(asked(100_000, 429));
    let recording = intake.finish();
    let tally = recording.tallies.whole();
    assert_eq!((recording.late, tally.either, tally.false_rejected), (1, 1, 0));
}

#[test]
fn waits_are_those_that_the_service_tells() {
    let mut intake = intake(timing(), 1);
    let values = |ms| vec![("Requests".into(), 1.0), ("RefreshWaitMs".into(), ms)];
    for ms in [0.0, 250.0] {
        intake.take(Event::Emf {
            at_us: 1,
            service: "api",
            values: values(ms),
        });
    }
    let recording = intake.finish();
    assert_eq!(recording.emf.documents("api"), 2);
    let wait = &recording.tallies.whole().wait;
    assert_eq!((wait.count(), wait.percentile(1.0)), (1, Some(0.25)));
}

/// Requests each tenth of a second, all admitted, with a price that is stored anew each minute.
fn bytes_of(requests: u64) -> RecordingBytes {
    let timing = Timing {
        start_ms: 0,
        speed: 1.0,
        duration: Duration::from_secs(3600),
    };
    let mut intake = intake(timing, 100);
    for n in 0..requests {
        let at_us = n * 100_000;
        let minute = n / 600;
        let fetched_ms = minute as i64 * 60_000;
        if n % 600 == 0 {
            intake.take(Event::PriceWrite {
                at_us,
                symbol: "BTC".into(),
                price: "100".into(),
                updated_ms: fetched_ms,
                fetched_ms,
                ttl_s: 1_000_000,
            });
        }
        let (key, id) = if n % 2 == 0 { (0, "aa") } else { (1, "bb") };
        intake.take(admission(at_us + 1_000, id, minute as i64, true));
        intake.take(request(RequestLine {
            due_us: at_us,
            sent_us: at_us,
            answered_us: at_us + 2_000 + n % 7,
            key: Some(key),
            route: "/prices".into(),
            owed: 200,
            status: 200,
            asked: ["BTC".to_owned()].into(),
            prices: [ServedPrice {
                symbol: "BTC".into(),
                price: "100".into(),
                updated_ms: fetched_ms,
            }]
            .into(),
            ..RequestLine::default()
        }));
    }
    intake.finish().bytes()
}

#[test]
fn ten_times_the_requests_take_no_more_memory() {
    let (few, many) = (bytes_of(2_000), bytes_of(20_000));
    assert_eq!((few.requests, many.requests), (2_000, 20_000));
    // A key's admissions are kept for a few minutes, of which the short run has not seen all.
    let more = 16 * 1024;
    assert!(many.unsettled <= few.unsettled + more, "{many:?}, {few:?}");
    assert_eq!(many.tallies, few.tallies);
    // What is stored grows with the length of the run: 30 writes more.
    assert!(many.other <= few.other + more, "{many:?}, {few:?}");
    assert!(many.per_request() < 100.0 && few.unsettled > 0, "{many:?}");
}

/// Each event with the instant at which it is heard of.
type Told = (u64, Event);

/// What an honest limiter did with requests at `arrivals`, told with delays.
fn told(limit: u32, arrivals: &[u64], took_us: u64, delays: &[u64]) -> Vec<Told> {
    let (admissions, lines) = play(limit, arrivals, took_us);
    let delay = |n: usize| delays[n % delays.len()];
    let admissions = admissions.iter().enumerate().map(|(n, admitted)| {
        let event = admission(admitted.at_us, "aa", admitted.window, true);
        // Strictly within the lag.
        (admitted.at_us + delay(n) % LAG_US, event)
    });
    let requests = lines.into_iter().enumerate().map(|(n, line)| {
        // Lines may come seconds late.
        (line.answered_us + delay(n), request(line))
    });
    let mut told: Vec<Told> = admissions.chain(requests).collect();
    told.sort_by_key(|(at_us, _)| *at_us);
    told
}

proptest! {
    #[test]
    fn settling_as_events_come_says_what_knowing_all_of_them_says(
        gaps in proptest::collection::vec(1u64..600_000, 1..300),
        limit in 1u32..12,
        stated in 1u32..12,
        took_us in 0u64..400_000,
        delays in proptest::collection::vec(0u64..4_000_000, 1..40),
    ) {
        let arrivals: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let mut intake = intake(timing(), stated);
        told(limit, &arrivals, took_us, &delays).into_iter().for_each(|(_, event)| intake.take(event));
        let recording = intake.finish();
        let settled = recording.tallies.whole();

        let (mut admissions, lines) = play(limit, &arrivals, took_us);
        admissions.sort_by_key(|admission| admission.at_us);
        let limiter = over(stated, &admissions);
        let mut known = Tally::default();
        for line in &lines {
            let request = RequestRecord::of(0, line, Some(0));
            known.add(&request, limiter.class(&request), true);
        }
        prop_assert_eq!(recording.late, 0);
        prop_assert_eq!(settled.requests, known.requests);
        prop_assert_eq!(settled.owed, known.owed);
        prop_assert_eq!(settled.clear, known.clear);
        prop_assert_eq!((settled.either, settled.false_rejected), (known.either, known.false_rejected));
        prop_assert_eq!(settled.excess, excess(stated, &admissions) as u64);
        let busiest = admissions.iter().map(|last| {
            let within = |other: &&Admission| other.at_us <= last.at_us && last.at_us - other.at_us < 1_000_000;
            admissions.iter().filter(within).count() as u64
        });
        prop_assert_eq!(settled.busiest_minute, busiest.max().unwrap_or(0));
    }
}

#[test]
fn a_class_is_told_of_what_lies_at_the_edge() {
    let mut intake = intake(timing(), 1);
    intake.take(admission(105_000, "aa", 0, true));
    intake.take(asked(100_000, 200));
    intake.take(asked(103_000, 429));
    intake.take(asked(300_000, 429));
    let recording = intake.finish();
    let tally = recording.tallies.whole();
    assert_eq!(
        tally.either, 1,
        "it may have come before the one that was admitted"
    );
    assert_eq!((tally.owed.all, tally.rejected, tally.false_rejected), (1, 2, 0));
}

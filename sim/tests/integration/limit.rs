//! The rate limit as it is stated, over two API processes on one store, counted by the store front: 64 clients of one
//! key at once, one client that sends evenly, one that does as it is told.

mod bounds;
mod processes;

use std::time::Duration;

use futures_util::future::join_all;
use sim::clock::RunClock;
use tokio::{task::JoinSet, time::Instant};

use bounds::{SKEW_MS, WINDOW_MS, check};
use processes::{Answer, Http, TwoProcesses, ask, http};

/// Requests a minute.
const LIMIT: u32 = 50;
const CLIENTS: usize = 64;
/// How fast the wall clock runs where windows have to pass.
const SPEED: f64 = 60.0;

/// A clock of this speed, and what processes are told of it.
fn fast_clock(speed: f64) -> (RunClock, Option<String>) {
    let clock = RunClock::starting_in(Duration::ZERO, 1_772_409_600_000, speed);
    (clock, Some(clock.env()))
}

/// Plays all clients, each for as long as `more` of its requests says; returns how many requests were admitted
/// and how many refused.
async fn play(urls: &[String], more: impl Fn(usize) -> bool + Copy) -> (usize, usize) {
    let http: &Http = &http();
    let client = |client: usize| async move {
        let mut admitted = Vec::new();
        while more(admitted.len()) {
            let url = &urls[(client + admitted.len()) % urls.len()];
            admitted.push(ask(http, url).await == Answer::Admitted);
        }
        admitted
    };
    let answers: Vec<bool> = join_all((0..CLIENTS).map(client)).await.concat();
    let admitted = answers.iter().filter(|admitted| **admitted).count();
    (admitted, answers.len() - admitted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_64_clients_over_two_processes_gets_the_limit_and_no_more() {
    // The front reads the system's clock, as the processes do.
    let probe = RunClock::starting_in(Duration::ZERO, 0, 1.0);
    let clock = RunClock::starting_in(Duration::ZERO, probe.anchor_ms(), 1.0);
    let stack = TwoProcesses::start(LIMIT, clock, None).await;
    let (admitted, refused) = play(&stack.urls, |sent| sent < 20).await;
    assert_eq!(admitted + refused, CLIENTS * 20);

    let seen = stack.stop().await;
    let windows = check(LIMIT, &seen, 1.0);
    assert_eq!(
        windows.values().sum::<u32>() as usize,
        admitted,
        "the front counted what clients were given"
    );
    let refused_by_store = seen.iter().filter(|counted| !counted.admitted).count();
    assert!(
        refused_by_store <= refused,
        "some are refused without asking, none the other way round"
    );
    assert!(
        admitted >= LIMIT as usize,
        "the whole limit can be used: {windows:?}"
    );
    if windows.len() == 1 {
        assert_eq!(admitted, LIMIT as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_several_windows_the_rolling_rule_holds_for_each_request() {
    let (clock, told) = fast_clock(SPEED);
    let stack = TwoProcesses::start(LIMIT, clock, told).await;
    let end = clock.now_ms() + 8 * WINDOW_MS;
    let (admitted, refused) = play(&stack.urls, |_| clock.now_ms() < end).await;

    let seen = stack.stop().await;
    let windows = check(LIMIT, &seen, SPEED);
    assert_eq!(
        windows.values().sum::<u32>() as usize,
        admitted,
        "the front counted what clients were given"
    );
    assert!(
        windows.len() >= 3,
        "clients were admitted again and again: {windows:?}"
    );
    assert!(refused > admitted, "64 clients ask for far more than the limit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_even_client_at_twice_its_limit_gets_nearly_all_of_it() {
    const SPEED: f64 = 30.0;
    /// So few that 200 ms of real time lie between two requests: what a busy machine does to them is small.
    const LIMIT: u32 = 5;
    /// Windows that settle, and windows that are counted.
    const WINDOWS: (i64, i64) = (2, 5);
    let (clock, told) = fast_clock(SPEED);
    let stack = TwoProcesses::start(LIMIT, clock, told).await;
    let since_start = clock.wall_since_start(clock.now_us());
    let window = Duration::from_millis(WINDOW_MS as u64);
    let begin = window * (since_start.as_secs() / 60 + 1) as u32;
    let spacing = window / (2 * LIMIT);
    let (http, mut sent) = (http(), JoinSet::new());
    for n in 0..2 * LIMIT * (WINDOWS.0 + WINDOWS.1) as u32 {
        let due = clock.instant_of_wall(begin + spacing * n);
        tokio::time::sleep_until(due).await;
        let (http, url) = (http.clone(), stack.urls[n as usize % stack.urls.len()].clone());
        let is_counted = n >= 2 * LIMIT * WINDOWS.0 as u32;
        sent.spawn(async move {
            ask(&http, &url).await;
            is_counted && Instant::now() >= due + clock.real(spacing)
        });
    }
    let late: i64 = sent.join_all().await.into_iter().map(i64::from).sum();

    let windows = check(LIMIT, &stack.stop().await, SPEED);
    let first = clock.start_ms() / WINDOW_MS + begin.as_millis() as i64 / WINDOW_MS + WINDOWS.0;
    let admitted: u32 = windows
        .range(first..first + WINDOWS.1)
        .map(|(_, count)| count)
        .sum();
    let most = WINDOWS.1 * i64::from(LIMIT) / 2;
    assert!(
        late <= most,
        "{late} of {} late: this machine is too busy to tell",
        2 * LIMIT
    );
    // 1 − 1/L of L in each window; a request that this machine sent or answered late may cost one.
    let least = WINDOWS.1 * i64::from(LIMIT - 1) - late;
    assert!(
        i64::from(admitted) >= least,
        "{admitted} of at least {least}: {windows:?} from {first}, {late} late"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stays_silent_until_retry_after_is_admitted() {
    const LIMIT: u32 = 3;
    let (clock, told) = fast_clock(SPEED);
    let stack = TwoProcesses::start(LIMIT, clock, told).await;
    let http = http();
    for round in 0..6 {
        let [this, other] = [round % 2, (round + 1) % 2].map(|index| &stack.urls[index]);
        let retry_after = loop {
            if let Answer::Refused { retry_after } = ask(&http, this).await {
                break retry_after;
            }
        };
        // The other process may read its clock that much earlier.
        let skew = Duration::from_secs_f64(SKEW_MS / 1000.0);
        tokio::time::sleep(clock.real(retry_after) + skew).await;
        assert_eq!(
            ask(&http, other).await,
            Answer::Admitted,
            "round {round}: {retry_after:?} were said"
        );
    }
    check(LIMIT, &stack.stop().await, SPEED);
}

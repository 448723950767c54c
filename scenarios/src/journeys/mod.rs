//! The closed loop: users on goose, each making one journey after the other until the load ends.
//!
//! Goose starts the users, runs their transactions and carries their requests over its one shared client. Its own
//! statistics, reports, listeners and printing are off: every request becomes a line for the harness instead.
//! Think time is ours, not goose's, because a sped-up clock needs waits of less than a millisecond's rounding and
//! an end that cuts them short.

mod carry;
mod quiet;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use goose::client::GooseClientBuilder;
use goose::config::GooseConfiguration;
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction, TransactionResult};
use goose::{GooseAttack, GooseError};
use tokio::sync::{Mutex, Notify};

use crate::play::{Pace, Play, PlayError, Visitor, play_journey};

/// How often goose's own Ctrl-C handler is asked whether there was one, real time.
const CTRL_C_POLL: Duration = Duration::from_millis(100);

/// The users of an attack, as its transactions see them.
#[derive(Debug)]
struct Crowd {
    play: Arc<Play>,
    /// Base URLs of the targets, without a slash at their end.
    bases: Arc<[String]>,
    /// Longest time to wait for an answer.
    timeout: Duration,
    /// Users that have not yet noticed the end.
    left: AtomicU32,
    all_left: Notify,
}

/// What a goose user carries: who it is. Goose wants to clone it and to be borrowed along with it, hence the lock.
#[derive(Clone)]
struct Seat(Arc<Mutex<Visitor>>);

/// Plays a `users` load to its end, against targets at these URLs.
pub(crate) async fn run(
    play: Arc<Play>,
    users: u32,
    bases: Arc<[String]>,
    timeout: Duration,
) -> Result<(), PlayError> {
    quiet::silence_goose();
    let crowd = Arc::new(Crowd {
        play,
        bases,
        timeout,
        left: AtomicU32::new(users),
        all_left: Notify::new(),
    });
    let failed = |error: GooseError| PlayError::Engine(format!("goose: {error}"));
    let attack = attack(&crowd, users).map_err(failed)?;
    // Goose looks only twice a second whether its users are done, and nothing of what it does then is used.
    tokio::select! {
        biased;
        () = crowd.all_left.notified() => Ok(()),
        () = ctrl_c() => Ok(()),
        end = attack.execute() => end.map(drop).map_err(failed),
    }
}

/// Waits for a Ctrl-C, for which goose installs a handler of its own.
async fn ctrl_c() {
    while !goose::is_killswitch_triggered() {
        tokio::time::sleep(CTRL_C_POLL).await;
    }
}

fn attack(crowd: &Arc<Crowd>, users: u32) -> Result<GooseAttack, GooseError> {
    let client = GooseClientBuilder::new()
        .without_cookies()
        .gzip(false)
        .timeout(crowd.timeout);
    let (first, then) = (Arc::clone(crowd), Arc::clone(crowd));
    let start: TransactionFunction = Arc::new(move |user| Box::pin(take_seat(Arc::clone(&first), user)));
    let journey: TransactionFunction = Arc::new(move |user| Box::pin(make_journey(Arc::clone(&then), user)));
    let scenario = Scenario::new("users")
        .register_transaction(Transaction::new(start).set_name("start").set_on_start())
        .register_transaction(Transaction::new(journey).set_name("journey"));
    let attack = GooseAttack::initialize_with_config(configuration(&crowd.bases[0], users))?
        .set_client_builder_without_cookies(client)?
        .register_scenario(scenario);
    Ok(attack)
}

/// No listeners, no reports, no statistics, nothing printed; users started within a few milliseconds.
fn configuration(host: &str, users: u32) -> GooseConfiguration {
    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(host.to_owned());
    configuration.users = Some(users as usize);
    configuration.increase_rate = Some((u64::from(users) * 200).to_string());
    configuration.quiet = 1;
    configuration.no_metrics = true;
    configuration.no_print_metrics = true;
    configuration.no_error_summary = true;
    configuration.no_telnet = true;
    configuration.no_gzip = true;
    configuration
}

/// Waits for the load to begin.
async fn take_seat(crowd: Arc<Crowd>, user: &mut GooseUser) -> TransactionResult {
    let number = u32::try_from(user.weighted_users_index).unwrap_or(u32::MAX);
    let visitor = crowd.play.user(number);
    user.set_session_data(Seat(Arc::new(Mutex::new(visitor))));
    crowd.play.wait_until(crowd.play.begin_us()).await;
    Ok(())
}

/// Makes one journey; after the end of the load, leaves.
async fn make_journey(crowd: Arc<Crowd>, user: &mut GooseUser) -> TransactionResult {
    if crowd.play.is_over() {
        if crowd.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            crowd.all_left.notify_one();
        }
        // Goose would start the next transaction at once; it is dropped as a whole when all users are here.
        std::future::pending::<()>().await;
    }
    if let Some(seat) = user.get_session_data::<Seat>().cloned() {
        let mut visitor = seat.0.lock().await;
        let mut carrier = carry::Carrier {
            user,
            bases: &crowd.bases,
            timeout: crowd.timeout,
        };
        play_journey(&crowd.play, &mut visitor, &mut carrier, Pace::Closed).await;
    }
    Ok(())
}

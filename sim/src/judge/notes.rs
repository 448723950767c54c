//! What a reader of a verdict should know besides the numbers.

use scenarios::format::model::ClockKind;

use super::evidence::Evidence;
use crate::record::NoAnswer;

/// What every verdict on virtual time says.
const VIRTUAL: &str = "virtual time tells counts, order, ages and the service's own waits; CPU time and sockets are not \
                       in it, and latencies are modelled, not judged";

/// Remarks on the run, most important first.
pub(super) fn of(evidence: &Evidence<'_>) -> Vec<String> {
    let recording = evidence.recording;
    let tally = recording.tallies.whole();
    let mut notes = Vec::new();
    if evidence.clock == ClockKind::Virtual {
        notes.push(VIRTUAL.to_owned());
    }
    for (level, count) in recording.log_counts.iter().rev() {
        let example = recording.logs.iter().find(|log| log.level == *level);
        let example = example
            .map(|log| format!(", first: [{}] {}", log.process, log.message))
            .unwrap_or_default();
        notes.push(format!("the service logged {count} lines at {level}{example}"));
    }
    for (service, (count, told)) in &recording.lambda.failed {
        notes.push(format!(
            "{count} of the invocations of the `{service}` function failed, the first with {told}"
        ));
    }
    let all = recording.store.sum(0..u32::MAX);
    for (count, what) in [(all.failed, "failed"), (all.throttled, "were throttled")] {
        if count > 0 {
            notes.push(format!("{count} requests to the store {what}"));
        }
    }
    if let Some(Err(why)) = &recording.audit {
        notes.push(format!(
            "the store could not be asked in the end whether it has what it acknowledged, so that is not judged: {why}"
        ));
    }
    let unleased = evidence.tries.iter().filter(|a_try| !a_try.leased).count();
    if unleased > 0 {
        notes.push(format!("{unleased} CoinGecko calls were made without the lease"));
    }
    if recording.prices.invalid_writes() > 0 {
        let count = recording.prices.invalid_writes();
        notes.push(format!(
            "{count} prices were stored that CoinGecko never validly published"
        ));
    }
    let untraced = tally.untraced;
    if untraced > 0 {
        notes.push(format!(
            "{untraced} answers carry a price that was never seen in a store write; their age is what `Age` says"
        ));
    }
    let unsure = tally.unsure;
    if unsure > 0 {
        notes.push(format!(
            "{unsure} answers came so close to a refresh or an expiry that their tier may be the neighbouring one"
        ));
    }
    if recording.late > 0 {
        notes.push(format!(
            "{} requests were heard of so late that the limit was not held against them",
            recording.late
        ));
    }
    for (error, name) in [
        (NoAnswer::Timeout, "did not come in time"),
        (NoAnswer::Connect, "found no connection"),
        (NoAnswer::Reset, "lost their connection"),
        (NoAnswer::Body, "could not be read"),
    ] {
        let count = tally.no_answer.get(&error).copied().unwrap_or(0);
        if count > 0 {
            notes.push(format!("{count} answers {name}"));
        }
    }
    if let Some(why) = &recording.lambda.unlimited {
        notes.push(format!(
            "CPU not limited to the functions' share of a processor, so that they are faster than on Lambda: {why}"
        ));
    }
    notes
}

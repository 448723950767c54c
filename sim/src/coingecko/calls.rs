//! Calls under way: each is told of once, when it has ended, with how it ended.
//!
//! The engine's answer to a call waits here for the front, which has only seen its bytes come and finds it by its
//! number. Who holds an [`OpenCall`] tells of it by letting it go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exchange::FakeAnswer;
use crate::clock::RunClock;
use crate::record::event::UpstreamCall;

/// Who is told of every call.
pub type Witness = Arc<dyn Fn(UpstreamCall) + Send + Sync>;

/// The calls that were answered by the engine and not yet by the front.
pub(super) struct Calls {
    clock: RunClock,
    witness: Witness,
    answered: Mutex<Answered>,
}

#[derive(Default)]
struct Answered {
    calls: BTreeMap<u64, OpenCall>,
    next: u64,
}

/// A call that has come and not ended. It ends when it is dropped.
pub(super) struct OpenCall {
    /// What it is to be answered; the body goes its own way.
    pub(super) answer: FakeAnswer,
    /// Whether its answer has no body, whatever it says of its length.
    pub(super) bodiless: bool,
    call: UpstreamCall,
    clock: RunClock,
    witness: Witness,
}

impl Calls {
    pub(super) fn new(clock: RunClock, witness: Witness) -> Arc<Self> {
        Arc::new(Self {
            clock,
            witness,
            answered: Mutex::default(),
        })
    }

    /// Begins a call that came at `at_us`, and returns its number.
    pub(super) fn begin(&self, at_us: u64, path: String, answer: FakeAnswer, bodiless: bool) -> u64 {
        let call = UpstreamCall {
            at_us,
            done_us: at_us,
            path,
            status: 0,
            complete: false,
            retry_after_s: None,
            credit: answer.credit,
            faults: answer.faults.clone(),
        };
        let open = OpenCall {
            answer,
            bodiless,
            call,
            clock: self.clock,
            witness: Arc::clone(&self.witness),
        };
        let mut answered = self.answered();
        let number = answered.next;
        answered.next += 1;
        answered.calls.insert(number, open);
        number
    }

    /// The call of this number, for whoever answers it.
    pub(super) fn take(&self, number: u64) -> Option<OpenCall> {
        self.answered().calls.remove(&number)
    }

    /// Ends those that nobody answers any more.
    pub(super) fn end_all(&self) {
        let all = std::mem::take(&mut self.answered().calls);
        drop(all);
    }

    /// How many have begun so far.
    #[cfg(test)]
    pub(super) fn begun(&self) -> u64 {
        self.answered().next
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenCall {
    /// A fault that the engine could not see touched it, too.
    pub(super) fn touched_by(&mut self, fault: Option<u16>) {
        self.call.faults.extend(fault);
    }

    /// The head of its answer is sent.
    pub(super) fn head_sent(&mut self) {
        self.call.status = self.answer.status;
        self.call.retry_after_s = self.answer.retry_after_s;
    }

    /// The whole of its answer is sent.
    pub(super) fn complete(mut self) {
        self.call.complete = true;
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.call.done_us = self.clock.now_us().max(self.call.at_us);
        (self.witness)(self.call.clone());
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

//! Calls under way: each is told of once, when it has ended, with how it ended.
//!
//! The server does not say when a caller goes away. But it drops an answer that it will not send as it drops one
//! that it has sent, and with the answer the one part of it that is ours: a header whose value is a [`Stub`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::time::Instant;

use crate::record::event::UpstreamCall;

/// Who is told of every call.
pub type Witness = Arc<dyn Fn(UpstreamCall) + Send + Sync>;

/// The calls that have come and not ended.
pub(super) struct Calls {
    witness: Witness,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    calls: BTreeMap<u64, OpenCall>,
    next: u64,
}

struct OpenCall {
    /// As it ends when its caller stays.
    call: UpstreamCall,
    came: Instant,
    /// How long its caller has to stay for that.
    delay: Duration,
}

impl Calls {
    pub(super) fn new(witness: Witness) -> Arc<Self> {
        let open = Mutex::default();
        Arc::new(Self { witness, open })
    }

    /// Begins a call that will end as `call` says if its caller waits for `delay`. It ends when the value is
    /// dropped, whose text is `value`.
    pub(super) fn begin(self: &Arc<Self>, call: UpstreamCall, delay: Duration, value: String) -> HeaderValue {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        let came = Instant::now();
        open.calls.insert(number, OpenCall { call, came, delay });
        drop(open);
        let stub = Stub {
            text: value,
            calls: Arc::clone(self),
            number,
        };
        // The engine's own headers are all text.
        HeaderValue::from_maybe_shared(Bytes::from_owner(stub)).unwrap_or(HeaderValue::from_static(""))
    }

    /// Ends those that are under way, as the server does.
    pub(super) fn end_all(&self) {
        let all = std::mem::take(&mut self.open().calls);
        all.into_values().for_each(|open| self.tell(open));
    }

    /// How many are under way.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.open().calls.len()
    }

    fn end(&self, number: u64) {
        let ended = self.open().calls.remove(&number);
        // None: the server was stopped before.
        if let Some(open) = ended {
            self.tell(open);
        }
    }

    fn tell(&self, open: OpenCall) {
        let OpenCall {
            mut call,
            came,
            delay,
        } = open;
        let lasted = came.elapsed();
        if lasted < delay {
            // The caller went away first: whatever it would have been answered, it was not.
            call.done_us = call.at_us + lasted.as_micros() as u64;
            (call.status, call.retry_after_s, call.complete) = (0, None, false);
        }
        (self.witness)(call);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// The text of a header's value, which lives as long as the call.
struct Stub {
    text: String,
    calls: Arc<Calls>,
    number: u64,
}

impl AsRef<[u8]> for Stub {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.calls.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of calls: status and duration, µs.
    type Told = Arc<Mutex<Vec<(u16, u64)>>>;

    fn calls() -> (Arc<Calls>, Told) {
        let told = Told::default();
        let witness: Witness = {
            let told = Arc::clone(&told);
            Arc::new(move |call: UpstreamCall| {
                told.lock()
                    .expect("not poisoned")
                    .push((call.status, call.done_us - call.at_us));
            })
        };
        (Calls::new(witness), told)
    }

    fn begin(calls: &Arc<Calls>, delay_ms: u64) -> HeaderValue {
        let call = UpstreamCall {
            at_us: 7,
            done_us: 7 + delay_ms * 1000,
            path: "/ping".to_owned(),
            status: 200,
            complete: true,
            retry_after_s: None,
            credit: true,
            faults: Vec::new(),
        };
        calls.begin(call, Duration::from_millis(delay_ms), "cloudflare".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_once_with_the_last_copy_of_its_answer() {
        let (calls, told) = calls();
        let value = begin(&calls, 40);
        assert_eq!(value, "cloudflare");
        let copy = value.clone();
        drop(value);
        tokio::time::sleep(Duration::from_millis(41)).await;
        assert_eq!(
            (told.lock().expect("not poisoned").len(), calls.under_way()),
            (0, 1)
        );
        drop(copy);
        assert_eq!(
            *told.lock().expect("not poisoned"),
            [(200, 40_000)],
            "as it was meant"
        );
        assert_eq!(calls.under_way(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_was_answered_nothing() {
        let (calls, told) = calls();
        let value = begin(&calls, 3000);
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(value);
        assert_eq!(*told.lock().expect("not poisoned"), [(0, 2_000_000)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_at_the_end_is_told_once() {
        let (calls, told) = calls();
        let values = [begin(&calls, 3000), begin(&calls, 0)];
        tokio::time::sleep(Duration::from_secs(1)).await;
        calls.end_all();
        drop(values);
        assert_eq!(*told.lock().expect("not poisoned"), [(0, 1_000_000), (200, 0)]);
    }
}

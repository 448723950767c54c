//! 429s that told their client when to come back, until it does.
//!
//! Whether a `Retry-After` is true has two witnesses. The replayed rule tells at once whether it would admit the key
//! then, if nobody is admitted until then. The key's next request tells whether the service does, provided that
//! nothing of the key was admitted in between, and that the client did not come before it was told to.

use std::collections::BTreeMap;

use super::requests::{Flags, RequestRecord};

/// So many refusals of one key can wait for the same request: those that were answered at the same instant.
const WAITING: usize = 16;

/// A 429 whose promise has not been tested.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    refused: RequestRecord,
    /// From when on the client may come back, real µs.
    free_us: u64,
}

/// The refusals that wait for their key's next request.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    keys: BTreeMap<u32, Vec<Waiting>>,
}

impl Refusals {
    /// A 429 promised that its client would be admitted from `free_us` on, and the rule agrees.
    pub(super) fn promised(&mut self, refused: &RequestRecord, free_us: u64) {
        let waiting = self.keys.entry(refused.key).or_default();
        if waiting.len() < WAITING {
            waiting.push(Waiting {
                refused: *refused,
                free_us,
            });
        }
    }

    /// The next request of a key: gives the refusals whose promise it shows to be broken. Whoever comes earlier than
    /// it was told shows nothing, nor does anybody after another's admission: `was_silent` tells whether nothing of
    /// the key was admitted after an instant (real µs), until `next` was answered.
    pub(super) fn broken_by(
        &mut self,
        next: &RequestRecord,
        was_silent: impl Fn(u64) -> bool,
    ) -> Vec<RequestRecord> {
        let Some(waiting) = self.keys.get_mut(&next.key) else {
            return Vec::new();
        };
        let mut broken = Vec::new();
        waiting.retain(|promise| {
            let refused_us = promise.refused.answered_us();
            let is_next = refused_us < next.answered_us();
            let came_back = is_next && next.sent_us >= promise.free_us;
            let is_refused = next.status == 429 && !next.flags.has(Flags::BY_GATEWAY);
            if came_back && is_refused && was_silent(refused_us) {
                broken.push(promise.refused);
            }
            !is_next
        });
        if waiting.is_empty() {
            self.keys.remove(&next.key);
        }
        broken
    }

    /// Forgets clients that could have come back before `before_us` and did not, and those of which is known already
    /// that they show nothing: `was_silent` tells whether nothing of a key was admitted after an instant (real µs), as
    /// far as that will soon not be remembered.
    pub(super) fn forget(&mut self, before_us: u64, was_silent: impl Fn(u32, u64) -> bool) {
        self.keys.retain(|key, waiting| {
            waiting.retain(|promise| {
                promise.free_us >= before_us && was_silent(*key, promise.refused.answered_us())
            });
            !waiting.is_empty()
        });
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        let waiting = self.keys.values().map(|waiting| size_of_val(waiting.as_slice()));
        self.keys.len() * size_of::<(u32, Vec<Waiting>)>() + waiting.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use scenarios::wire::RequestLine;

    use super::*;

    /// A request that takes 10 µs.
    fn request(sent_us: u64, status: u16) -> RequestRecord {
        let line = RequestLine {
            due_us: sent_us,
            sent_us,
            answered_us: sent_us + 10,
            status,
            ..RequestLine::default()
        };
        RequestRecord::of(0, &line, Some(3))
    }

    fn promised() -> Refusals {
        let mut refusals = Refusals::default();
        refusals.promised(&request(100, 429), 500);
        refusals
    }

    #[test]
    fn a_promise_is_broken_by_another_429_after_silence() {
        let broken_by = |next, silent| {
            let was_silent = |since_us| since_us == 110 && silent;
            promised().broken_by(&next, was_silent).len()
        };
        assert_eq!(broken_by(request(500, 429), true), 1);
        assert_eq!(broken_by(request(500, 200), true), 0);
        assert_eq!(broken_by(request(499, 429), true), 0, "it came too early");
        assert_eq!(broken_by(request(500, 429), false), 0, "it was not silent");
    }

    #[test]
    fn only_the_next_request_is_a_witness() {
        let mut refusals = promised();
        let mut broken_by = |sent_us| refusals.broken_by(&request(sent_us, 429), |_| true).len();
        assert_eq!(broken_by(90), 0, "answered before it");
        assert_eq!((broken_by(200), broken_by(600)), (0, 0));
        assert_eq!(refusals.bytes(), 0);
    }

    #[test]
    fn who_does_not_come_back_is_forgotten() {
        let mut refusals = promised();
        for _ in 0..100 {
            refusals.promised(&request(100, 429), 500);
        }
        assert!(refusals.bytes() < 2048, "{} bytes", refusals.bytes());
        refusals.forget(500, |_, _| true);
        assert!(refusals.bytes() > 0);
        refusals.forget(501, |_, _| true);
        assert_eq!(refusals.bytes(), 0);
        let mut refusals = promised();
        refusals.forget(500, |key, since_us| (key, since_us) != (3, 110));
        assert_eq!(refusals.bytes(), 0, "it shows nothing any more");
    }
}

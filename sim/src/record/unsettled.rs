//! What waits until all that bears on it has been heard of.
//!
//! Threads lag, so a request cannot be judged when its line comes: an admission of the same moment may still be on its
//! way. It waits until the recording has heard of later things.

use std::collections::VecDeque;

use super::{limiter::Admission, requests::RequestRecord};

/// No more requests and no more admissions wait than this; the oldest then go at once.
const MOST: usize = 1 << 16;

/// What waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsettled {
    /// By their instants.
    admissions: VecDeque<Admission>,
    /// As they were recorded.
    requests: VecDeque<RequestRecord>,
}

impl Unsettled {
    pub(super) fn admission(&mut self, admission: Admission) {
        let later = self.admissions.iter().rev();
        let later = later
            .take_while(|waiting| waiting.at_us > admission.at_us)
            .count();
        self.admissions.insert(self.admissions.len() - later, admission);
    }

    pub(super) fn request(&mut self, request: RequestRecord) {
        self.requests.push_back(request);
    }

    /// Takes out the next admission that happened before `before_us`, or for which there is no room.
    pub(super) fn next_admission(&mut self, before_us: u64) -> Option<Admission> {
        next(&mut self.admissions, |admission| admission.at_us < before_us)
    }

    /// Takes out the next request that was answered before `before_us`, or for which there is no room.
    pub(super) fn next_request(&mut self, before_us: u64) -> Option<RequestRecord> {
        next(&mut self.requests, |request| request.answered_us() < before_us)
    }

    /// Bytes that all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.admissions.len() * size_of::<Admission>() + self.requests.len() * size_of::<RequestRecord>()
    }
}

fn next<T>(waiting: &mut VecDeque<T>, is_settled: impl Fn(&T) -> bool) -> Option<T> {
    let is_full = waiting.len() > MOST;
    waiting.pop_front_if(|first| is_full || is_settled(first))
}

#[cfg(test)]
mod tests {
    use scenarios::wire::RequestLine;

    use super::*;

    fn request(answered_us: u64) -> RequestRecord {
        let line = RequestLine {
            answered_us,
            ..RequestLine::default()
        };
        RequestRecord::of(0, &line, None)
    }

    fn admission(at_us: u64, key: u32) -> Admission {
        Admission {
            at_us,
            window: 0,
            key,
        }
    }

    #[test]
    fn admissions_go_by_their_instants_and_requests_as_they_came() {
        let mut unsettled = Unsettled::default();
        for (at_us, key) in [(10, 1), (30, 2), (20, 3), (20, 4)] {
            unsettled.admission(admission(at_us, key));
        }
        let mut keys = |before_us| -> Vec<u32> {
            std::iter::from_fn(|| Some(unsettled.next_admission(before_us)?.key)).collect()
        };
        assert_eq!((keys(10), keys(30), keys(31)), (vec![], vec![1, 3, 4], vec![2]));
        for answered_us in [20, 10, 30] {
            unsettled.request(request(answered_us));
        }
        let mut answered = |before_us| -> Vec<u64> {
            std::iter::from_fn(|| Some(unsettled.next_request(before_us)?.answered_us())).collect()
        };
        assert_eq!(
            (answered(20), answered(30), answered(u64::MAX)),
            (vec![], vec![20, 10], vec![30])
        );
        assert_eq!(unsettled.bytes(), 0);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut unsettled = Unsettled::default();
        for at_us in 0..=MOST as u64 {
            unsettled.request(request(at_us));
            unsettled.admission(admission(at_us, 0));
        }
        assert_eq!(
            unsettled.next_request(0).map(|first| first.answered_us()),
            Some(0)
        );
        assert_eq!(unsettled.next_admission(0).map(|first| first.at_us), Some(0));
        assert!(unsettled.next_request(0).is_none() && unsettled.next_admission(0).is_none());
    }
}

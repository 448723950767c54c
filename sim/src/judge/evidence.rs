//! The recording with everything that is derived from it once, and lenses that narrow it to a check's question.

use std::{ops::Range, time::Duration};

use scenarios::format::{Scenario, Where};

use super::{
    EffectiveStack,
    limiter::{Class, Limiter},
    retries::{Try, attribute},
};
use crate::record::{Recording, RequestRecord, Route};

/// All that a metric may be computed from.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) recording: &'a Recording,
    pub(super) stack: &'a EffectiveStack,
    pub(super) limiter: Limiter,
    /// The calls to CoinGecko with their place under a lease, by arrival.
    pub(super) tries: Vec<Try>,
    /// What the limit owes to each request, in the recording's order.
    classes: Vec<Class>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(scenario: &'a Scenario, recording: &'a Recording, stack: &'a EffectiveStack) -> Self {
        let limiter = Limiter::new(stack.rate_limit, recording);
        let classes = recording
            .requests
            .iter()
            .map(|request| limiter.class(request))
            .collect();
        let tries = attribute(&recording.calls, recording.leases.tenures());
        Self {
            scenario,
            recording,
            stack,
            limiter,
            tries,
            classes,
        }
    }

    /// The whole run.
    pub(super) fn whole(&self) -> Lens<'_> {
        self.lens(Duration::ZERO..self.scenario.duration, None)
    }

    /// A window of wall time since the start, and perhaps some of the requests.
    pub(super) fn lens<'e>(&'e self, wall: Range<Duration>, filter: Option<&'e Where>) -> Lens<'e> {
        let mut real = self.recording.timing.real_window(&wall);
        if wall.end >= self.scenario.duration {
            // What was begun in the scenario and seen after its end still belongs to it.
            real.end = u64::MAX;
        }
        Lens {
            evidence: self,
            wall,
            real,
            filter,
        }
    }
}

/// A part of the evidence.
#[derive(Clone, Debug)]
pub(super) struct Lens<'e> {
    pub(super) evidence: &'e Evidence<'e>,
    /// Wall time since the start.
    pub(super) wall: Range<Duration>,
    /// The same in real µs; open-ended when the window ends with the scenario.
    pub(super) real: Range<u64>,
    pub(super) filter: Option<&'e Where>,
}

impl<'e> Lens<'e> {
    pub(super) fn recording(&self) -> &'e Recording {
        self.evidence.recording
    }

    /// The requests that were due in the window and pass the filter, with what the limit owes them.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'e RequestRecord, Class)> {
        let (real, filter) = (self.real.clone(), self.filter);
        let all = self
            .evidence
            .recording
            .requests
            .iter()
            .zip(self.evidence.classes.iter().copied());
        all.filter(move |(request, _)| real.contains(&request.due_us()) && passes(request, filter))
    }

    /// The calls to CoinGecko that came in the window.
    pub(super) fn tries(&self) -> impl Iterator<Item = &'e Try> {
        let real = self.real.clone();
        self.evidence
            .tries
            .iter()
            .filter(move |a_try| real.contains(&a_try.call.at_us))
    }

    /// Length of the window, wall seconds.
    pub(super) fn wall_seconds(&self) -> f64 {
        (self.wall.end - self.wall.start).as_secs_f64()
    }
}

fn passes(request: &RequestRecord, filter: Option<&Where>) -> bool {
    match filter {
        None => true,
        Some(Where::Journey(index)) => usize::from(request.journey) == *index,
        Some(Where::Load(index)) => usize::from(request.load) == *index,
        Some(Where::Route(route)) => request.route == Route::of(route),
    }
}

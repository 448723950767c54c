//! The recording with everything that is derived from it once, and lenses that narrow it to a check's question.

use std::ops::Range;

use scenarios::format::{Scenario, model::ClockKind};

use super::{
    EffectiveStack,
    retries::{Try, attribute},
};
use crate::record::{Recording, Tally, View};

/// All that a metric may be computed from.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) recording: &'a Recording,
    pub(super) stack: &'a EffectiveStack,
    /// The clock that it was played on.
    pub(super) clock: ClockKind,
    /// The calls to CoinGecko with their place under a lease, by arrival.
    pub(super) tries: Vec<Try>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        recording: &'a Recording,
        stack: &'a EffectiveStack,
        clock: ClockKind,
    ) -> Self {
        let tries = attribute(&recording.calls, recording.leases.tenures());
        Self {
            scenario,
            recording,
            stack,
            clock,
            tries,
        }
    }

    /// The whole run.
    pub(super) fn whole(&self) -> Lens<'_> {
        self.lens(
            View::whole(self.scenario.duration),
            self.recording.tallies.whole(),
        )
    }

    /// A part of the run; none when the recording was not told before that it would be asked about.
    pub(super) fn part(&self, view: View) -> Option<Lens<'_>> {
        let tally = self.recording.tallies.of(&view)?;
        Some(self.lens(view, tally))
    }

    fn lens<'e>(&'e self, view: View, tally: &'e Tally) -> Lens<'e> {
        Lens {
            evidence: self,
            real: self.recording.timing.window(&view.wall),
            view,
            tally,
        }
    }
}

/// A part of the evidence.
#[derive(Clone, Debug)]
pub(super) struct Lens<'e> {
    pub(super) evidence: &'e Evidence<'e>,
    pub(super) view: View,
    /// The view's window in real µs; open-ended when it ends with the scenario.
    pub(super) real: Range<u64>,
    /// What was counted about the requests that were due in the window and pass the filter.
    pub(super) tally: &'e Tally,
}

impl<'e> Lens<'e> {
    pub(super) fn recording(&self) -> &'e Recording {
        self.evidence.recording
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
        (self.view.wall.end - self.view.wall.start).as_secs_f64()
    }
}

//! One trial: a scenario played in virtual time under the rules of the sweep, and what was found.

use std::{collections::BTreeMap, sync::Arc};

use scenarios::{
    format::{Scenario, model::ClockKind},
    suites::Found,
};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    bounds::Bounds,
    rules::Rule,
    witness::{Breach, Summary, Watch},
};
use crate::{
    judge::{self, AlarmTold, Claim, EffectiveStack, Origin, Series, Severity, Verdict},
    seed::Seed,
    virtual_world::{self, Plant, Pulse, StoreKind, VirtualSpec},
    world::{Ended, environment, playable},
};

/// Why a trial found out nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The scenario cannot be played.
    #[error("{0}")]
    Unplayable(String),
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Its name: one of the sweep's [`Rule`]s, or a check of the judge's such as `price.wrong == 0`.
    pub rule: String,
    /// What happened, the first time.
    pub what: String,
    /// How often it was broken; 1 where that is not counted.
    pub times: u64,
}

/// What a trial found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The seed it was played with.
    pub seed: u64,
    /// Requests played.
    pub requests: u64,
    /// The rules that were broken, those of the sweep first.
    pub broken: Vec<Broken>,
    /// What the judge says.
    pub verdict: Verdict,
    /// What the witness saw.
    pub summary: Summary,
}

/// Reads a scenario from its text; what it expects is left out.
///
/// # Errors
/// Everything that is wrong with it, as a text.
pub fn read(file: &str, text: &str) -> Result<Scenario, String> {
    let found = Found {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let mut scenario = found.parse(&[]).map_err(|problems| problems.to_string())?;
    scenario.expects.clear();
    Ok(scenario)
}

/// Plays a scenario with its own seed on the memory store, and applies all rules.
///
/// # Errors
/// See [`TrialError`].
pub fn play(
    scenario: &Arc<Scenario>,
    plant: Option<Plant>,
    stop: watch::Receiver<bool>,
) -> Result<Findings, TrialError> {
    let unplayable = |problem: &dyn ToString| TrialError::Unplayable(problem.to_string());
    playable::check(
        scenario,
        ClockKind::Virtual,
        Some("memory"),
        playable::Service::Processes,
    )
    .map_err(|problems| unplayable(&problems))?;
    let config =
        environment::effective(&scenario.stack, &BTreeMap::new()).map_err(|problem| unplayable(&problem))?;
    let seed = Seed(scenario.seed);
    let stack = EffectiveStack::of(scenario, &config, seed);
    let watch = Watch::new(Bounds::of(scenario, &config));
    let spec = VirtualSpec {
        scenario: Arc::clone(scenario),
        seed,
        config,
        store: StoreKind::Memory,
        deployed: None,
        env: BTreeMap::new(),
        witness: Some(watch.witness()),
        plant,
        broken_config: None,
    };
    let played =
        virtual_world::play(&spec, stop, &Pulse::default()).map_err(|problem| unplayable(&problem))?;
    let mut summary = watch.finish();
    match played.ended {
        Ended::Complete => {}
        Ended::Interrupted => return Err(TrialError::Interrupted),
        Ended::Failed(error) => {
            let breach = Breach {
                at_us: 0,
                what: error.to_string(),
                times: 1,
            };
            summary.broken.insert(Rule::Played.name(), breach);
        }
    }
    let verdict = judge::judge(scenario, &played.recording, &stack, ClockKind::Virtual);
    Ok(Findings {
        seed: scenario.seed,
        requests: summary.answers.values().sum(),
        broken: broken(&summary, &verdict),
        verdict,
        summary,
    })
}

/// The broken rules of both, those about data first: the first is what a timeline is shrunk to, and wrong data is
/// more often the cause of the others than their effect.
fn broken(summary: &Summary, verdict: &Verdict) -> Vec<Broken> {
    let seen = summary.broken.iter().map(|(rule, breach)| Broken {
        rule: (*rule).to_owned(),
        what: breach.what.clone(),
        times: breach.times,
    });
    let judged = verdict
        .failed()
        .filter(|outcome| outcome.origin == Origin::Invariant && outcome.level == Severity::Fail)
        .map(|outcome| Broken {
            rule: outcome.check.clone(),
            what: outcome.why.clone().unwrap_or_else(|| outcome.margin.clone()),
            times: 1,
        });
    let mut all: Vec<Broken> = seen.chain(judged).collect();
    all.sort_by_key(|broken| !(broken.rule.starts_with("store.") || broken.rule.starts_with("price.")));
    all
}

impl Findings {
    /// Whether nothing was broken.
    #[must_use]
    pub fn held(&self) -> bool {
        self.broken.is_empty()
    }

    /// Whether this rule was broken.
    #[must_use]
    pub fn breaks(&self, rule: &str) -> bool {
        self.broken.iter().any(|broken| broken.rule == rule)
    }

    /// Everything that was found as JSON: two trials that went the same way have the same bytes.
    #[must_use]
    pub fn document(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            seed: u64,
            broken: &'a [Broken],
            witness: &'a Summary,
            outcomes: Vec<(&'a str, Option<f64>, bool)>,
            metrics: BTreeMap<&'a str, f64>,
            claims: &'a [Claim],
            series: &'a Series,
            alarms: &'a [AlarmTold],
            notes: &'a [String],
        }
        let Verdict {
            expectations,
            metrics,
            claims,
            series,
            alarms,
            notes,
            ..
        } = &self.verdict;
        let document = Document {
            seed: self.seed,
            broken: &self.broken,
            witness: &self.summary,
            outcomes: expectations
                .iter()
                .map(|outcome| (outcome.check.as_str(), outcome.actual, outcome.held))
                .collect(),
            metrics: metrics
                .iter()
                .map(|(name, measured)| (name.as_str(), measured.value))
                .collect(),
            claims,
            series,
            alarms,
            notes,
        };
        // Maps with texts or numbers as keys always serialise.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

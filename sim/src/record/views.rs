//! What the judge will ask about, known before the run: each view keeps its own tally, so that no request has to.

use std::{ops::Range, time::Duration};

use scenarios::format::{Scenario, Where, model::Expect};

use super::{
    limiter::Class,
    requests::{RequestRecord, Route},
    tally::Tally,
    timing::Timing,
};

/// A part of a run: a window, and perhaps only some of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Wall time since the start.
    pub wall: Range<Duration>,
    /// Which requests; none = all.
    pub filter: Option<Where>,
    /// Whether a fault begins where it ends. A request that is due just before and still open then belongs to neither side: by
    /// the milliseconds that it takes it may meet the fault, or not.
    pub ends_in_fault: bool,
}

impl View {
    /// All of a run of this length.
    #[must_use]
    pub fn whole(duration: Duration) -> Self {
        Self {
            wall: Duration::ZERO..duration,
            filter: None,
            ends_in_fault: false,
        }
    }

    /// What an expectation of `scenario` is about.
    #[must_use]
    pub fn of(scenario: &Scenario, expect: &Expect) -> Self {
        let wall = scenario.window_of(expect);
        Self {
            ends_in_fault: scenario.faults.iter().any(|fault| fault.at == wall.end),
            wall,
            filter: expect.filter.clone(),
        }
    }

    /// Everything that the expectations of `scenario` are about, each once.
    #[must_use]
    pub fn asked_by(scenario: &Scenario) -> Vec<Self> {
        let mut views = Vec::new();
        for expect in &scenario.expects {
            let view = Self::of(scenario, expect);
            if !views.contains(&view) {
                views.push(view);
            }
        }
        views
    }
}

/// A `where`, ready to be compared.
#[derive(Clone, Copy, Debug)]
enum Filter {
    All,
    Journey(u16),
    Load(u16),
    Route(Route),
}

impl Filter {
    fn of(filter: Option<&Where>) -> Self {
        let index = |index: usize| u16::try_from(index).unwrap_or(u16::MAX);
        match filter {
            None => Self::All,
            Some(Where::Journey(journey)) => Self::Journey(index(*journey)),
            Some(Where::Load(load)) => Self::Load(index(*load)),
            Some(Where::Route(route)) => Self::Route(Route::of(route)),
        }
    }

    fn passes(self, request: &RequestRecord) -> bool {
        match self {
            Self::All => true,
            Self::Journey(journey) => request.journey == journey,
            Self::Load(load) => request.load == load,
            Self::Route(route) => request.route == route,
        }
    }
}

/// How long before a fault a request may be due that may meet it, real time: a busy machine takes so long at worst.
const JUST_BEFORE_US: u64 = 1_000_000;

/// A view with what has been seen in it.
#[derive(Clone, Debug)]
struct Seen {
    view: View,
    /// The view's window in real µs; open-ended when it ends with the scenario.
    real: Range<u64>,
    filter: Filter,
    tally: Tally,
}

impl Seen {
    fn nothing(view: View, timing: &Timing) -> Self {
        Self {
            real: timing.window(&view.wall),
            filter: Filter::of(view.filter.as_ref()),
            tally: Tally::default(),
            view,
        }
    }
}

/// The views of a run, each with its tally.
#[derive(Clone, Debug)]
pub struct Tallies {
    whole: Seen,
    parts: Vec<Seen>,
}

impl Tallies {
    /// Empty tallies of the whole run and of `views`.
    #[must_use]
    pub fn new(views: Vec<View>, timing: &Timing) -> Self {
        let whole = View::whole(timing.duration);
        let parts = views.into_iter().filter(|view| *view != whole);
        Self {
            parts: parts.map(|view| Seen::nothing(view, timing)).collect(),
            whole: Seen::nothing(whole, timing),
        }
    }

    /// The tally of the whole run.
    #[must_use]
    pub fn whole(&self) -> &Tally {
        &self.whole.tally
    }

    /// The tally of a view; none when it was not asked for before the run.
    #[must_use]
    pub fn of(&self, view: &View) -> Option<&Tally> {
        let mut all = std::iter::once(&self.whole).chain(&self.parts);
        all.find(|seen| seen.view == *view).map(|seen| &seen.tally)
    }

    /// A request was settled. `honest`: it is no 429, or its `Retry-After` is true by the replayed rule.
    pub(super) fn request(&mut self, request: &RequestRecord, class: Class, honest: bool) {
        self.with(request)
            .for_each(|tally| tally.add(request, class, honest));
    }

    /// A 429 told its client to come back when it would be admitted, and it was not.
    pub(super) fn broken_promise(&mut self, refused: &RequestRecord) {
        self.with(refused).for_each(|tally| tally.honest -= 1);
    }

    /// A counter was asked to admit a request of some key, at an instant; whether it should not have.
    pub(super) fn admission(&mut self, at_us: u64, excess: bool) {
        for seen in self.at(at_us) {
            seen.tally.admissions += 1;
            seen.tally.excess += u64::from(excess);
        }
    }

    /// A key had so many admissions in the minute until `at_us`, given the instant before which none count.
    pub(super) fn minute(&mut self, at_us: u64, admissions_since: impl Fn(u64) -> u64) {
        for seen in self.at(at_us) {
            let busiest = &mut seen.tally.busiest_minute;
            *busiest = (*busiest).max(admissions_since(seen.real.start));
        }
    }

    /// The service says that it waited on a refresh for so many real seconds.
    pub(super) fn wait(&mut self, at_us: u64, seconds: f64) {
        self.at(at_us).for_each(|seen| seen.tally.wait.record(seconds));
    }

    /// An invocation of a function has ended after so many real seconds.
    pub(super) fn invoked(&mut self, at_us: u64, seconds: f64) {
        self.at(at_us).for_each(|seen| seen.tally.invoked.record(seconds));
    }

    fn with(&mut self, request: &RequestRecord) -> impl Iterator<Item = &mut Tally> {
        let (due_us, answered_us) = (request.due_us(), request.answered_us());
        let meets_fault = move |seen: &Seen| {
            let end = seen.real.end;
            seen.view.ends_in_fault && answered_us >= end && due_us + JUST_BEFORE_US >= end
        };
        self.all()
            .filter(move |seen| {
                seen.real.contains(&due_us) && !meets_fault(seen) && seen.filter.passes(request)
            })
            .map(|seen| &mut seen.tally)
    }

    /// The views of an instant that are about more than single requests.
    fn at(&mut self, at_us: u64) -> impl Iterator<Item = &mut Seen> {
        self.all()
            .filter(move |seen| matches!(seen.filter, Filter::All) && seen.real.contains(&at_us))
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Seen> {
        std::iter::once(&mut self.whole).chain(&mut self.parts)
    }

    /// Bytes that the tallies take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |seen: &Seen| size_of::<Seen>() + seen.tally.bytes();
        of(&self.whole) + self.parts.iter().map(of).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use scenarios::{
        format::{Alone, parse},
        wire::RequestLine,
    };

    use super::*;

    const SCENARIO: &str = r#"
        schema = 1
        name = "views"
        about = "Ten minutes."
        seed = 1
        start = "2026-03-02T00:00:00Z"
        duration = "10m"
        [[journey]]
        name = "only"
        get = ["/prices/{symbol}"]
        [[load]]
        name = "day"
        users = 1
        [[expect]]
        check = "api.success >= 99%"
        [[expect]]
        check = "api.success >= 99%"
        during = "0s..5m"
        [[expect]]
        check = "api.correct >= 99%"
        during = "start..5m"
        [[expect]]
        check = "api.success >= 99%"
        where = "journey=only"
        [[expect]]
        check = "api.success >= 99%"
        where = "route=/prices"
    "#;

    #[test]
    fn each_view_is_kept_once_and_counts_what_lies_in_it() {
        let scenario = match parse("views.toml", SCENARIO, &[], &Alone) {
            Ok(scenario) => scenario,
            Err(diagnostics) => panic!("{diagnostics}"),
        };
        let views = View::asked_by(&scenario);
        assert_eq!(views.len(), 4, "{views:?}");
        assert_eq!(views[0], View::whole(scenario.duration));
        let timing = Timing {
            start_ms: 0,
            speed: 10.0,
            duration: scenario.duration,
        };
        let mut tallies = Tallies::new(views.clone(), &timing);
        for (due_s, route) in [
            (1, "/prices"),
            (29, "/prices/{symbol}"),
            (30, "/prices"),
            (99, "/health"),
        ] {
            let line = RequestLine {
                due_us: due_s * 1_000_000,
                sent_us: due_s * 1_000_000,
                answered_us: due_s * 1_000_000,
                route: route.into(),
                ..RequestLine::default()
            };
            tallies.request(&RequestRecord::of(0, &line, None), Class::Owed, true);
        }
        let counts: Vec<Option<u64>> = views
            .iter()
            .map(|view| Some(tallies.of(view)?.requests))
            .collect();
        assert_eq!(
            counts,
            [Some(4), Some(2), Some(4), Some(2)],
            "what comes after the end still belongs to the whole"
        );
        assert_eq!((tallies.parts.len(), tallies.whole().requests), (3, 4));
        tallies.admission(1, true);
        let excess = |view| tallies.of(view).map(|tally| tally.excess);
        assert_eq!(
            [&views[1], &views[2]].map(excess),
            [Some(1), Some(0)],
            "it has no journey"
        );
        let other = View {
            wall: Duration::ZERO..Duration::from_secs(1),
            filter: None,
            ends_in_fault: false,
        };
        assert!(tallies.of(&other).is_none());
    }

    #[test]
    fn what_is_open_when_a_fault_begins_is_on_neither_side_of_it() {
        let text = SCENARIO.to_owned()
            + "[[fault]]\nname = \"down\"\ntarget = \"store\"\nat = \"5m\"\nfor = \"1m\"\nkind = \"down\"\n\
               [[expect]]\ncheck = \"api.success >= 99%\"\nduring = \"down\"\n";
        let scenario =
            parse("views.toml", &text, &[], &Alone).unwrap_or_else(|problems| panic!("{problems}"));
        let views = View::asked_by(&scenario);
        let timing = Timing {
            start_ms: 0,
            speed: 10.0,
            duration: scenario.duration,
        };
        let mut tallies = Tallies::new(views.clone(), &timing);
        for (due_ms, answered_ms) in [
            (28_000, 38_000),
            (29_990, 29_999),
            (29_990, 30_000),
            (30_000, 30_004),
        ] {
            let line = RequestLine {
                due_us: due_ms * 1000,
                sent_us: due_ms * 1000,
                answered_us: answered_ms * 1000,
                route: "/prices".into(),
                ..RequestLine::default()
            };
            tallies.request(&RequestRecord::of(0, &line, None), Class::Owed, true);
        }
        let requests = |wall: Range<u64>| {
            let view = views.iter().find(|view| {
                view.filter.is_none() && (view.wall.start.as_secs()..view.wall.end.as_secs()) == wall
            });
            view.and_then(|view| tallies.of(view)).map(|tally| tally.requests)
        };
        assert_eq!(
            requests(0..300),
            Some(2),
            "one was answered before it, and one hangs since long before it"
        );
        assert_eq!(requests(300..360), Some(1));
        assert_eq!(requests(0..600), Some(4));
    }
}

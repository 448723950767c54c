//! The small languages within a scenario's strings: `check`, `during` and `where`.

use std::ops::Range;
use std::time::Duration;

use super::check::{Anchor, During, Moment, Op, ROUTES, Where};
use super::diagnostics::nearest;
use super::quantity::{Quantity, parse_duration};

/// What is wrong within a text: which bytes of it, why, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Flaw {
    fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

/// The parts of a check, each with its bytes in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parts {
    pub(super) metric: Range<usize>,
    pub(super) op: Op,
    pub(super) limit: Range<usize>,
    pub(super) quantity: Quantity,
}

/// Reads `metric op quantity`.
pub(super) fn parse_check(text: &str) -> Result<Parts, Flaw> {
    const HELP: &str = "write `metric op quantity`, such as \"api.success >= 99.9%\"";
    const OPS: [Op; 6] = [Op::Le, Op::Ge, Op::Eq, Op::Ne, Op::Lt, Op::Gt];
    let at = text.find(['<', '>', '=', '!']).ok_or_else(|| {
        Flaw::new(
            0..text.len(),
            "a check compares a metric with a quantity; this has no operator",
            HELP,
        )
    })?;
    let sign_end = text[at..]
        .find(|c| !matches!(c, '<' | '>' | '=' | '!'))
        .map_or(text.len(), |end| at + end);
    let sign = &text[at..sign_end];
    let op = OPS.into_iter().find(|op| op.as_str() == sign).ok_or_else(|| {
        Flaw::new(
            at..sign_end,
            format!("unknown operator `{sign}`"),
            "write one of <=, <, >=, >, == and !=",
        )
    })?;
    let metric = trimmed(text, 0..at);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '*');
    if metric.is_empty() || !text[metric.clone()].chars().all(allowed) {
        let message = format!("`{}` is not the name of a metric", &text[metric.clone()]);
        return Err(Flaw::new(metric, message, HELP));
    }
    let limit = trimmed(text, sign_end..text.len());
    if limit.is_empty() {
        return Err(Flaw::new(
            at..text.len(),
            format!("nothing stands after `{sign}`"),
            HELP,
        ));
    }
    let quantity = Quantity::parse(&text[limit.clone()])
        .map_err(|error| Flaw::new(limit.clone(), error.message, error.help))?;
    Ok(Parts {
        metric,
        op,
        limit,
        quantity,
    })
}

/// The range without the blanks at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    let end = range.end - (part.len() - part.trim_end().len());
    if start < end {
        start..end
    } else {
        range.start..range.start
    }
}

/// The names that a `during` may use, in the order of their indices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) faults: &'a [&'a str],
    pub(super) loads: &'a [&'a str],
    pub(super) journeys: &'a [&'a str],
}

impl Names<'_> {
    fn fault(&self, name: &str) -> Option<usize> {
        self.faults.iter().position(|other| *other == name)
    }

    fn load(&self, name: &str) -> Option<usize> {
        self.loads.iter().position(|other| *other == name)
    }

    fn help(&self, wrong: &str) -> String {
        let all = || self.faults.iter().chain(self.loads).copied();
        match nearest(wrong, all()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!(
                "there are: {}; or write A..B",
                all().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// Reads a `during`.
pub(super) fn parse_during(text: &str, names: Names<'_>) -> Result<During, Flaw> {
    if let Some((from, to)) = text.split_once("..") {
        let to_at = from.len() + 2;
        return Ok(During::Span(
            parse_moment(from, 0, names)?,
            parse_moment(to, to_at, names)?,
        ));
    }
    let range = trimmed(text, 0..text.len());
    let name = &text[range.clone()];
    match (names.fault(name), names.load(name)) {
        (Some(fault), _) => Ok(During::Fault(fault)),
        (None, Some(load)) => Ok(During::Load(load)),
        (None, None) => Err(Flaw::new(
            range,
            format!("no fault or load is named `{name}`"),
            names.help(name),
        )),
    }
}

/// Reads a time, `start`, `end`, `<name>.start` or `<name>.end`, plus or minus a duration. `base` is where `text`
/// begins in the whole.
fn parse_moment(text: &str, base: usize, names: Names<'_>) -> Result<Moment, Flaw> {
    const HELP: &str = "write a time, start, end, NAME.start or NAME.end, perhaps + or - a duration";
    let range = trimmed(text, 0..text.len());
    let whole = base + range.start..base + range.end;
    let text = &text[range];
    let (anchor, offset) = match split_anchor(text) {
        Some((name, edge, offset)) => (named_anchor(name, edge, &whole, names)?, offset),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => (Anchor::Start, text),
        None => return Err(Flaw::new(whole, format!("`{text}` is not a moment"), HELP)),
    };
    let wrong = |error: super::quantity::QuantityError| Flaw::new(whole.clone(), error.message, error.help);
    let mut moment = Moment {
        anchor,
        offset: Duration::ZERO,
        earlier: false,
    };
    let (mut forward, mut back) = (Duration::ZERO, Duration::ZERO);
    let mut rest = offset.trim();
    let mut earlier = false;
    if let Some(tail) = rest.strip_prefix(['+', '-']) {
        earlier = rest.starts_with('-');
        rest = tail;
    } else if !rest.is_empty() && anchor != Anchor::Start {
        return Err(Flaw::new(whole, format!("`{text}` is not a moment"), HELP));
    }
    while !rest.is_empty() {
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let part = parse_duration(&rest[..end]).map_err(wrong)?;
        *(if earlier { &mut back } else { &mut forward }) += part;
        earlier = rest[end..].starts_with('-');
        rest = rest[end..].get(1..).unwrap_or_default();
    }
    moment.earlier = back > forward;
    moment.offset = forward.abs_diff(back);
    Ok(moment)
}

/// Splits `outage.end+5m` into name, edge and offset; `end-5m` has no name.
fn split_anchor(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text
        .split_once('.')
        .filter(|(_, rest)| rest.starts_with(['s', 'e']))
        .unwrap_or(("", text));
    ["start", "end"]
        .into_iter()
        .find_map(|edge| rest.strip_prefix(edge).map(|offset| (name, edge, offset)))
}

fn named_anchor(name: &str, edge: &str, whole: &Range<usize>, names: Names<'_>) -> Result<Anchor, Flaw> {
    let start = edge == "start";
    if name.is_empty() {
        return Ok(if start { Anchor::Start } else { Anchor::End });
    }
    match (names.fault(name), names.load(name)) {
        (Some(fault), _) => Ok(if start {
            Anchor::FaultStart(fault)
        } else {
            Anchor::FaultEnd(fault)
        }),
        (None, Some(load)) => Ok(if start {
            Anchor::LoadStart(load)
        } else {
            Anchor::LoadEnd(load)
        }),
        (None, None) => {
            let range = whole.start..whole.start + name.len();
            Err(Flaw::new(
                range,
                format!("no fault or load is named `{name}`"),
                names.help(name),
            ))
        }
    }
}

/// Reads a `where`.
pub(super) fn parse_where(text: &str, names: Names<'_>) -> Result<Where, Flaw> {
    const HELP: &str = "write journey=NAME, load=NAME or route=/prices/{symbol}";
    let whole = 0..text.len();
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Flaw::new(whole.clone(), format!("`{text}` is not a filter"), HELP))?;
    let (key, value) = (key.trim(), value.trim());
    let one_of = |known: &[&str]| match nearest(value, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are: {}", known.join(", ")),
    };
    match key {
        "journey" => match names.journeys.iter().position(|name| *name == value) {
            Some(index) => Ok(Where::Journey(index)),
            None => Err(Flaw::new(
                whole,
                format!("no journey is named `{value}`"),
                one_of(names.journeys),
            )),
        },
        "load" => match names.load(value) {
            Some(index) => Ok(Where::Load(index)),
            None => Err(Flaw::new(
                whole,
                format!("no load is named `{value}`"),
                one_of(names.loads),
            )),
        },
        "route" if ROUTES.contains(&value) => Ok(Where::Route(value.to_owned())),
        "route" => Err(Flaw::new(
            whole,
            format!("`{value}` is not a route"),
            one_of(&ROUTES),
        )),
        _ => Err(Flaw::new(
            whole,
            format!("requests cannot be told apart by `{key}`"),
            HELP,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names {
        faults: &["outage", "429-storm"],
        loads: &["day", "night"],
        journeys: &["one", "list"],
    };

    fn moment(anchor: Anchor, offset: u64, earlier: bool) -> Moment {
        Moment {
            anchor,
            offset: Duration::from_secs(offset),
            earlier,
        }
    }

    #[test]
    fn reads_checks() {
        let parts = parse_check("api.age.max<= 2h5m").expect("a check");
        assert_eq!((parts.metric, parts.op, parts.limit), (0..11, Op::Le, 14..18));
        assert_eq!(parts.quantity, Quantity::Duration(Duration::from_secs(7500)));
        assert!(parse_check("upstream.calls == 4").is_ok_and(|parts| parts.quantity == Quantity::Count(4.0)));
        assert!(
            parse_check("api.success >= 99.9%").is_ok_and(|parts| parts.quantity == Quantity::Ratio(0.999))
        );
    }

    #[test]
    fn refuses_what_is_no_check() {
        let why = |text: &str| {
            let flaw = parse_check(text).expect_err("not a check");
            format!(
                "{:?} {}; {}",
                flaw.range,
                flaw.message,
                flaw.help.unwrap_or_default()
            )
        };
        insta::assert_snapshot!(why("api.success"), @r#"0..11 a check compares a metric with a quantity; this has no operator; write `metric op quantity`, such as "api.success >= 99.9%""#);
        insta::assert_snapshot!(why("api.success = 99%"), @"12..13 unknown operator `=`; write one of <=, <, >=, >, == and !=");
        insta::assert_snapshot!(why("api.success =>= 99%"), @"12..15 unknown operator `=>=`; write one of <=, <, >=, >, == and !=");
        insta::assert_snapshot!(why(">= 99%"), @r#"0..0 `` is not the name of a metric; write `metric op quantity`, such as "api.success >= 99.9%""#);
        insta::assert_snapshot!(why("api success >= 99%"), @r#"0..11 `api success` is not the name of a metric; write `metric op quantity`, such as "api.success >= 99.9%""#);
        insta::assert_snapshot!(why("api.success >= "), @r#"12..15 nothing stands after `>=`; write `metric op quantity`, such as "api.success >= 99.9%""#);
        insta::assert_snapshot!(why("api.success >= 99 percent"), @"15..25 `99 percent` is not a duration: unknown unit `percent`; write a quantity such as 99.9%, 250ms, 2h5m, 12, 5/s, 40KB, 25bp or 1.5 USD");
    }

    #[test]
    fn reads_during() {
        assert_eq!(parse_during("outage", NAMES), Ok(During::Fault(0)));
        assert_eq!(parse_during("night", NAMES), Ok(During::Load(1)));
        let span = |text| match parse_during(text, NAMES) {
            Ok(During::Span(from, to)) => (from, to),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            span("outage.end+6m..end"),
            (
                moment(Anchor::FaultEnd(0), 360, false),
                moment(Anchor::End, 0, false)
            )
        );
        assert_eq!(
            span("1h30m .. 429-storm.start - 10s"),
            (
                moment(Anchor::Start, 5400, false),
                moment(Anchor::FaultStart(1), 10, true)
            )
        );
        assert_eq!(
            span("1.5h..2h-5m"),
            (
                moment(Anchor::Start, 5400, false),
                moment(Anchor::Start, 6900, false)
            )
        );
        assert_eq!(
            span("start..day.end"),
            (
                moment(Anchor::Start, 0, false),
                moment(Anchor::LoadEnd(0), 0, false)
            )
        );
    }

    #[test]
    fn refuses_other_durings() {
        let why = |text: &str| {
            let flaw = parse_during(text, NAMES).expect_err("not a during");
            format!(
                "{:?} {}; {}",
                flaw.range,
                flaw.message,
                flaw.help.unwrap_or_default()
            )
        };
        insta::assert_snapshot!(why("outtage"), @"0..7 no fault or load is named `outtage`; did you mean `outage`?");
        insta::assert_snapshot!(why("start..outtage.end"), @"7..14 no fault or load is named `outtage`; did you mean `outage`?");
        insta::assert_snapshot!(why("5..end"), @r#"0..1 `5` is not a duration: `5` has no unit; write "5s", "5m" or another of ms, s, m, h, d"#);
        insta::assert_snapshot!(why("..end"), @"0..0 `` is not a moment; write a time, start, end, NAME.start or NAME.end, perhaps + or - a duration");
        insta::assert_snapshot!(why("outage.ending..end"), @"0..13 `outage.ending` is not a moment; write a time, start, end, NAME.start or NAME.end, perhaps + or - a duration");
    }

    #[test]
    fn reads_where() {
        assert_eq!(parse_where("journey=one", NAMES), Ok(Where::Journey(0)));
        assert_eq!(parse_where("load = night", NAMES), Ok(Where::Load(1)));
        assert_eq!(
            parse_where("route=/prices/{symbol}", NAMES),
            Ok(Where::Route("/prices/{symbol}".to_owned()))
        );
        for wrong in ["journey=two", "load=one", "route=/price", "key=1", "one"] {
            assert!(parse_where(wrong, NAMES).is_err(), "{wrong}");
        }
    }
}

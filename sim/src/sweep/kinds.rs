//! The kinds of faults that a sweep throws in, and how the parameters of each are drawn: one table.
//!
//! What virtual time could not play would be left out of the dice by [`Menu::of`], which asks [`playable`].

use scenarios::format::{
    Scenario, Variant,
    model::{
        ClockKind,
        Target::{self, Clients, CoinGecko, Schedule},
    },
};

use super::{
    dice::Dice,
    timeline::{Draft, Timeline},
};
use crate::{seed::Seed, world::playable};

/// A parameter of a fault: its key, and its value as TOML.
pub(super) type Parameter = (&'static str, String);

/// The times that a timeline has to keep to, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Faults are over by then.
    pub faults_until_s: u64,
    /// No `Retry-After` is longer.
    pub longest_retry_after_s: u64,
    /// Time between two updates.
    pub update_every_s: u64,
}

/// A row of [`KINDS`].
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) target: Target,
    pub(super) name: &'static str,
    /// How often it is drawn, relative to the others.
    weight: u64,
    /// Its parameters.
    draw: fn(&mut Dice, Room) -> Vec<Parameter>,
}

const fn kind(
    target: Target,
    name: &'static str,
    weight: u64,
    draw: fn(&mut Dice, Room) -> Vec<Parameter>,
) -> Kind {
    Kind {
        target,
        name,
        weight,
        draw,
    }
}

/// What may go wrong.
static KINDS: [Kind; 29] = [
    kind(CoinGecko, "status", 6, |dice, _| vec![status(dice)]),
    kind(CoinGecko, "rate_limit", 6, rate_limit),
    kind(CoinGecko, "latency", 4, latency),
    kind(CoinGecko, "hang", 3, |dice, _| {
        vec![("at_most", seconds(dice.spread(1, 300)))]
    }),
    kind(CoinGecko, "stale_data", 4, |dice, _| {
        let freeze = dice.one_of(&["all", "all", "price"]);
        vec![
            ("age", seconds(dice.spread(60, 86_400))),
            ("freeze", text(freeze)),
        ]
    }),
    kind(CoinGecko, "quota_exhausted", 1, nothing),
    kind(CoinGecko, "auth_mixup", 1, |dice, _| {
        vec![("code", dice.one_of(&["10002", "10010", "10011"]).to_owned())]
    }),
    kind(CoinGecko, "uri_too_long", 1, |dice, _| {
        vec![("above", text(&format!("{}B", dice.spread(100, 2000))))]
    }),
    kind(CoinGecko, "slow_body", 2, |dice, _| {
        vec![("speed", text(&format!("{}B/s", dice.spread(100, 100_000))))]
    }),
    kind(CoinGecko, "connect_fail", 3, |dice, _| {
        let how = dice.one_of(&["refuse", "blackhole", "reset", "close"]);
        vec![("how", text(how))]
    }),
    kind(CoinGecko, "slow_connect", 1, |dice, _| {
        vec![("by", seconds(dice.spread(1, 19)))]
    }),
    kind(CoinGecko, "truncated", 2, |dice, _| {
        let how = dice.one_of(&["length", "chunked", "json"]);
        let after = format!("{}B", dice.spread(1, 20_000));
        vec![("how", text(how)), ("after", text(&after))]
    }),
    kind(CoinGecko, "cache_split", 2, |dice, _| {
        vec![("lag", seconds(dice.spread(30, 3600)))]
    }),
    kind(CoinGecko, "null_fields", 2, |dice, _| {
        let fields = dice.one_of(&[
            "[\"price\"]",
            "[\"change_24h\", \"market_cap\", \"rank\"]",
            "[\"price\", \"rank\"]",
        ]);
        let absent = dice.percent(50).to_string();
        vec![("fields", fields.to_owned()), ("absent", absent)]
    }),
    kind(CoinGecko, "missing_coin", 2, |dice, _| {
        let shape = dice.one_of(&["omit", "omit", "empty_coin"]);
        vec![("count", dice.between(1, 50).to_string()), ("shape", text(shape))]
    }),
    // A spike, or the price of another coin, that lasts is confirmed by the next fetch: nobody can tell it is wrong.
    kind(CoinGecko, "wrong_value", 2, |dice, _| {
        vec![("value", text(dice.one_of(&["zero", "negative"])))]
    }),
    kind(CoinGecko, "endpoint_disabled", 1, |_, _| {
        vec![("match", "{ path = \"/coins/markets\" }".to_owned())]
    }),
    kind(CoinGecko, "cf_rate_limit_1015", 1, nothing),
    kind(CoinGecko, "cf_block", 1, nothing),
    kind(CoinGecko, "gateway_html", 1, nothing),
    kind(CoinGecko, "app_500_html", 1, nothing),
    kind(CoinGecko, "html_with_200", 1, nothing),
    kind(Schedule, "skip", 2, nothing),
    kind(Schedule, "double", 2, nothing),
    kind(Schedule, "late", 2, |dice, room| {
        vec![("by", seconds(dice.spread(1, room.update_every_s * 2)))]
    }),
    kind(Clients, "over_limit", 2, |dice, _| {
        vec![("factor", format!("{}.0", dice.between(2, 10)))]
    }),
    kind(Clients, "bad_key", 1, nothing),
    kind(Clients, "disabled_key", 1, nothing),
    kind(Clients, "malformed", 1, nothing),
];

fn nothing(_: &mut Dice, _: Room) -> Vec<Parameter> {
    Vec::new()
}

fn status(dice: &mut Dice) -> Parameter {
    // What outages look like, and now and then what must not be repeated.
    let status = dice.one_of(&[
        500, 502, 502, 503, 503, 503, 504, 520, 429, 408, 400, 401, 403, 404,
    ]);
    ("status", status.to_string())
}

fn rate_limit(dice: &mut Dice, room: Room) -> Vec<Parameter> {
    let limit = dice.one_of(&["0/min", "0/min", "0/min", "1/min", "2/min", "5/min"]);
    let mut parameters = vec![
        ("limit", text(limit)),
        ("window", seconds(dice.one_of(&[10, 60, 60, 300]))),
    ];
    match dice.between(0, 3) {
        0 => parameters.push(("retry_after", text("none"))),
        // The rest of the window.
        1 => {}
        _ => {
            let asked = dice.spread(1, room.longest_retry_after_s);
            parameters.push(("retry_after", seconds(asked)));
        }
    }
    parameters
}

fn latency(dice: &mut Dice, _: Room) -> Vec<Parameter> {
    let p50 = dice.spread(100, 20_000);
    let latency = if dice.percent(50) {
        text(&format!("{p50}ms"))
    } else {
        let p99 = p50 * dice.between(1, 10);
        format!("{{ p50 = \"{p50}ms\", p99 = \"{p99}ms\" }}")
    };
    vec![("latency", latency)]
}

fn text(text: &str) -> String {
    format!("\"{text}\"")
}

fn seconds(seconds: u64) -> String {
    text(&super::timeline::span(seconds))
}

/// The kinds that can be drawn.
#[derive(Clone, Debug)]
pub struct Menu(Vec<&'static Kind>);

impl Menu {
    /// The kinds that the virtual clock plays with this scenario.
    #[must_use]
    pub fn of(base: &Scenario, room: Room) -> Self {
        let played = |kind: &&'static Kind| {
            let example = Timeline {
                instances: 1,
                faults: vec![Draft {
                    for_s: 1,
                    ..Draft::of("it", kind, (kind.draw)(&mut Dice::of(Seed(0)), room))
                }],
            };
            let text = base.variant(&Variant {
                name: base.name.clone(),
                about: base.about.clone(),
                seed: 0,
                instances: 1,
                faults: example.toml(),
            });
            let scenario = super::trial::read("example.toml", &text);
            scenario.is_ok_and(|scenario| {
                playable::check(
                    &scenario,
                    ClockKind::Virtual,
                    Some("memory"),
                    playable::Service::Processes,
                )
                .is_ok()
            })
        };
        Self(KINDS.iter().filter(played).collect())
    }

    /// The names of the kinds, each with its target's.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|kind| format!("{}.{}", kind.target, kind.name))
    }

    /// Whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Draws a kind with its parameters. There must be one.
    pub(super) fn draw(&self, dice: &mut Dice, room: Room) -> (&'static Kind, Vec<Parameter>) {
        let all: u64 = self.0.iter().map(|kind| kind.weight).sum();
        let mut drawn = dice.between(1, all.max(1));
        let mut chosen = self.0[0];
        for kind in &self.0 {
            chosen = kind;
            if drawn <= kind.weight {
                break;
            }
            drawn -= kind.weight;
        }
        (chosen, (chosen.draw)(dice, room))
    }
}

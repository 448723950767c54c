//! From a `[[fault]]` as written to a checked [`Fault`].

use std::ops::Range;
use std::time::Duration;

use super::checker::{Checker, suggestion};
use super::fault::{
    BlockBody, ClientFault, CoinGeckoFault, ConnectFailure, Cut, FaultKind, Freeze, Killed, LambdaFault,
    Latency, Missing, PriceField, Renamed, RetryAfter, ScheduleFault, ServiceFault, StoreFault, Throttling,
    WrongValue,
};
use super::kinds::{KINDS, KindRow};
use super::latency;
use super::model::{Fault, Target};
use super::modifiers;
use super::quantity::parse_duration;
use super::raw::{RawFault, RawTarget};
use super::written::{At, Raw, Time, TimeOrSpan};
use crate::draw::{Component, Draws};

const HANG: Duration = Duration::from_secs(300);

/// Checks a fault of a scenario that plays for `duration`; `seed` is that of what is drawn.
pub(super) fn check(
    checker: &mut Checker<'_>,
    raw: &RawFault,
    duration: Option<Duration>,
    seed: u64,
) -> Option<Fault> {
    let target = target(raw.target);
    let kind = kind(checker, raw, target);
    let begin = begin(checker, &raw.at);
    let at = begin.as_ref().map(|begin| drawn(begin, seed, &raw.name.value));
    let length = checker.positive(&raw.length);
    if let (Some(begin), Some(length), Some(duration)) = (begin, length, duration)
        && begin.end + length > duration
    {
        let range = if begin.end >= duration {
            &raw.at.range
        } else {
            &raw.length.range
        };
        checker.error(
            range,
            "the fault lasts beyond the end of the scenario",
            "shorten it, or lengthen `duration`",
        );
    }
    let modifiers = modifiers::check(checker, raw, target, length);
    Some(Fault {
        name: raw.name.value.clone(),
        at: at?,
        length: length?,
        kind: kind?,
        shape: modifiers.shape?,
        share: modifiers.share?,
        first: modifiers.first,
        every: modifiers.every,
        matches: modifiers.matches,
        may_miss: raw.may_miss.unwrap_or(false),
        span: checker.span(&raw.name.range),
        kind_span: checker.span(&raw.kind.range),
    })
}

/// The instants at which it may begin: one, or the earliest and the latest.
fn begin(checker: &mut Checker<'_>, raw: &Raw<TimeOrSpan>) -> Option<Range<Duration>> {
    let Some((earliest, latest)) = raw.text.split_once("..") else {
        let at = checker.duration(raw)?;
        return Some(at..at);
    };
    let mut part =
        |text: &str| checker.duration(&Raw::<Time>::new(text.trim().to_owned(), raw.range.clone()));
    let (earliest, latest) = (part(earliest)?, part(latest)?);
    if earliest >= latest {
        let help = "write the earlier instant first";
        checker.error(&raw.range, "no instant lies in this span", help);
        return None;
    }
    Some(earliest..latest)
}

/// When the fault of this name begins, to the millisecond.
fn drawn(begin: &Range<Duration>, seed: u64, name: &str) -> Duration {
    let room = (begin.end - begin.start).as_millis() as f64;
    let into = Draws::new(seed, name).stream(Component::FaultBegin, 0).unit() * room;
    begin.start + Duration::from_millis(into as u64)
}

fn target(raw: RawTarget) -> Target {
    match raw {
        RawTarget::Coingecko => Target::CoinGecko,
        RawTarget::Store => Target::Store,
        RawTarget::Service => Target::Service,
        RawTarget::Schedule => Target::Schedule,
        RawTarget::Clients => Target::Clients,
        RawTarget::Lambda => Target::Lambda,
    }
}

fn kind(checker: &mut Checker<'_>, raw: &RawFault, target: Target) -> Option<FaultKind> {
    let name = raw.kind.value.0.as_str();
    let Some(row) = KINDS.iter().find(|row| row.target == target && row.kind == name) else {
        let help = match KINDS.iter().find(|row| row.kind == name) {
            Some(other) => format!("it is a kind of target `{}`", other.target),
            None => {
                let known: Vec<&str> = KINDS
                    .iter()
                    .filter(|row| row.target == target)
                    .map(|row| row.kind)
                    .collect();
                suggestion(name, &known)
            }
        };
        checker.error(
            &raw.kind.range,
            format!("target `{target}` has no fault of kind `{name}`"),
            help,
        );
        return None;
    };
    let before = checker.found.len();
    parameters(checker, raw, row);
    let mut params = Params { checker, raw };
    let kind = match target {
        Target::CoinGecko => params.coingecko(name).map(FaultKind::CoinGecko),
        Target::Store => params.store(name).map(FaultKind::Store),
        Target::Service => params.service(name).map(FaultKind::Service),
        Target::Schedule => params.schedule(name).map(FaultKind::Schedule),
        Target::Clients => params.clients(name).map(FaultKind::Clients),
        Target::Lambda => params.lambda(name).map(FaultKind::Lambda),
    };
    if let Some(kind) = &kind {
        modifiers::contradictions(checker, raw, kind);
    }
    kind.filter(|_| checker.found.len() == before)
}

/// Refuses parameters that the kind does not have, and asks for those that it needs.
fn parameters(checker: &mut Checker<'_>, raw: &RawFault, row: &KindRow) {
    let given = given(raw);
    let known: Vec<&str> = row
        .needs
        .iter()
        .copied()
        .chain(row.may.iter().map(|(name, _)| *name))
        .collect();
    for (name, range) in &given {
        if !known.contains(name) {
            let help = if known.is_empty() {
                "it has no parameters".to_owned()
            } else {
                format!("its parameters are {}", known.join(", "))
            };
            checker.error(
                range,
                format!("a fault of kind `{}` takes no `{name}`", row.kind),
                help,
            );
        }
    }
    for need in row.needs {
        if !given.iter().any(|(name, _)| name == need) {
            let message = format!("a fault of kind `{}` needs `{need}`", row.kind);
            checker.error(&raw.kind.range, message, format!("add `{need} = …`"));
        }
    }
    if row.kind == "over_limit"
        && let Some(matches) = &raw.matches
    {
        let help = "it touches the waits between requests; remove `match`";
        checker.error(
            &matches.range,
            "a fault of kind `over_limit` cannot be matched",
            help,
        );
    }
    let needs_path = row.kind == "endpoint_disabled";
    let needs_id = matches!(row.kind, "id_renamed" | "delisted");
    let of = raw.matches.as_ref().map(|at| &at.value);
    if needs_path && of.is_none_or(|of| of.path.is_none()) {
        let help = "add `match = { path = \"/coins/markets\" }`";
        checker.error(
            &raw.kind.range,
            format!("a fault of kind `{}` needs `match.path`", row.kind),
            help,
        );
    }
    if needs_id && of.is_none_or(|of| of.id.is_none()) {
        let help = "add `match = { id = \"bitcoin\" }`";
        checker.error(
            &raw.kind.range,
            format!("a fault of kind `{}` needs `match.id`", row.kind),
            help,
        );
    }
}

/// The parameters that are given, with their places.
fn given(raw: &RawFault) -> Vec<(&'static str, Range<usize>)> {
    macro_rules! given {
        ($($name:ident),*) => {
            [$((stringify!($name), raw.$name.as_ref().map(|value| value.range.clone()))),*]
        };
    }
    let fields = raw
        .fields
        .as_ref()
        .map(|fields| match (fields.first(), fields.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => raw.kind.range.clone(),
        });
    let plain = given![
        status,
        limit,
        window,
        retry_after,
        body,
        latency,
        speed,
        at_most,
        how,
        age,
        freeze,
        lag,
        absent,
        count,
        shape,
        value,
        factor,
        code,
        above,
        after,
        retry_after_text,
        unprocessed,
        exception,
        write_units,
        read_units,
        process,
        instance,
        by,
        into,
        lasting
    ];
    plain
        .into_iter()
        .chain([("fields", fields)])
        .filter_map(|(name, range)| Some((name, range?)))
        .collect()
}

/// Reads the parameters of one fault. A missing one that is needed has been complained about already.
struct Params<'a, 'c> {
    checker: &'a mut Checker<'c>,
    raw: &'a RawFault,
}

impl Params<'_, '_> {
    fn coingecko(&mut self, kind: &str) -> Option<CoinGeckoFault> {
        let raw = self.raw;
        Some(match kind {
            "status" => CoinGeckoFault::Status {
                status: self.status(None)?,
            },
            "rate_limit" => self.rate_limit()?,
            "quota_exhausted" => CoinGeckoFault::QuotaExhausted,
            "cf_rate_limit_1015" => CoinGeckoFault::CfRateLimit1015,
            "cf_block" => {
                let words = [("html", BlockBody::Html), ("1020", BlockBody::Code1020)];
                CoinGeckoFault::CfBlock {
                    body: self.word(raw.body.as_ref(), &words, Some(BlockBody::Html))?,
                }
            }
            "endpoint_disabled" => CoinGeckoFault::EndpointDisabled,
            "gateway_html" => CoinGeckoFault::GatewayHtml {
                status: self.gateway_status()?,
            },
            "app_500_html" => CoinGeckoFault::App500Html,
            "html_with_200" => CoinGeckoFault::HtmlWith200,
            "latency" => CoinGeckoFault::Latency {
                latency: self.latency()?,
            },
            "slow_body" => CoinGeckoFault::SlowBody {
                bytes_per_second: self.speed()?,
            },
            "hang" => CoinGeckoFault::Hang {
                at_most: self.positive(raw.at_most.as_ref(), Some(HANG))?,
            },
            "connect_fail" => {
                let words = [
                    ("refuse", ConnectFailure::Refuse),
                    ("blackhole", ConnectFailure::Blackhole),
                    ("reset", ConnectFailure::Reset),
                    ("close", ConnectFailure::Close),
                ];
                CoinGeckoFault::ConnectFail {
                    how: self.word(raw.how.as_ref(), &words, None)?,
                }
            }
            "truncated" => {
                let words = [
                    ("length", Cut::Length),
                    ("chunked", Cut::Chunked),
                    ("json", Cut::Json),
                ];
                CoinGeckoFault::Truncated {
                    how: self.word(raw.how.as_ref(), &words, None)?,
                    after: match &raw.after {
                        Some(after) => Some(self.checker.bytes(after)?),
                        None => None,
                    },
                }
            }
            "slow_connect" => CoinGeckoFault::SlowConnect {
                by: self.positive(raw.by.as_ref(), None)?,
            },
            "stale_data" => {
                let words = [("all", Freeze::All), ("price", Freeze::Price)];
                let freeze = self.word(raw.freeze.as_ref(), &words, Some(Freeze::All))?;
                CoinGeckoFault::StaleData {
                    age: self.positive(raw.age.as_ref(), None)?,
                    freeze,
                }
            }
            "cache_split" => CoinGeckoFault::CacheSplit {
                lag: self.positive(raw.lag.as_ref(), None)?,
            },
            "auth_mixup" => CoinGeckoFault::AuthMixup {
                code: self.auth_code()?,
            },
            "uri_too_long" => {
                let above = raw
                    .above
                    .as_ref()
                    .map_or(Some(8 << 10), |above| self.checker.bytes(above))?;
                CoinGeckoFault::UriTooLong { above }
            }
            other => return self.coingecko_data(other),
        })
    }

    /// The kinds that change what a healthy answer says.
    fn coingecko_data(&mut self, kind: &str) -> Option<CoinGeckoFault> {
        let raw = self.raw;
        Some(match kind {
            "null_fields" => CoinGeckoFault::NullFields {
                fields: self.fields()?,
                absent: raw.absent.as_ref().is_some_and(|absent| absent.value),
            },
            "missing_coin" => {
                let words = [
                    ("omit", Missing::Omit),
                    ("empty_coin", Missing::EmptyCoin),
                    ("empty", Missing::Empty),
                ];
                let shape = self.word(raw.shape.as_ref(), &words, Some(Missing::Omit))?;
                CoinGeckoFault::MissingCoin {
                    count: self.count()?,
                    shape,
                }
            }
            "id_renamed" => {
                let words = [("omit", Renamed::Omit), ("hollow", Renamed::Hollow)];
                CoinGeckoFault::IdRenamed {
                    shape: self.word(raw.shape.as_ref(), &words, Some(Renamed::Omit))?,
                }
            }
            "delisted" => CoinGeckoFault::Delisted,
            "wrong_value" => CoinGeckoFault::WrongValue {
                value: self.wrong_value()?,
            },
            _ => return None,
        })
    }

    fn store(&mut self, kind: &str) -> Option<StoreFault> {
        let raw = self.raw;
        Some(match kind {
            "throttle" => StoreFault::Throttle {
                exception: self.exception()?,
            },
            "hot_partition" => StoreFault::HotPartition {
                write_units: self.units(raw.write_units.as_ref(), "`write_units`", 1000)?,
                read_units: self.units(raw.read_units.as_ref(), "`read_units`", 3000)?,
            },
            "error" => StoreFault::Error,
            "latency" => StoreFault::Latency {
                latency: self.latency()?,
            },
            "hang" => StoreFault::Hang {
                at_most: self.positive(raw.at_most.as_ref(), Some(HANG))?,
            },
            "reset" => StoreFault::Reset,
            "down" => StoreFault::Down,
            "restart" => StoreFault::Restart,
            "partial" => {
                let unprocessed = raw
                    .unprocessed
                    .as_ref()
                    .map_or(Some(0.5), |share| self.checker.share(share))?;
                StoreFault::Partial { unprocessed }
            }
            "lost_answer" => StoreFault::LostAnswer,
            _ => return None,
        })
    }

    fn service(&mut self, kind: &str) -> Option<ServiceFault> {
        let instance = self.raw.instance.as_ref().map(|instance| instance.value);
        match kind {
            "kill" => Some(ServiceFault::Kill {
                process: self.killed(instance)?,
            }),
            "restart" => Some(ServiceFault::Restart { instance }),
            "freeze" => Some(ServiceFault::Freeze { instance }),
            _ => None,
        }
    }

    fn killed(&mut self, instance: Option<u32>) -> Option<Killed> {
        let words = [("api", Killed::Api { instance }), ("update", Killed::Update)];
        let killed = self.word(self.raw.process.as_ref(), &words, Some(words[0].1))?;
        if let (Killed::Update, Some(instance)) = (killed, &self.raw.instance) {
            let help = "remove `instance`: the schedule starts one update at a time";
            self.checker
                .error(&instance.range, "instances are of the API", help);
            return None;
        }
        Some(killed)
    }

    fn exception(&mut self) -> Option<Throttling> {
        let words = Throttling::ALL.map(|exception| (exception.code(), exception));
        let default = Throttling::ProvisionedThroughputExceeded;
        self.word(self.raw.exception.as_ref(), &words, Some(default))
    }

    fn units(&mut self, raw: Option<&At<u32>>, what: &str, default: u32) -> Option<u32> {
        raw.map_or(Some(default), |raw| self.checker.at_least_one(raw, what))
    }

    fn schedule(&mut self, kind: &str) -> Option<ScheduleFault> {
        match kind {
            "skip" => Some(ScheduleFault::Skip),
            "double" => Some(ScheduleFault::Double),
            "late" => Some(ScheduleFault::Late {
                by: self.positive(self.raw.by.as_ref(), None)?,
            }),
            _ => None,
        }
    }

    fn clients(&mut self, kind: &str) -> Option<ClientFault> {
        match kind {
            "over_limit" => {
                let factor = self.factor(2.0)?;
                Some(ClientFault::OverLimit { factor })
            }
            "bad_key" => Some(ClientFault::BadKey),
            "disabled_key" => Some(ClientFault::DisabledKey),
            "malformed" => Some(ClientFault::Malformed),
            "slow_reader" => Some(ClientFault::SlowReader {
                bytes_per_second: self.speed()?,
            }),
            _ => None,
        }
    }

    fn lambda(&mut self, kind: &str) -> Option<LambdaFault> {
        let raw = self.raw;
        if kind == "concurrency" {
            return Some(LambdaFault::Concurrency {
                count: raw.count.as_ref()?.value,
            });
        }
        let into = match &raw.into {
            Some(into) => self.checker.duration(into)?,
            None => Duration::ZERO,
        };
        match kind {
            "freeze" => Some(LambdaFault::Freeze {
                into,
                lasting: match &raw.lasting {
                    Some(lasting) => Some(self.checker.positive(lasting)?),
                    None => None,
                },
            }),
            "abort" => Some(LambdaFault::Abort { into }),
            "out_of_memory" => Some(LambdaFault::OutOfMemory { into }),
            _ => None,
        }
    }

    fn positive(&mut self, raw: Option<&Raw<Time>>, default: Option<Duration>) -> Option<Duration> {
        raw.map_or(default, |raw| self.checker.positive(raw))
    }

    fn word<T: Copy>(
        &mut self,
        raw: Option<&At<String>>,
        words: &[(&str, T)],
        default: Option<T>,
    ) -> Option<T> {
        raw.map_or(default, |raw| self.checker.word(raw, words))
    }

    fn status(&mut self, default: Option<u16>) -> Option<u16> {
        let Some(status) = &self.raw.status else {
            return default;
        };
        if (400..=599).contains(&status.value) {
            return Some(status.value);
        }
        self.checker.error(
            &status.range,
            format!("status {} is no error", status.value),
            "write 400 to 599",
        );
        None
    }

    fn gateway_status(&mut self) -> Option<u16> {
        let status = self.status(Some(502))?;
        if [502, 503, 504, 520, 522].contains(&status) {
            return Some(status);
        }
        if let Some(raw) = &self.raw.status {
            let help = "write 502, 503, 504, 520 or 522";
            self.checker.error(
                &raw.range,
                format!("no gateway answers {status} with a page"),
                help,
            );
        }
        None
    }

    fn rate_limit(&mut self) -> Option<CoinGeckoFault> {
        let raw = self.raw;
        let limit = self.checker.rate(raw.limit.as_ref()?)?.per_minute();
        let window = self.positive(raw.window.as_ref(), Some(Duration::from_secs(60)))?;
        let retry_after = self.retry_after()?;
        Some(CoinGeckoFault::RateLimit {
            limit,
            window,
            retry_after,
        })
    }

    fn retry_after(&mut self) -> Option<RetryAfter> {
        if let Some(text) = &self.raw.retry_after_text {
            if self.raw.retry_after.is_some() {
                let help = "remove one of the two";
                self.checker
                    .error(&text.range, "`retry_after` says it already", help);
                return None;
            }
            if text.value.is_empty() || !text.value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                let help = "write printable ASCII, or retry_after = \"none\"";
                self.checker.error(&text.range, "a header cannot say this", help);
                return None;
            }
            return Some(RetryAfter::Text(text.value.clone()));
        }
        let Some(raw) = &self.raw.retry_after else {
            return Some(RetryAfter::RestOfWindow);
        };
        let (message, help) = match (raw.text.as_str(), parse_duration(&raw.text)) {
            ("none", _) => return Some(RetryAfter::Absent),
            ("date", _) => return Some(RetryAfter::Date),
            (_, Ok(delay)) if delay.subsec_nanos() == 0 => return Some(RetryAfter::Fixed(delay)),
            (_, Ok(_)) => (
                "`Retry-After` is in whole seconds".to_owned(),
                "write whole seconds".to_owned(),
            ),
            (_, Err(error)) => (error.message, format!("{}, \"date\" or \"none\"", error.help)),
        };
        self.checker.error(&raw.range, message, help);
        None
    }

    fn latency(&mut self) -> Option<Latency> {
        latency::above_zero(self.checker, self.raw.latency.as_ref()?)
    }

    fn speed(&mut self) -> Option<u64> {
        self.checker.speed(self.raw.speed.as_ref()?)
    }

    fn count(&mut self) -> Option<u32> {
        self.raw
            .count
            .as_ref()
            .map_or(Some(1), |count| self.checker.at_least_one(count, "`count`"))
    }

    fn factor(&mut self, default: f64) -> Option<f64> {
        let Some(factor) = &self.raw.factor else {
            return Some(default);
        };
        if factor.value > 0.0 && factor.value.is_finite() {
            return Some(factor.value);
        }
        self.checker.error(
            &factor.range,
            "a factor must be above 0",
            "write a number above 0",
        );
        None
    }

    fn fields(&mut self) -> Option<Vec<PriceField>> {
        let words = [
            ("price", PriceField::Price),
            ("change_24h", PriceField::Change24h),
            ("market_cap", PriceField::MarketCap),
            ("rank", PriceField::Rank),
        ];
        let raw = self.raw.fields.as_ref()?;
        if raw.is_empty() {
            self.checker.error(
                &self.raw.kind.range,
                "`fields` names no field",
                "name one, such as \"price\"",
            );
        }
        raw.iter().map(|field| self.checker.word(field, &words)).collect()
    }

    fn wrong_value(&mut self) -> Option<WrongValue> {
        let factor = self.factor(1000.0)?;
        let words = [
            ("zero", WrongValue::Zero),
            ("spike", WrongValue::Spike { factor }),
            ("negative", WrongValue::Negative),
            ("other_coin", WrongValue::OtherCoin),
        ];
        self.word(self.raw.value.as_ref(), &words, None)
    }

    fn auth_code(&mut self) -> Option<u32> {
        let code = self.raw.code.as_ref()?;
        if [10002, 10010, 10011].contains(&code.value) {
            return Some(code.value);
        }
        self.checker.error(
            &code.range,
            format!("{} is no such code", code.value),
            "write 10002, 10010 or 10011",
        );
        None
    }
}

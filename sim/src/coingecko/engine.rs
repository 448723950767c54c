//! The engine: a request and an instant in, an answer out. It sleeps on nothing and opens nothing, so it serves
//! sockets and virtual time alike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use scenarios::format::assumptions::{Assumptions, CacheHits, Credits};
use scenarios::format::fault::Freeze;
use scenarios::format::model::Fault;

use super::altered::{Source, cut_at};
use super::answers::{self, Moment};
use super::book::Book;
use super::coin;
use super::edge::{CacheStatus, Caching, Edge};
use super::errors::ErrorAnswer;
use super::exchange::{FakeAnswer, FakeRequest, Fate, May, Routed};
use super::headers::{self, Stamp};
use super::limits::{self, Caller, Host, KeyRing, Terms};
use super::market::{MINUTE_MS, Market, computed_at, mix};
use super::markets;
use super::publication::PublicationLog;
use super::query::Query;
use super::wire::{Unreachable, Wire};
use crate::faults::{Call, Damage, Facts, Judgement, Stale, Timeline, Touches, Verdict};

/// The path before every endpoint.
pub const BASE_PATH: &str = "/api/v3";

/// What the fake is.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The seed of the market and of everything that looks random in an answer.
    pub seed: u64,
    /// The instant from which faults count their times, Unix milliseconds.
    pub start_ms: i64,
    /// Limits and freshness.
    pub terms: Terms,
    /// Valid keys.
    pub keys: KeyRing,
    /// What is assumed of the real API. (What follows for limits and freshness is in the terms already.)
    pub assumed: Assumptions,
}

/// There is a fault of this name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultNameTaken;

/// The fake CoinGecko without sockets. Shared by reference; calls may come from any thread.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    market: Arc<Market>,
    publication: PublicationLog,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    book: Book,
    edge: Edge,
    faults: Timeline,
    answered: u64,
}

impl Engine {
    /// An engine with the faults that `faults` plays.
    pub fn new(config: EngineConfig, faults: Timeline) -> Self {
        let market = Arc::new(Market::new(config.seed));
        let publication = PublicationLog::new(Arc::clone(&market));
        let state = Mutex::new(State {
            book: Book::new(config.assumed.window),
            edge: Edge::default(),
            faults,
            answered: 0,
        });
        Self {
            config,
            market,
            publication,
            state,
        }
    }

    /// The market behind the answers.
    pub fn market(&self) -> &Arc<Market> {
        &self.market
    }

    /// What was true when. The log stays valid after the engine is gone.
    pub fn publication(&self) -> PublicationLog {
        self.publication.clone()
    }

    /// How often each fault touched a call so far.
    pub fn touches(&self) -> Vec<Touches> {
        self.state().faults.touches()
    }

    /// Why no connection comes about at `now_ms` (wall time, Unix milliseconds), and the index in the scenario of the
    /// fault that keeps it from: for who carries calls, since a call that never comes is none of the engine's. It touches
    /// nothing: see [`Engine::touch`].
    pub fn unreachable(&self, now_ms: i64) -> Option<(Unreachable, u16)> {
        self.state().faults.unreachable(self.since_start(now_ms))
    }

    /// Counts an event that the fault of this index changed, where the engine could not see it.
    pub fn touch(&self, fault: u16) {
        self.state().faults.touch(fault);
    }

    /// Sets another fault, whose times count from `now_ms` (wall time, Unix milliseconds).
    ///
    /// # Errors
    /// When there is one of this name.
    pub fn set_fault(&self, mut fault: Fault, now_ms: i64) -> Result<(), FaultNameTaken> {
        fault.at += self.since_start(now_ms);
        if self.state().faults.set(fault) {
            Ok(())
        } else {
            Err(FaultNameTaken)
        }
    }

    /// Clears the fault of this name, or all; how many there were.
    pub fn clear_faults(&self, name: Option<&str>) -> usize {
        self.state().faults.clear(name)
    }

    fn since_start(&self, now_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(now_ms - self.config.start_ms).unwrap_or(0))
    }

    /// Answers one call that comes at `now_ms` (wall time, Unix milliseconds).
    ///
    /// Every call counts towards its caller's minute. Faults come before everything else, as the edge does; then
    /// the key, the minute, the month; then the endpoint.
    pub fn answer(&self, request: &FakeRequest, now_ms: i64) -> FakeAnswer {
        let mut query = Query::parse(&request.query);
        // Rails takes a slash at the end, and pycoingecko sends one.
        let path = request.path.strip_prefix(BASE_PATH).unwrap_or(&request.path);
        let mut path = path.strip_suffix('/').unwrap_or(path).to_owned();
        if !self.config.assumed.ids_case_sensitive.0 {
            query.fold("ids");
            if path.starts_with("/coins/") {
                path = path.to_lowercase();
            }
        }
        let (path, query) = (path.as_str(), query);
        let caller = limits::identify(
            self.config.terms.host,
            &self.config.keys,
            &request.headers,
            &query,
        );
        let counted_as = caller.clone().unwrap_or(Caller::Keyless);
        let allowance = self.config.terms.allowance(&counted_as);

        let mut state = self.state();
        state.answered += 1;
        let stamp = Stamp {
            now_ms,
            nonce: mix(self.config.seed) ^ state.answered,
        };
        let minute = state.book.count(&counted_as, now_ms, allowance.per_minute);
        let ids = query.list("ids");
        let of_path = path
            .strip_prefix("/coins/")
            .filter(|id| !matches!(*id, "markets" | "list"));
        let ids = of_path.map_or(ids, |id| vec![id]);
        let facts = Facts {
            path,
            ids: &ids,
            headers: Some(&request.headers),
            ..Facts::default()
        };
        let call = Call {
            facts,
            keyed: matches!(caller, Ok(Caller::Key(_))),
            uri_bytes: request.path.len() + request.query.len() + usize::from(!request.query.is_empty()),
        };
        let mut judgement = state.faults.judge(self.since_start(now_ms), now_ms, &call);

        let outcome = match &judgement.verdict {
            Verdict::Answer(answer) => Err(answer.clone()),
            Verdict::QuotaExhausted => {
                let credits = allowance.per_month.unwrap_or_default();
                Err(self.quota_exhausted(credits))
            }
            Verdict::Hang { .. } | Verdict::Broken(_) => Err(ErrorAnswer::origin_timed_out()),
            Verdict::Pass => caller
                .map_err(|wrong| wrong.answer(now_ms))
                .and_then(|caller| self.permit(&state.book, &caller, minute))
                .and_then(|()| {
                    let when = When::of(now_ms, judgement.stale);
                    self.route(request, path, &query, &state.book, &counted_as, when)
                })
                .and_then(|routed| {
                    let source = Source {
                        market: &self.market,
                        path,
                        inactive: query.get("status") == Some("inactive"),
                        data_ms: now_ms,
                    };
                    damaged(routed, &mut judgement, &mut state.faults, source)
                }),
        };
        let mut answer = match outcome {
            Ok(routed) => {
                if let Some(form) = routed.body.published {
                    self.publication.publish(form);
                }
                let url = [path, "?", request.query.as_str()];
                let cached = state.edge.look(&url, routed.caching, now_ms);
                let answer = FakeAnswer::ok(stamp, request, routed, cached, self.may());
                let free = matches!(cached, CacheStatus::Hit { .. }) && self.hits_are_free();
                FakeAnswer {
                    credit: answer.status == 200 && !free,
                    ..answer
                }
            }
            Err(error) => FakeAnswer::refusal(stamp, error),
        };
        answer.credit |= self.config.assumed.credits == Credits::EveryCall;
        answer.credit &= allowance.per_month.is_some();
        if answer.credit {
            state.book.charge(&counted_as);
        }
        drop(state);

        answer.delay = judgement.delay;
        if let Some(bytes_per_second) = judgement.bytes_per_second {
            answer.wire = Wire::Drip { bytes_per_second };
        }
        match judgement.verdict {
            Verdict::Hang { at_most } => {
                answer.fate = Fate::Hang;
                answer.delay += at_most;
            }
            Verdict::Broken(wire) => answer.wire = wire,
            Verdict::Pass | Verdict::Answer(_) | Verdict::QuotaExhausted => {}
        }
        if answer.fate == Fate::Answer && !matches!(answer.wire, Wire::Close | Wire::Reset) {
            for (index, damage) in judgement.damage {
                if let Damage::Cut(how, after) = damage
                    && let Some(after) = cut_at(answer.body.len(), after)
                {
                    self.touch(index);
                    judgement.touched.push(index);
                    answer.wire = Wire::Cut { how, after };
                    headers::promise(&mut answer.headers, how, answer.body.len());
                }
            }
        }
        answer.faults = judgement.touched;
        answer
    }

    /// Whether the minute and the month have room for this call.
    fn permit(&self, book: &Book, caller: &Caller, minute: Result<(), u32>) -> Result<(), ErrorAnswer> {
        minute.map_err(|after_s| ErrorAnswer::rate_limited(Some(after_s)))?;
        match self.config.terms.allowance(caller).per_month {
            Some(credits) if book.spent(caller) >= credits => Err(self.quota_exhausted(credits)),
            _ => Ok(()),
        }
    }

    fn quota_exhausted(&self, credits: u64) -> ErrorAnswer {
        ErrorAnswer::quota_exhausted(credits, self.config.assumed.quota_status)
    }

    fn may(&self) -> May {
        let assumed = &self.config.assumed;
        May {
            not_modified: assumed.conditional.0,
            gzip: assumed.gzip.0,
            paging: assumed.paging_headers.0,
        }
    }

    fn hits_are_free(&self) -> bool {
        match self.config.assumed.cache_hits {
            CacheHits::FreeWhenPaid => self.config.terms.host == Host::Pro,
            CacheHits::Charged => false,
            CacheHits::Free => true,
        }
    }

    fn route(
        &self,
        request: &FakeRequest,
        path: &str,
        query: &Query,
        book: &Book,
        caller: &Caller,
        when: When,
    ) -> Result<Routed, ErrorAnswer> {
        let now_ms = when.now_ms;
        if request.method != Method::GET || !request.path.starts_with(BASE_PATH) {
            return Err(ErrorAnswer::wrong_path());
        }
        let (terms, assumed) = (&self.config.terms, &self.config.assumed);
        let routed = |body, fresh_ms| Routed {
            body,
            fresh_ms,
            caching: when.caching(fresh_ms),
        };
        let uncached = |body| Routed {
            body,
            fresh_ms: 0,
            caching: Caching::Never,
        };
        let simple = when.moment(terms.simple_fresh_ms);
        let markets = when.moment(terms.markets_fresh_ms);
        match path {
            "/ping" => Ok(uncached(answers::ping())),
            "/simple/price" => answers::simple_price(&self.market, query, simple, assumed)
                .map(|body| routed(body, simple.fresh_ms)),
            "/simple/supported_vs_currencies" => Ok(routed(answers::supported_vs_currencies(), 30_000)),
            "/coins/markets" => markets::coins_markets(&self.market, query, markets, assumed)
                .map(|body| routed(body, markets.fresh_ms)),
            "/coins/list" => Ok(routed(answers::coins_list(&self.market, query), 5 * MINUTE_MS)),
            "/key" => match caller {
                Caller::Key(_) => Ok(uncached(answers::key(terms, book.spent(caller)))),
                Caller::Keyless => Err(ErrorAnswer::key_missing(now_ms)),
            },
            other => match other.strip_prefix("/coins/") {
                Some(id) if !id.is_empty() && !id.contains('/') => {
                    let known = self.market.catalogue().by_id(id);
                    let moment = when.moment(MINUTE_MS);
                    known
                        .map(|coin| {
                            routed(
                                coin::coin(&self.market, coin, query, moment, assumed.coin_sparkline),
                                MINUTE_MS,
                            )
                        })
                        .ok_or_else(ErrorAnswer::coin_not_found)
                }
                _ => Err(ErrorAnswer::wrong_path()),
            },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instant of an answer, and those of the data in it.
#[derive(Clone, Copy)]
struct When {
    now_ms: i64,
    /// What the data say they are of.
    said_ms: i64,
    /// How much older the prices are than that.
    behind_ms: i64,
}

impl When {
    fn of(now_ms: i64, stale: Option<Stale>) -> Self {
        let (said_ms, behind_ms) = match stale {
            None => (now_ms, 0),
            Some(Stale { age, freeze }) => {
                let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                match freeze {
                    Freeze::All => (now_ms.saturating_sub(age_ms), 0),
                    Freeze::Price => (now_ms, age_ms),
                }
            }
        };
        Self {
            now_ms,
            said_ms,
            behind_ms,
        }
    }

    /// Whether the edge has these data: old ones it has had since they were new.
    fn caching(self, fresh_ms: i64) -> Caching {
        let data_ms = computed_at(self.said_ms, fresh_ms);
        if self.said_ms < self.now_ms {
            Caching::Stuck(self.now_ms - data_ms)
        } else {
            Caching::Of(data_ms)
        }
    }

    fn moment(self, fresh_ms: i64) -> Moment {
        Moment {
            now_ms: self.said_ms,
            fresh_ms,
            behind_ms: self.behind_ms,
        }
    }
}

/// What the faults make of a healthy answer.
fn damaged(
    mut routed: Routed,
    judgement: &mut Judgement,
    faults: &mut Timeline,
    source: Source<'_>,
) -> Result<Routed, ErrorAnswer> {
    for (index, damage) in &judgement.damage {
        let changed = match damage {
            Damage::Altered(altered) => altered.apply(&routed.body.json, source),
            Damage::BreaksOff(after) => {
                let json = &routed.body.json;
                let end = cut_at(json.len(), *after).unwrap_or(json.len());
                Ok(json[..json.floor_char_boundary(end)].to_owned())
            }
            Damage::Cut(..) => continue,
        };
        if changed.as_ref().is_ok_and(|changed| *changed == routed.body.json) {
            continue;
        }
        faults.touch(*index);
        judgement.touched.push(*index);
        routed.body.json = changed?;
    }
    Ok(routed)
}

#[cfg(test)]
mod tests;

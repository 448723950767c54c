//! What one user does, however its requests are carried: journeys, think time, reactions to a 429.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::faults::Upset;
use super::{Play, Route, SlowRead};
use crate::draw::Stream;
use crate::format::model::{OnReject, Template};
use crate::request::{Answer, Exchange, Wanted, fill, wanted};
use crate::wire::RequestLine;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Most paths whose `ETag` a user remembers.
const MAX_TAGS: usize = 64;

/// Carries requests.
pub(crate) trait Transport: Send {
    /// Whether answers are read as slowly as a request says; else who is slow pauses when the answer has been told of.
    const READS_SLOWLY: bool = true;

    /// Sends a GET and waits for the answer, no longer than the plan allows.
    fn get<'a>(&'a mut self, request: Outgoing<'a>) -> impl Future<Output = Exchange> + Send;
}

/// A request to be carried.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<'a> {
    /// Index of the target.
    pub(crate) target: u16,
    /// Path and query.
    pub(crate) path: &'a str,
    /// Its name in statistics: the route.
    pub(crate) name: &'static str,
    pub(crate) headers: HeaderMap,
    /// How its answer is read, when not at once. Does not count towards what the plan allows.
    pub(crate) slow: Option<&'a SlowRead>,
}

impl Outgoing<'_> {
    /// Its URL, where `bases` are those of the targets.
    pub(crate) fn url(&self, bases: &[String]) -> String {
        let base = bases.get(usize::from(self.target)).map_or("", String::as_str);
        format!("{base}{}", self.path)
    }
}

/// How a journey follows what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The user thinks after each get, the last one too, and then makes the next journey.
    Closed,
    /// The user came at this instant (real µs since the anchor), thinks between gets and leaves after the last.
    Open {
        /// When.
        due_us: u64,
    },
}

/// One user, or one arrival.
#[derive(Debug)]
pub(crate) struct Visitor {
    number: u32,
    key: Option<u32>,
    journeys: Stream,
    symbols: Stream,
    /// The faults that made it come sooner to its next request.
    pub(super) hurried: Vec<u16>,
    /// The last `ETag` of each path, for journeys that revalidate.
    tags: BTreeMap<String, HeaderValue>,
}

impl Visitor {
    pub(super) fn new(number: u32, key: Option<u32>, journeys: Stream, symbols: Stream) -> Self {
        Self {
            number,
            key,
            journeys,
            symbols,
            hurried: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    fn remember(&mut self, path: &str, answer: &Answer) {
        let Some(tag) = answer.headers.get(ETAG) else {
            return;
        };
        if self.tags.len() >= MAX_TAGS && !self.tags.contains_key(path) {
            self.tags.pop_first();
        }
        self.tags.insert(path.to_owned(), tag.clone());
    }
}

/// Makes one journey, drawn among those of the load.
pub(crate) async fn play_journey(
    play: &Play,
    visitor: &mut Visitor,
    transport: &mut impl Transport,
    pace: Pace,
) {
    let drawn = play.journey_choice.draw(&mut visitor.journeys);
    let Some(route) = play.journeys.get(drawn) else {
        return;
    };
    let mut visit = Visit {
        play,
        visitor,
        transport,
        route,
        pace,
        sent_us: None,
    };
    visit.make().await;
}

/// One journey being made.
struct Visit<'a, T> {
    play: &'a Play,
    visitor: &'a mut Visitor,
    transport: &'a mut T,
    route: &'a Route,
    pace: Pace,
    /// When its last request was sent.
    sent_us: Option<u64>,
}

/// A request that was sent.
struct Sent<'a> {
    due_us: u64,
    sent_us: u64,
    key: Option<u32>,
    target: u16,
    path: &'a str,
    wanted: &'a Wanted,
    repeat: bool,
}

/// What a 429 says about coming back.
struct Refused {
    retry_after: Option<Duration>,
}

impl<T: Transport> Visit<'_, T> {
    /// Ends early when the load is over or a request was dropped.
    async fn make(&mut self) -> Option<()> {
        let route = self.route;
        let mut due_us = match self.pace {
            Pace::Closed => self.play.clock.now_us(),
            Pace::Open { due_us } => due_us,
        };
        let last = route.journey.get.len().saturating_sub(1);
        for (place, template) in route.journey.get.iter().enumerate() {
            self.get(template, due_us).await?;
            if place < last || self.pace == Pace::Closed {
                let think = self.think(route.journey.think);
                due_us = self.pause(think).await?;
            }
        }
        Some(())
    }

    /// How long the user thinks this time. Arrivals do not hurry: there are more of them, then.
    fn think(&mut self, think: Duration) -> Duration {
        let Some(faults) = self.play.faults.as_ref().filter(|_| self.pace == Pace::Closed) else {
            return think;
        };
        let clock = self.play.clock;
        let hurry = faults.hurry(clock.wall(clock.now_us()), &mut self.visitor.hurried);
        // Who is not hurried thinks to the nanosecond.
        if hurry == 1.0 { think } else { think.div_f64(hurry) }
    }

    /// Waits for some wall time from now on; gives the instant that was waited for.
    async fn pause(&mut self, wall: Duration) -> Option<u64> {
        let clock = self.play.clock;
        let mut at_us = clock.now_us() + clock.real_us(wall);
        // Nobody sends twice at one instant: where an answer takes no time, time would never pass.
        if let Some(sent_us) = self.sent_us {
            at_us = at_us.max(sent_us + 1);
        }
        self.play.wait_until(at_us).await.then_some(at_us)
    }

    /// Sends one request of the journey, and again when it is refused and the user insists.
    async fn get(&mut self, template: &Template, mut due_us: u64) -> Option<()> {
        let play = self.play;
        let path = fill(
            template,
            &play.symbols,
            &play.symbol_choice,
            &mut self.visitor.symbols,
        );
        let wanted = wanted(&path, &play.known);
        let journey = &self.route.journey;
        let mut repeat = false;
        loop {
            let Some(Refused { retry_after }) = self.send(&path, &wanted, due_us, repeat).await? else {
                return Some(());
            };
            let wait = match journey.on_reject {
                OnReject::GiveUp => return Some(()),
                OnReject::RetryAfter => retry_after.unwrap_or(journey.think),
                OnReject::Hammer => Duration::ZERO,
            };
            due_us = self.pause(wait).await?;
            repeat = true;
        }
    }

    /// One request and its answer, told of; `None` when it was not sent.
    async fn send(
        &mut self,
        path: &str,
        wanted: &Wanted,
        due_us: u64,
        repeat: bool,
    ) -> Option<Option<Refused>> {
        let play = self.play;
        // Who was due before the end is sent though the machine may be late, so that counts are as planned.
        let over = match self.pace {
            Pace::Closed => play.is_over(),
            Pace::Open { .. } => play.is_over_at(due_us),
        };
        if over {
            return None;
        }
        let sent_us = play.clock.now_us();
        self.sent_us = Some(sent_us);
        let own_key = self.visitor.key.filter(|_| wanted.needs_key());
        let (headers, upset) = self.headers(sent_us, path, wanted, own_key);
        let (path, wanted) = match upset.as_deref() {
            Some(Upset {
                malformed: Some((path, wanted)),
                ..
            }) => (path.as_str(), wanted),
            _ => (path, wanted),
        };
        let wrong_key = upset.as_ref().is_some_and(|upset| upset.key.is_some());
        let key = own_key.filter(|_| !wrong_key);
        let target = play.next_target();
        let request = Outgoing {
            target,
            path,
            name: wanted.route,
            headers,
            slow: upset.as_ref().and_then(|upset| upset.slow.as_ref()),
        };
        play.in_flight.fetch_add(1, Ordering::Relaxed);
        let exchange = self.transport.get(request).await;
        play.in_flight.fetch_sub(1, Ordering::Relaxed);
        let sent = Sent {
            due_us: match self.pace {
                Pace::Closed => sent_us,
                Pace::Open { .. } => due_us.min(sent_us),
            },
            sent_us,
            key,
            target,
            path,
            wanted,
            repeat,
        };
        let (refused, read) = self.answered(&sent, exchange, upset.as_deref())?;
        let slow = upset.as_ref().and_then(|upset| upset.slow.as_ref());
        if let Some(slow) = slow.filter(|_| !T::READS_SLOWLY) {
            Box::pin(slow.pause(read)).await;
        }
        Some(refused)
    }

    /// Tells of a request and what became of it. Gives whether it was refused, and the size of the body; `None` when it
    /// was not sent.
    fn answered(
        &mut self,
        sent: &Sent<'_>,
        exchange: Exchange,
        upset: Option<&Upset>,
    ) -> Option<(Option<Refused>, usize)> {
        let (play, wanted) = (self.play, sent.wanted);
        let mut line = RequestLine {
            due_us: sent.due_us,
            sent_us: sent.sent_us,
            answered_us: play.clock.now_us(),
            journey: self.route.index,
            user: self.visitor.number,
            key: sent.key,
            target: sent.target,
            route: Cow::Borrowed(wanted.route),
            owed: if wanted.needs_key() && sent.key.is_none() {
                401
            } else {
                wanted.owed
            },
            asked: Arc::clone(&wanted.asked),
            repeat: sent.repeat,
            faults: std::mem::take(&mut self.visitor.hurried),
            ..RequestLine::default()
        };
        if let Some(upset) = upset {
            line.slow_us = upset.slow.as_ref().map_or(0, SlowRead::paused_us);
            line.faults.extend(&upset.faults);
        }
        let mut read = 0;
        match exchange {
            Exchange::Answered(answer) => {
                read = answer.body.len();
                if self.route.journey.revalidate {
                    self.visitor.remember(sent.path, &answer);
                }
                play.reader.read(&answer, &mut line);
                line.number = answer.number;
            }
            Exchange::Failed(why) => line.error = Some(why.as_str().to_owned()),
            Exchange::NoRoom => {
                play.drop_one();
                return None;
            }
        }
        let refused = (line.status == StatusCode::TOO_MANY_REQUESTS.as_u16()).then(|| Refused {
            retry_after: line.retry_after_s.map(|s| Duration::from_secs(s.into())),
        });
        play.tell(line);
        Some((refused, read))
    }

    /// The headers of a request, and what the faults of users make of it.
    fn headers(
        &self,
        sent_us: u64,
        path: &str,
        wanted: &Wanted,
        key: Option<u32>,
    ) -> (HeaderMap, Option<Box<Upset>>) {
        let play = self.play;
        // Room for all three at once.
        let mut headers = HeaderMap::with_capacity(3);
        if let Some(value) = key.and_then(|key| play.keys.get(key as usize)) {
            headers.insert(X_API_KEY, value.clone());
        }
        if let Some(value) = &self.route.accept_encoding {
            headers.insert(ACCEPT_ENCODING, value.clone());
        }
        if self.route.journey.revalidate
            && let Some(tag) = self.visitor.tags.get(path)
        {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        let upset = play.faults.as_ref().and_then(|faults| {
            let (at, until) = (play.clock.wall(sent_us), play.clock.instant(play.end_us()));
            faults.upset(at, (path, wanted), &headers, &play.known, until)
        });
        if let Some(key) = upset.as_ref().and_then(|upset| upset.key.as_ref()) {
            headers.insert(X_API_KEY, key.clone());
        }
        (headers, upset)
    }
}

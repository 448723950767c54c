//! What one user does, however its requests are carried: journeys, think time, reactions to a 429.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Play;
use crate::draw::Stream;
use crate::format::model::{Journey, OnReject, Template};
use crate::request::{Answer, Exchange, Wanted, fill, read, wanted};
use crate::wire::RequestLine;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Most paths whose `ETag` a user remembers.
const MAX_TAGS: usize = 64;

/// Carries requests.
pub(crate) trait Transport: Send {
    /// Sends a GET and waits for the answer, no longer than the plan allows.
    fn get(&mut self, request: Outgoing) -> impl Future<Output = Exchange> + Send;
}

/// A request to be carried.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    /// Its name in statistics: the route.
    pub(crate) name: &'static str,
    pub(crate) headers: HeaderMap,
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
    let Some((index, journey)) = play.journeys.get(drawn) else {
        return;
    };
    let mut visit = Visit {
        play,
        visitor,
        transport,
        journey,
        index: *index,
        pace,
    };
    visit.make().await;
}

/// One journey being made.
struct Visit<'a, T> {
    play: &'a Play,
    visitor: &'a mut Visitor,
    transport: &'a mut T,
    journey: &'a Journey,
    index: u16,
    pace: Pace,
}

impl<T: Transport> Visit<'_, T> {
    /// Ends early when the load is over or a request was dropped.
    async fn make(&mut self) -> Option<()> {
        let mut due_us = match self.pace {
            Pace::Closed => self.play.clock.now_us(),
            Pace::Open { due_us } => due_us,
        };
        let last = self.journey.get.len().saturating_sub(1);
        for (place, template) in self.journey.get.iter().enumerate() {
            self.get(template, due_us).await?;
            if place < last || self.pace == Pace::Closed {
                due_us = self.pause(self.journey.think).await?;
            }
        }
        Some(())
    }

    /// Waits for some wall time from now on; gives the instant that was waited for.
    async fn pause(&self, wall: Duration) -> Option<u64> {
        let clock = self.play.clock;
        let at_us = clock.now_us() + clock.real_us(wall);
        self.play.wait_until(at_us).await.then_some(at_us)
    }

    /// Sends one request of the journey, and again when it is refused and the user insists.
    async fn get(&mut self, template: &Template, mut due_us: u64) -> Option<()> {
        let play = self.play;
        let path = fill(
            template,
            &play.plan.symbols,
            &play.symbol_choice,
            &mut self.visitor.symbols,
        );
        let wanted = wanted(&path, &play.known);
        let mut repeat = false;
        loop {
            let line = self.send(&path, &wanted, due_us, repeat).await?;
            let refused = line.status == StatusCode::TOO_MANY_REQUESTS.as_u16();
            let retry_after = line.retry_after_s.map(|s| Duration::from_secs(s.into()));
            play.output.request(line);
            if !refused {
                return Some(());
            }
            due_us = match self.journey.on_reject {
                OnReject::GiveUp => return Some(()),
                OnReject::RetryAfter => self.pause(retry_after.unwrap_or(self.journey.think)).await?,
                OnReject::Hammer => play.clock.now_us(),
            };
            repeat = true;
        }
    }

    /// One request and its answer; `None` when it was not sent.
    async fn send(&mut self, path: &str, wanted: &Wanted, due_us: u64, repeat: bool) -> Option<RequestLine> {
        let play = self.play;
        if play.is_over() {
            return None;
        }
        let key = self.visitor.key.filter(|_| wanted.needs_key());
        let (target, base) = play.next_target();
        let request = Outgoing {
            url: format!("{base}{path}"),
            name: wanted.route,
            headers: self.headers(path, key),
        };
        let sent_us = play.clock.now_us();
        let exchange = self.transport.get(request).await;
        let mut line = RequestLine {
            due_us: match self.pace {
                Pace::Closed => sent_us,
                Pace::Open { .. } => due_us.min(sent_us),
            },
            sent_us,
            answered_us: play.clock.now_us(),
            journey: self.index,
            user: self.visitor.number,
            key,
            target,
            route: wanted.route.to_owned(),
            owed: if wanted.needs_key() && key.is_none() {
                401
            } else {
                wanted.owed
            },
            asked: wanted.asked.clone(),
            repeat,
            ..RequestLine::default()
        };
        match exchange {
            Exchange::Answered(answer) => {
                if self.journey.revalidate {
                    self.visitor.remember(path, &answer);
                }
                read(&answer, &mut line);
            }
            Exchange::Failed(why) => line.error = Some(why.as_str().to_owned()),
            Exchange::NoRoom => {
                play.drop_one();
                return None;
            }
        }
        Some(line)
    }

    fn headers(&self, path: &str, key: Option<u32>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let key = key.and_then(|key| self.play.plan.keys.get(key as usize));
        // The plan's keys and the scenario's values have been checked to be sendable.
        let text = |value: &String| HeaderValue::from_str(value).ok();
        if let Some(value) = key.and_then(text) {
            headers.insert(X_API_KEY, value);
        }
        if let Some(value) = self.journey.accept_encoding.as_ref().and_then(text) {
            headers.insert(ACCEPT_ENCODING, value);
        }
        let tag = self.visitor.tags.get(path).filter(|_| self.journey.revalidate);
        if let Some(tag) = tag {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        headers
    }
}

//! The rules about each request, judged as its answer comes.

use scenarios::wire::RequestLine;

use super::{Seen, at};
use crate::sweep::{bounds::ms, rules::Rule};

/// What `Age`, in whole seconds, may differ from a millisecond's truth, and a second in which a retention ends.
const AGE_SLACK_MS: i64 = 1_000;

impl Seen {
    /// Takes in a request and its answer.
    pub(super) fn request(&mut self, line: &RequestLine) {
        *self.answers.entry(line.status).or_default() += 1;
        let took_us = line.answered_us.saturating_sub(line.sent_us);
        self.longest_answer_us = self.longest_answer_us.max(took_us);
        if line.status == 0 {
            self.breaches.add(Rule::ApiAnswered, line.answered_us, || {
                let why = line.error.as_deref().unwrap_or("no answer");
                format!("a request sent {} was not answered: {why}", at(line.sent_us))
            });
            return;
        }
        if !self.bounds.store_was_down(line.sent_us, line.answered_us) {
            self.deadline(line, took_us);
            self.status(line);
        }
        let age_ms = self.served(line);
        if line.owed == 200 && line.sent_us >= self.upstream.calm_from(&self.bounds) {
            self.recovered(line, age_ms);
        }
    }

    /// [`Rule::ApiDeadline`].
    fn deadline(&mut self, line: &RequestLine, took_us: u64) {
        let (sent_us, answered_us) = (line.sent_us, line.answered_us);
        // Most are answered at once.
        if took_us <= self.bounds.answer_within(true, false) {
            return;
        }
        let servable = line.asked.iter().all(|symbol| {
            self.prices
                .was_servable(symbol, sent_us, answered_us, &self.bounds)
        });
        let stored = self.prices.written_within(sent_us, answered_us);
        let within_us = self.bounds.answer_within(servable, stored);
        if took_us > within_us {
            self.breaches.add(Rule::ApiDeadline, answered_us, || {
                let had = if servable { "with" } else { "without" };
                format!(
                    "a request sent {} {had} something to serve took {} ms, not {} ms",
                    at(sent_us),
                    took_us / 1000,
                    within_us / 1000
                )
            });
        }
    }

    /// [`Rule::ApiServerError`] and [`Rule::ApiExpected`].
    fn status(&mut self, line: &RequestLine) {
        let (sent_us, status) = (line.sent_us, line.status);
        if line.owed != 200 {
            if status != line.owed && status != 429 {
                self.breaches.add(Rule::ApiExpected, line.answered_us, || {
                    format!(
                        "a request sent {} was answered {status}, not {}",
                        at(sent_us),
                        line.owed
                    )
                });
            }
            return;
        }
        if status < 500 {
            return;
        }
        let problem = line.problem.as_deref().unwrap_or("no problem document");
        let servable = line.asked.iter().find(|symbol| {
            self.prices
                .was_servable(symbol, sent_us, line.answered_us, &self.bounds)
        });
        if problem != "PRICE_UNAVAILABLE" || servable.is_some() {
            self.breaches.add(Rule::ApiServerError, line.answered_us, || {
                let servable = servable.map_or_else(String::new, |symbol| format!(", {symbol} was servable"));
                format!(
                    "a request sent {} was answered {status} {problem}{servable}",
                    at(sent_us)
                )
            });
        }
    }

    /// [`Rule::PriceRetention`]. Gives the age of the oldest price of the answer, ms.
    fn served(&mut self, line: &RequestLine) -> Option<i64> {
        if !matches!(line.status, 200 | 304) {
            return None;
        }
        let (sent_ms, answered_ms) = (
            self.bounds.wall_ms(line.sent_us),
            self.bounds.wall_ms(line.answered_us),
        );
        let claimed_ms = line.age_s.map(|age_s| i64::from(age_s) * 1000);
        let mut oldest_ms = claimed_ms;
        let mut expired = claimed_ms
            .filter(|age_ms| *age_ms > ms(self.bounds.config.price_retention) + AGE_SLACK_MS)
            .map(|age_ms| ("a price", age_ms));
        for served in line.prices.iter() {
            let Some(write) = self
                .prices
                .of(&served.symbol, served.updated_ms, line.answered_us)
            else {
                continue;
            };
            oldest_ms = oldest_ms.max(Some(answered_ms - write.fetched_ms));
            if self.bounds.servable_until(write.fetched_ms) <= sent_ms {
                expired = Some((&served.symbol, sent_ms - write.fetched_ms));
            }
        }
        if let Some((symbol, age_ms)) = expired {
            self.breaches.add(Rule::PriceRetention, line.answered_us, || {
                let seconds = age_ms / 1000;
                format!(
                    "{symbol} was served {} s after its fetch {}",
                    seconds,
                    at(line.answered_us)
                )
            });
        }
        self.oldest_served_ms = self.oldest_served_ms.max(oldest_ms.unwrap_or(0));
        oldest_ms
    }

    /// [`Rule::RecoveryServed`] and [`Rule::RecoveryFresh`].
    fn recovered(&mut self, line: &RequestLine, age_ms: Option<i64>) {
        let calm_us = self.upstream.calm_from(&self.bounds);
        let since = || {
            let seconds = (line.sent_us - calm_us) / 1_000_000;
            format!(
                "{}, {seconds} s after all should have been well",
                at(line.sent_us)
            )
        };
        // Whether a 429 is right is for the judge to say.
        if !matches!(line.status, 200 | 304 | 429) {
            let status = line.status;
            self.breaches.add(Rule::RecoveryServed, line.answered_us, || {
                format!("a request was answered {status} {}", since())
            });
        } else if let Some(symbol) = line.unavailable.first() {
            self.breaches.add(Rule::RecoveryServed, line.answered_us, || {
                format!("{symbol} was unavailable {}", since())
            });
        }
        let oldest_ms = ms(self.bounds.oldest_fresh());
        if let Some(age_ms) = age_ms.filter(|age_ms| *age_ms > oldest_ms) {
            self.breaches.add(Rule::RecoveryFresh, line.answered_us, || {
                format!("a price of {} s was served {}", age_ms / 1000, since())
            });
        }
    }
}

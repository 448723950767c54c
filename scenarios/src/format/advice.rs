//! What is valid in a scenario but perhaps not meant so.

use super::diagnostics::Diagnostic;
use super::model::{Journey, Load, Popularity, Scenario, Shape};

impl Scenario {
    /// Warnings: so far, loads whose hottest key is expected to send more than the rate limit permits.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        self.loads.iter().filter_map(|load| self.refusals(load)).collect()
    }

    fn refusals(&self, load: &Load) -> Option<Diagnostic> {
        let rates = self.key_rates_per_minute(load);
        let limit = f64::from(self.stack.rate_limit);
        let hottest = rates.iter().copied().fold(0.0, f64::max);
        // A key exactly at its limit is refused nothing; sums of floats deserve a little room.
        if hottest <= limit * (1.0 + 1e-9) {
            return None;
        }
        let refused: f64 = rates.iter().map(|rate| (rate - limit).max(0.0)).sum();
        let message = format!(
            "the hottest key of load `{}` sends {hottest:.0} requests a minute at its peak, {limit:.0} are permitted",
            load.name
        );
        let help = format!("expect about {refused:.0} refusals a minute from this load then");
        Some(self.warning_at(&load.span, message, Some(help)))
    }

    /// Expected requests per minute of each of a load's keys at its peak, repeats after a 429 not counted.
    fn key_rates_per_minute(&self, load: &Load) -> Vec<f64> {
        let journeys: Vec<&Journey> = load.journeys.iter().map(|index| &self.journeys[*index]).collect();
        let count = load.keys.count;
        match &load.shape {
            Shape::Rate(_) => {
                let starts = load.shape.peak_rate().unwrap_or(0.0) * 60.0;
                let weights: f64 = journeys.iter().map(|journey| f64::from(journey.weight)).sum();
                let gets: f64 = journeys
                    .iter()
                    .map(|journey| f64::from(journey.weight) / weights * journey.get.len() as f64)
                    .sum();
                shares(load.keys.dist, count)
                    .map(|share| starts * gets * share)
                    .collect()
            }
            // A user draws a journey each time: that it draws the busiest only is an upper bound.
            Shape::Users(users) => {
                let busiest = journeys
                    .iter()
                    .map(|journey| 60.0 / journey.think.as_secs_f64())
                    .fold(0.0, f64::max);
                let of_rank = |(rank, share): (u32, f64)| match load.keys.dist {
                    Popularity::Uniform => f64::from(users / count + u32::from(rank <= users % count)),
                    Popularity::Zipf { .. } => f64::from(*users) * share,
                };
                let ranked = (1..=count).zip(shares(load.keys.dist, count));
                ranked.map(|rank| busiest * of_rank(rank)).collect()
            }
        }
    }
}

/// The shares of choices that fall on the first of `count`, the second, and so on.
fn shares(dist: Popularity, count: u32) -> impl Iterator<Item = f64> {
    let hottest = dist.hottest_share(count);
    (1..=count).map(move |rank| match dist {
        Popularity::Uniform => hottest,
        Popularity::Zipf { s } => hottest * f64::from(rank).powf(-s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_and_make_a_whole() {
        for dist in [Popularity::Uniform, Popularity::Zipf { s: 0.7 }] {
            // As many as a load may have: each share must not cost another look at all of them.
            let shares: Vec<f64> = shares(dist, 100_000).collect();
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{dist:?}");
            assert!(shares.is_sorted_by(|a, b| a >= b), "{dist:?}");
        }
    }
}

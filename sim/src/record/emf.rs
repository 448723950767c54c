//! What the service says about itself in its EMF documents.

use std::sync::Arc;

/// The sums of all documents.
#[derive(Clone, Debug, Default)]
pub struct EmfTotals(Vec<Service>);

/// The documents of one service.
#[derive(Clone, Debug)]
struct Service {
    name: String,
    documents: u64,
    /// In the order in which the metrics were first heard of.
    sums: Vec<(Arc<str>, f64)>,
}

impl EmfTotals {
    /// Takes in one document.
    pub fn record(&mut self, service: &str, values: &[(Arc<str>, f64)]) {
        let place = self.0.iter().position(|known| known.name == service);
        let place = place.unwrap_or_else(|| {
            self.0.push(Service {
                name: service.to_owned(),
                documents: 0,
                sums: Vec::new(),
            });
            self.0.len() - 1
        });
        self.0[place].add(values);
    }

    /// The sum of a metric over the documents of one service (`api` or `update`). A counter that is zero is left
    /// out of its document.
    #[must_use]
    pub fn sum(&self, service: &str, name: &str) -> f64 {
        let sums = self.of(service).map_or(&[][..], |service| &service.sums);
        sums.iter()
            .find(|(known, _)| **known == *name)
            .map_or(0.0, |(_, sum)| *sum)
    }

    /// The sum of a metric over both services.
    #[must_use]
    pub fn sum_of_both(&self, name: &str) -> f64 {
        self.sum("api", name) + self.sum("update", name)
    }

    /// Documents of one service.
    #[must_use]
    pub fn documents(&self, service: &str) -> u64 {
        self.of(service).map_or(0, |service| service.documents)
    }

    fn of(&self, service: &str) -> Option<&Service> {
        self.0.iter().find(|known| known.name == service)
    }
}

impl Service {
    fn add(&mut self, values: &[(Arc<str>, f64)]) {
        self.documents += 1;
        // Documents name their metrics in the same order, some of them left out: the next is found near the last.
        let mut next = 0;
        for (name, value) in values {
            let (before, after) = self.sums.split_at(next);
            let is_it = |(known, _): &(Arc<str>, f64)| Arc::ptr_eq(known, name) || known == name;
            let found = after
                .iter()
                .position(is_it)
                .map(|at| next + at)
                .or_else(|| before.iter().position(is_it));
            let place = found.unwrap_or_else(|| {
                self.sums.push((name.clone(), 0.0));
                self.sums.len() - 1
            });
            self.sums[place].1 += value;
            next = place + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_by_service_and_metric_in_any_order() {
        let mut totals = EmfTotals::default();
        let mut record = |service: &str, values: &[(&str, f64)]| {
            let values: Vec<(Arc<str>, f64)> = values
                .iter()
                .map(|(name, value)| (Arc::from(*name), *value))
                .collect();
            totals.record(service, &values);
        };
        record(
            "api",
            &[("Requests", 1.0), ("CacheMemory", 1.0), ("BodyBytesSent", 300.0)],
        );
        record(
            "api",
            &[("Requests", 1.0), ("RateLimited", 1.0), ("BodyBytesSent", 200.0)],
        );
        record(
            "api",
            &[("BodyBytesSent", 100.0), ("Requests", 1.0), ("Requests", 1.0)],
        );
        record("update", &[("UpstreamCalls", 2.0), ("Requests", 5.0)]);
        let api = |name| totals.sum("api", name);
        assert_eq!(
            [api("Requests"), api("RateLimited"), api("BodyBytesSent")],
            [4.0, 1.0, 600.0]
        );
        assert_eq!((api("CacheMemory"), api("UpstreamCalls")), (1.0, 0.0));
        assert_eq!(totals.sum_of_both("Requests"), 9.0);
        assert_eq!(
            ["api", "update", "other"].map(|service| totals.documents(service)),
            [3, 1, 0]
        );
    }
}

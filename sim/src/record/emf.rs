//! What the service says about itself in its EMF documents.

use std::collections::BTreeMap;

/// A wait on a refresh, as a document reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaitRecord {
    /// When the document was read, real µs.
    pub at_us: u64,
    /// Real milliseconds.
    pub ms: f32,
}

/// The sums of all documents, and the waits.
#[derive(Clone, Debug, Default)]
pub struct EmfTotals {
    sums: BTreeMap<(String, String), f64>,
    documents: BTreeMap<String, u64>,
    waits: Vec<WaitRecord>,
}

impl EmfTotals {
    /// Takes in one document.
    pub fn record(&mut self, at_us: u64, service: &str, values: &[(String, f64)]) {
        *self.documents.entry(service.to_owned()).or_default() += 1;
        for (name, value) in values {
            *self.sums.entry((service.to_owned(), name.clone())).or_default() += value;
            if name == "RefreshWaitMs" && *value > 0.0 {
                self.waits.push(WaitRecord {
                    at_us,
                    ms: *value as f32,
                });
            }
        }
    }

    /// The sum of a metric over the documents of one service (`api` or `update`). A counter that is zero is left
    /// out of its document.
    #[must_use]
    pub fn sum(&self, service: &str, name: &str) -> f64 {
        self.sums
            .get(&(service.to_owned(), name.to_owned()))
            .copied()
            .unwrap_or(0.0)
    }

    /// The sum of a metric over both services.
    #[must_use]
    pub fn sum_of_both(&self, name: &str) -> f64 {
        self.sum("api", name) + self.sum("update", name)
    }

    /// Documents of one service.
    #[must_use]
    pub fn documents(&self, service: &str) -> u64 {
        self.documents.get(service).copied().unwrap_or(0)
    }

    /// The waits above zero.
    #[must_use]
    pub fn waits(&self) -> &[WaitRecord] {
        &self.waits
    }
}

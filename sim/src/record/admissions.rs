//! What the rate limiter's counters did, as the store front saw it.

/// One outcome of the conditional counter update, at most 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionRecord {
    /// When the store answered, real µs.
    pub at_us: u64,
    /// Index of the key in [`super::Recording::keys`].
    pub key: u32,
    /// The window: minutes since the Unix epoch.
    pub window: i32,
    /// The counter after an admission.
    pub count: u32,
    /// Whether the condition held.
    pub admitted: bool,
}

const _: () = assert!(
    size_of::<AdmissionRecord>() <= 24,
    "an admission is kept in at most 24 bytes"
);

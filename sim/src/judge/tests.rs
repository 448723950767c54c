//! Metrics on hand-made recordings with known answers.

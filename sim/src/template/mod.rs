//! What the SAM template deploys.

pub mod model;

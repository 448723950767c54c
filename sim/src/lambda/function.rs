//! A function as it is deployed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::variables::{ACCOUNT, REGION};
use crate::template::model::LogFormat;

/// What runs, and what it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The executable `bootstrap`, unpacked.
    pub bootstrap: PathBuf,
    /// What a runtime that loads code finds it by; the bootstrap of a compiled function pays no heed to it.
    pub handler: String,
    /// How long an invocation may take, real time.
    pub timeout: Duration,
    /// Memory, MB of 2^20 bytes.
    pub memory_mb: u32,
    /// Its own variables.
    pub environment: BTreeMap<String, String>,
    /// The form of its log.
    pub log_format: LogFormat,
    /// Below this level Lambda drops JSON lines.
    pub application_log_level: Option<String>,
    /// Where its log goes; none = `/aws/lambda/{name}`.
    pub log_group: Option<String>,
}

impl Function {
    /// Its name for all of AWS.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.name)
    }
}

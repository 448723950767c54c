//! The environment variables that Lambda sets, beside the function's own.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>, "Defined runtime environment
//! variables".

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use super::function::Function;
use crate::template::model::LogFormat;

/// The region that everything is said to be in.
pub const REGION: &str = "us-east-1";
/// The account that everything is said to belong to: AWS's own example.
pub const ACCOUNT: &str = "123456789012";
/// The variable whose value no two environments share.
pub const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// All variables of an environment whose Runtime API is at `api`, and whose package is unpacked in `root`. A function that
/// has a variable of the same name as Lambda's has Lambda's, since AWS refuses to deploy one that sets those.
#[must_use]
pub fn variables(
    function: &Function,
    api: SocketAddr,
    root: &Path,
    log_stream: &str,
) -> BTreeMap<String, String> {
    let root = root.display().to_string();
    let log_group = function
        .log_group
        .clone()
        .unwrap_or_else(|| format!("/aws/lambda/{}", function.name));
    let mut all = function.environment.clone();
    let reserved = [
        ("_HANDLER", function.handler.clone()),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE".to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream.to_owned()),
        (RUNTIME_API, api.to_string()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "example".to_owned()),
        ("AWS_SESSION_TOKEN", "example".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LAMBDA_TASK_ROOT", root),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    all.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
    if function.log_format == LogFormat::Json {
        all.insert("AWS_LAMBDA_LOG_FORMAT".to_owned(), "JSON".to_owned());
        if let Some(level) = &function.application_log_level {
            all.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.clone());
        }
    }
    all
}

//! The table of fault kinds: what each breaks, which parameters it needs and which it may have.

use super::model::Target::{self, Clients, CoinGecko, Lambda, Schedule, Service, Store};

/// A row of [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct KindRow {
    /// What it breaks.
    pub target: Target,
    /// Its name in a scenario file.
    pub kind: &'static str,
    /// What happens.
    pub about: &'static str,
    /// Parameters that must be given.
    pub needs: &'static [&'static str],
    /// Parameters that may be given, each with its default.
    pub may: &'static [(&'static str, &'static str)],
}

const fn row(
    target: Target,
    kind: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
    may: &'static [(&'static str, &'static str)],
) -> KindRow {
    KindRow {
        target,
        kind,
        about,
        needs,
        may,
    }
}

/// Every kind of fault.
pub static KINDS: &[KindRow] = &[
    row(
        CoinGecko,
        "status",
        "answers with this status, 400 to 599, and CoinGecko's JSON error",
        &["status"],
        &[],
    ),
    row(
        CoinGecko,
        "rate_limit",
        "answers 429 above a limit; with `limit = \"0/min\"` always",
        &["limit"],
        &[
            ("retry_after", "the rest of the window"),
            ("retry_after_text", "the number of seconds"),
            ("window", "`1m`"),
        ],
    ),
    row(
        CoinGecko,
        "quota_exhausted",
        "the month's credits are used up: 429 with error code 10006 for calls with a key",
        &[],
        &[],
    ),
    row(
        CoinGecko,
        "cf_rate_limit_1015",
        "Cloudflare's own limit: 429 with the text `error code: 1015`",
        &[],
        &[],
    ),
    row(
        CoinGecko,
        "cf_block",
        "Cloudflare blocks: 403 with an HTML page, or the text `error code: 1020`",
        &[],
        &[("body", "`html`, or `1020`")],
    ),
    row(
        CoinGecko,
        "endpoint_disabled",
        "the path of `match.path` is switched off: 403 JSON",
        &[],
        &[],
    ),
    row(
        CoinGecko,
        "gateway_html",
        "a gateway's HTML page with status 502, 503, 504, 520 or 522",
        &[],
        &[("status", "502")],
    ),
    row(
        CoinGecko,
        "app_500_html",
        "the application's HTML page with status 500",
        &[],
        &[],
    ),
    row(
        CoinGecko,
        "html_with_200",
        "a challenge page: HTML with status 200",
        &[],
        &[],
    ),
    row(CoinGecko, "latency", "headers come late", &["latency"], &[]),
    row(CoinGecko, "slow_body", "the body trickles", &["speed"], &[]),
    row(
        CoinGecko,
        "hang",
        "no answer; the connection is closed in the end",
        &[],
        &[("at_most", "`5m`")],
    ),
    row(
        CoinGecko,
        "connect_fail",
        "no working connection: `refuse` (nobody listens), `blackhole` (packets vanish), `reset` or `close` (without an answer)",
        &["how"],
        &[],
    ),
    row(
        CoinGecko,
        "slow_connect",
        "the first packets of a connection are lost: connecting takes so long at least, in whole seconds",
        &["by"],
        &[],
    ),
    row(
        CoinGecko,
        "truncated",
        "the body is cut after so many bytes: `length` (shorter than promised), `chunked` (the last chunk is missing) or \
         `json` (complete as HTTP, but it breaks off)",
        &["how"],
        &[("after", "half of it")],
    ),
    row(
        CoinGecko,
        "stale_data",
        "healthy answers with data at least so old",
        &["age"],
        &[("freeze", "`all`, or `price` while timestamps go on")],
    ),
    row(
        CoinGecko,
        "cache_split",
        "two edge caches answer in turns, one behind the other",
        &["lag"],
        &[],
    ),
    row(
        CoinGecko,
        "null_fields",
        "fields are null: `price`, `change_24h`, `market_cap`, `rank`; of the coin of `match.id`, or of all",
        &["fields"],
        &[("absent", "false")],
    ),
    row(
        CoinGecko,
        "missing_coin",
        "coins are missing from a 200: that of `match.id`, or so many; they are left out (`omit`), empty (`empty_coin`), \
         or the whole answer is (`empty`)",
        &[],
        &[("count", "1"), ("shape", "`omit`")],
    ),
    row(
        CoinGecko,
        "id_renamed",
        "the id of `match.id` has moved: it is left out (`omit`) or a hollow record (`hollow`)",
        &[],
        &[("shape", "`omit`")],
    ),
    row(
        CoinGecko,
        "delisted",
        "the id of `match.id` is no longer listed",
        &[],
        &[],
    ),
    row(
        CoinGecko,
        "wrong_value",
        "a wrong price: `zero`, `spike` (times `factor`), `negative` or `other_coin`; of the coin of `match.id`, or of all",
        &["value"],
        &[("factor", "1000")],
    ),
    row(
        CoinGecko,
        "auth_mixup",
        "a key of one kind at the host of another: error code 10002, 10010 or 10011",
        &["code"],
        &[],
    ),
    row(
        CoinGecko,
        "uri_too_long",
        "414 for longer addresses",
        &[],
        &[("above", "`8KiB`")],
    ),
    row(
        Store,
        "throttle",
        "refused for want of capacity: status 400 and one of DynamoDB's exceptions",
        &[],
        &[("exception", "`ProvisionedThroughputExceededException`")],
    ),
    row(
        Store,
        "hot_partition",
        "a partition key bears no more capacity units in a second of wall time than these; what comes beyond is throttled",
        &[],
        &[("write_units", "1000"), ("read_units", "3000")],
    ),
    row(Store, "error", "`InternalServerError`, status 500", &[], &[]),
    row(Store, "latency", "answers come late", &["latency"], &[]),
    row(
        Store,
        "hang",
        "no answer; the connection is closed in the end",
        &[],
        &[("at_most", "`5m`")],
    ),
    row(
        Store,
        "reset",
        "the connection is reset and the operation is not done",
        &[],
        &[],
    ),
    row(Store, "down", "connections are refused", &[], &[]),
    row(
        Store,
        "restart",
        "the store's process is killed at the beginning and started again, with its data, at the end; until then \
         connections are refused. It needs a store on disk",
        &[],
        &[],
    ),
    row(
        Store,
        "partial",
        "batches are done in part, the rest comes back unprocessed",
        &[],
        &[("unprocessed", "`50%`")],
    ),
    row(
        Store,
        "lost_answer",
        "the operation is done but its answer is lost",
        &[],
        &[],
    ),
    row(
        Service,
        "kill",
        "SIGKILL: API processes (`process = \"api\"`) at the beginning, started again at the end; or each update \
         (`process = \"update\"`) that has stored its first batch of prices within the span, before it is told so",
        &[],
        &[("process", "`api`"), ("instance", "all")],
    ),
    row(
        Service,
        "restart",
        "API processes are asked to end at the beginning and started again at once",
        &[],
        &[("instance", "all")],
    ),
    row(
        Service,
        "freeze",
        "API processes are stopped (SIGSTOP), then continued at the end",
        &[],
        &[("instance", "all")],
    ),
    row(Schedule, "skip", "updates are left out", &[], &[]),
    row(Schedule, "double", "updates are started twice", &[], &[]),
    row(Schedule, "late", "updates are started late", &["by"], &[]),
    row(
        Clients,
        "over_limit",
        "users send so many times as fast: their waits (between the arrivals of a `rate`, after each get of `users`) are so many times as short",
        &[],
        &[("factor", "2")],
    ),
    row(
        Clients,
        "bad_key",
        "users present keys that do not exist",
        &[],
        &[],
    ),
    row(Clients, "disabled_key", "users present disabled keys", &[], &[]),
    row(
        Clients,
        "malformed",
        "users send requests that are not valid, of several sorts in turn",
        &[],
        &[],
    ),
    row(
        Clients,
        "slow_reader",
        "users read their answers slowly, though no longer than their load lasts",
        &["speed"],
        &[],
    ),
    row(
        Lambda,
        "freeze",
        "the environment of an invocation stands still (SIGSTOP), `into` after its event, for `lasting`",
        &[],
        &[("into", "`0s`"), ("lasting", "until the function's timeout")],
    ),
    row(
        Lambda,
        "abort",
        "the function's process ends `into` after the event, as after a panic that nobody catches (SIGABRT)",
        &[],
        &[("into", "`0s`")],
    ),
    row(
        Lambda,
        "out_of_memory",
        "the function's process is killed `into` after the event, as when it needs more memory than the function has",
        &[],
        &[("into", "`0s`")],
    ),
    row(
        Lambda,
        "concurrency",
        "others use the account, which leaves `count` invocations at the same time, reservations included",
        &["count"],
        &[],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_of_a_target_is_listed_once() {
        let names: BTreeSet<_> = KINDS.iter().map(|row| (row.target, row.kind)).collect();
        assert_eq!(names.len(), KINDS.len());
    }
}

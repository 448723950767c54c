//! The protections of the service, switched off one by one: each is missed by the scenario that is named here.

use std::collections::BTreeSet;

use crate::harness::{Finished, Folder};

/// A protection, and who misses it.
struct Protection {
    /// What `--sabotage` calls its absence.
    sabotage: &'static str,
    /// The scenario that must fail.
    guard: &'static str,
    /// The expectation that must not hold there.
    check: &'static str,
}

const PROTECTIONS: [Protection; 6] = [
    Protection {
        sabotage: "drop-lease-condition",
        guard: "expiry-herd",
        check: "upstream.concurrent_max <= 2",
    },
    Protection {
        sabotage: "refill-retry-budget",
        guard: "app-crash",
        check: "upstream.retries <= 5",
    },
    Protection {
        sabotage: "remove-jitter",
        guard: "hiccups",
        check: "retry.jitter_ks <= 0.149",
    },
    Protection {
        sabotage: "drop-stale-fallback",
        guard: "app-crash",
        check: "api.success == 100%",
    },
    Protection {
        sabotage: "believe-any-price",
        guard: "price-spike",
        check: "price.error.max <= 500bp",
    },
    Protection {
        sabotage: "wait-without-bound",
        guard: "no-response",
        check: "api.wait.max <= 2100ms",
    },
];

#[test]
fn each_protection_is_missed_by_the_scenario_that_guards_it() {
    let mut wrong = Vec::new();
    for Protection {
        sabotage,
        guard,
        check,
    } in &PROTECTIONS
    {
        let folder = Folder::new();
        let Finished { code, stdout, stderr } = folder.run(&[guard, "--sabotage", sabotage]);
        let report = folder.report_on(guard, "virtual");
        let broken = report["expectations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|expectation| expectation["held"] == false)
            .any(|expectation| expectation["check"] == *check);
        if code != Some(1) || !broken {
            wrong.push(format!(
                "{sabotage}: {guard} ended with {code:?}, `{check}` broken: {broken}\n{stdout}{stderr}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn with_all_protections_every_guard_holds() {
    let folder = Folder::new();
    let guards: BTreeSet<_> = PROTECTIONS.iter().map(|protection| protection.guard).collect();
    let Finished { code, stdout, stderr } = folder.run(&guards.into_iter().collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
}

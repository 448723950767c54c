//! Tests of a fetch: the bounds of an attempt, and a set of more than one page.

use super::*;
use crate::{
    coingecko::attempt::BODY_LIMIT,
    testing::{Reply, Rig, all, markets},
    update::{self, UpdateReport},
};

async fn update(rig: &Rig) -> UpdateReport {
    update::run(&rig.app, None).await.expect("something was stored")
}

/// When CoinGecko was called, milliseconds since the test began.
fn called_at(rig: &Rig) -> Vec<u128> {
    rig.coingecko
        .calls()
        .iter()
        .map(|call| call.at.as_millis())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_and_made_again() {
    let rig = Rig::new();
    rig.coingecko.set([Reply::hang(), all("100", 0)]);
    assert_eq!(update(&rig).await.written, 3);
    // ATTEMPT_TIMEOUT, and half of 200 ms.
    assert_eq!(called_at(&rig), [0, 5100]);

    let rig = Rig::with(&[("ATTEMPT_TIMEOUT_MS", "700")], 1.0);
    rig.coingecko.set([Reply::hang(), all("100", 0)]);
    update(&rig).await;
    assert_eq!(called_at(&rig), [0, 800]);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_up_to_its_limit() {
    let body = markets(&[("bitcoin", "100", 0)]);
    let padded = |length: usize| Reply::ok(body.clone() + &" ".repeat(length - body.len()));
    let rig = Rig::new();
    rig.coingecko.set([padded(BODY_LIMIT)]);
    assert_eq!(update(&rig).await.written, 1);
    assert_eq!(rig.coingecko.calls().len(), 1);

    let rig = Rig::new();
    rig.coingecko.set([padded(BODY_LIMIT + 1), all("100", 0)]);
    assert_eq!(update(&rig).await.written, 3, "the answer to the retry");
    assert_eq!(rig.coingecko.calls().len(), 2);
}

//! Counters: exactly as many as there is room for.

use std::{collections::BTreeSet, sync::Arc};

use service::{
    models::KeyId,
    store::{Counted, Store},
};

/// How many count at once.
pub(crate) const CLIENTS: u32 = 64;
/// How often each of them does in the long checks.
pub(crate) const TRIES_EACH: u32 = 1_000;
/// Room of the counter in [`share_out_their_room`], and tries.
pub(crate) const ROOM: u32 = 100;
pub(crate) const TRIES: u32 = CLIENTS * 5;
pub(crate) const WINDOW: i64 = 29_540_160;
const TTL: i64 = 1_772_413_200;

pub(crate) async fn admit_as_many_as_there_is_room_for(store: &Arc<dyn Store>) {
    share_out_their_room(store, &KeyId::new("64 clients")).await;
}

/// 64 clients on one counter: exactly as many are admitted as there is room for, each with a count of its own.
pub(crate) async fn share_out_their_room(store: &Arc<dyn Store>, key: &KeyId) {
    share_out(store, key, TRIES / CLIENTS, ROOM).await;
}

/// 64 clients count a thousand requests each: while there is room for all of them, none is refused or lost.
pub(crate) async fn lose_none_of_64_000(store: &Arc<dyn Store>) {
    let all = CLIENTS * TRIES_EACH;
    share_out(store, &KeyId::new("room for all"), TRIES_EACH, all).await;
}

/// The same with too little room: not one more is admitted.
pub(crate) async fn admit_48_000_of_64_000(store: &Arc<dyn Store>) {
    share_out(store, &KeyId::new("room for some"), TRIES_EACH, 48_000).await;
}

async fn share_out(store: &Arc<dyn Store>, key: &KeyId, tries_each: u32, room: u32) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let mut counted = Vec::new();
                for _ in 0..tries_each {
                    let answer = store.count_request(&key, WINDOW, room, TTL).await;
                    counted.push(answer.expect("an answer").value);
                }
                counted
            })
        })
        .collect();
    let (mut admitted, mut refused) = (BTreeSet::new(), 0);
    for client in clients {
        for counted in client.await.expect("no panic") {
            match counted {
                Counted::Admitted { count } => assert!(admitted.insert(count), "{count} was given twice"),
                Counted::Refused { count } => {
                    assert_eq!(count, room, "a refusal shows the full counter");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(admitted, (1..=room).collect());
    assert_eq!(refused, CLIENTS * tries_each - room);
    let count = async |window| store.request_count(key, window).await.expect("an answer").value;
    assert_eq!((count(WINDOW).await, count(WINDOW + 1).await), (room, 0));
}

/// Windows and keys have counters of their own; the room is that of each request; the first of a window is admitted
/// whatever the room.
pub(crate) async fn are_apart_by_key_and_window(store: &Arc<dyn Store>) {
    let (one, other) = (KeyId::new("one"), KeyId::new("other"));
    let count = async |id, window, room| {
        let answer = store.count_request(id, window, room, TTL).await;
        answer.expect("an answer").value
    };
    use Counted::{Admitted, Refused};
    assert_eq!(count(&one, 5, 0).await, Admitted { count: 1 });
    assert_eq!(count(&one, 5, 1).await, Refused { count: 1 });
    assert_eq!(count(&one, 5, 2).await, Admitted { count: 2 });
    assert_eq!(count(&one, 6, 1).await, Admitted { count: 1 });
    assert_eq!(count(&other, 5, 9).await, Admitted { count: 1 });
    assert_eq!(count(&one, 5, 2).await, Refused { count: 2 });
    assert_eq!(
        count(&one, 4, 9).await,
        Admitted { count: 1 },
        "an earlier window"
    );
}

//! Counters: exactly as many as there is room for.

use std::{collections::BTreeSet, sync::Arc};

use service::{
    models::KeyId,
    store::{Counted, Store},
};

/// Room of the counter in [`share_out_their_room`], and tries.
pub(crate) const ROOM: u32 = 100;
pub(crate) const TRIES: u32 = 64 * 5;
pub(crate) const WINDOW: i64 = 29_540_160;
const TTL: i64 = 1_772_413_200;

pub(crate) async fn admit_as_many_as_there_is_room_for(store: &Arc<dyn Store>) {
    share_out_their_room(store, &KeyId::new("64 clients")).await;
}

/// 64 clients on one counter: exactly as many are admitted as there is room for, each with a count of its own.
pub(crate) async fn share_out_their_room(store: &Arc<dyn Store>, key: &KeyId) {
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let mut counted = Vec::new();
                for _ in 0..TRIES / 64 {
                    let answer = store.count_request(&key, WINDOW, ROOM, TTL).await;
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
                    assert_eq!(count, ROOM, "a refusal shows the full counter");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(admitted, (1..=ROOM).collect());
    assert_eq!(refused, TRIES - ROOM);
    let count = async |window| store.request_count(key, window).await.expect("an answer").value;
    assert_eq!((count(WINDOW).await, count(WINDOW + 1).await), (ROOM, 0));
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

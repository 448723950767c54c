//! API keys: made once, disabled, touched, listed in pages.

use std::{collections::BTreeSet, sync::Arc};

use service::{
    models::{ApiKeyItem, KeyId, Timestamp},
    store::Store,
};

use super::{NOW, assert_invalid, price};

pub(crate) fn key(id: &str, name: &str) -> ApiKeyItem {
    ApiKeyItem {
        id: KeyId::new(id),
        name: name.to_owned(),
        created_at: NOW,
        enabled: true,
        last_used_at: None,
    }
}

/// A key is put once and comes back as it went.
pub(crate) async fn are_made_once(store: &Arc<dyn Store>) {
    let (first, second) = (key("ab12", "first"), key("ab12", "second"));
    let read = async || store.api_key(&first.id).await.expect("an answer").value;
    assert_eq!(read().await, None);
    assert!(store.put_api_key(&first).await.expect("an answer").value);
    assert!(!store.put_api_key(&second).await.expect("an answer").value);
    assert_eq!(read().await, Some(first.clone()));

    let used = ApiKeyItem {
        enabled: false,
        last_used_at: Some(Timestamp(7)),
        ..key("cd34", "")
    };
    // A counter of a key is no key.
    store.count_request(&used.id, 1, 1, 1).await.expect("an answer");
    assert_eq!(store.api_key(&used.id).await.expect("an answer").value, None);
    assert!(store.put_api_key(&used).await.expect("an answer").value);
    assert_eq!(
        store.api_key(&used.id).await.expect("an answer").value,
        Some(used)
    );

    let huge = key("ef56", &"x".repeat(400 * 1024));
    assert_invalid(store.put_api_key(&huge).await, "PutItem");
    assert_eq!(store.api_key(&huge.id).await.expect("an answer").value, None);
}

/// An update of a key that is not there makes none; a use is noted when the last was long enough ago.
pub(crate) async fn are_updated_only_where_they_are(store: &Arc<dyn Store>) {
    let absent = KeyId::new("nobody");
    assert!(!store.disable_api_key(&absent).await.expect("an answer").value);
    let touched = store.touch_api_key(&absent, Timestamp(2), Timestamp(1)).await;
    assert!(!touched.expect("an answer").value);
    assert_eq!(store.api_key(&absent).await.expect("an answer").value, None);

    let made = key("ab34", "an app");
    store.put_api_key(&made).await.expect("an answer");
    let touch = async |now, not_since| {
        let touched = store
            .touch_api_key(&made.id, Timestamp(now), Timestamp(not_since))
            .await;
        touched.expect("an answer").value
    };
    assert!(touch(100, 40).await, "never used so far");
    assert!(!touch(159, 99).await);
    assert!(touch(160, 100).await);
    assert!(store.disable_api_key(&made.id).await.expect("an answer").value);
    assert!(
        store.disable_api_key(&made.id).await.expect("an answer").value,
        "again"
    );
    assert!(touch(300, 240).await, "a disabled one, too");
    let expected = ApiKeyItem {
        enabled: false,
        last_used_at: Some(Timestamp(300)),
        ..made.clone()
    };
    assert_eq!(
        store.api_key(&made.id).await.expect("an answer").value,
        Some(expected)
    );
}

/// Pages of a megabyte of whatever is in the table give each key once, and nothing else.
pub(crate) async fn are_listed_in_pages(store: &Arc<dyn Store>) {
    let first = store.list_api_keys(None).await.expect("an answer");
    assert_eq!((first.value.keys.len(), first.value.next), (0, None));

    store.write_prices(&[price("BTC", "1")]).await.expect("an answer");
    let keys: Vec<_> = (0..5)
        .map(|n| key(&format!("{n:064x}"), &"x".repeat(300_000)))
        .collect();
    for key in &keys {
        store.put_api_key(key).await.expect("an answer");
        store.count_request(&key.id, 5, 9, 99).await.expect("an answer");
    }
    let (mut start, mut pages, mut read) = (None, 0, 0.0);
    let mut listed = BTreeSet::new();
    loop {
        let page = store
            .list_api_keys(start.as_ref())
            .await
            .expect("an answer")
            .charge_to(&mut read);
        pages += 1;
        for key in page.keys {
            assert!(listed.insert(key.id.clone()), "{:?} is listed twice", key.id);
            assert!(keys.contains(&key));
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), keys.len());
    assert_eq!(pages, 2);
    // 1.5 MB in steps of 4 KB, each half a unit.
    assert!((183.0..185.0).contains(&read), "{read} units");
}

trait ChargeTo<T> {
    fn charge_to(self, read: &mut f64) -> T;
}

impl<T> ChargeTo<T> for service::store::Metered<T> {
    fn charge_to(self, read: &mut f64) -> T {
        *read += self.consumed.read;
        self.value
    }
}

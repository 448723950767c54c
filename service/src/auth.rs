//! API keys: from the presented secret to a known, enabled key.
//!
//! Only the SHA-256 of a secret is looked up, kept or logged. Keys that exist are remembered for a short time;
//! keys that do not are never remembered, so that made-up ones cannot fill the memory.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    models::{ApiKeyItem, ByKey, KeyId},
    store::{Capacity, Store, StoreError},
};

/// The header that carries the key.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// `lastUsedAt` is written at most this often for one key.
pub const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Longest secret that is looked at, bytes.
const MAX_SECRET: usize = 256;

/// Keys remembered by one process.
const KEPT_KEYS: usize = 10_000;

/// The identity of a secret.
#[must_use]
pub fn key_id(secret: &str) -> KeyId {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(secret.as_bytes()) {
        hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
        hex.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    KeyId::new(&hex)
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No key, more than one, an unknown one or a disabled one: the answer never tells which.
    Unauthorized,
    /// The key could not be looked up.
    Store(StoreError),
}

/// The keys that a process knows.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_id: ByKey<Entry>,
    /// In the order of their first use, to forget the oldest.
    order: VecDeque<KeyId>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    enabled: bool,
    /// When it was read.
    read_at: Timestamp,
    /// When `lastUsedAt` was written, by anyone, as far as is known.
    touched_at: Option<Timestamp>,
}

impl KeyCache {
    /// The key that a request presents. Trusts what was read less than `trusted` ago; adds what a lookup
    /// costs to `consumed`.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn authenticate(
        &self,
        store: &dyn Store,
        headers: &HeaderMap,
        now: Timestamp,
        trusted: Duration,
        consumed: &mut Capacity,
    ) -> Result<KeyId, AuthError> {
        let id = presented(headers).map(key_id).ok_or(AuthError::Unauthorized)?;
        let enabled = match self.enabled(&id, now, trusted) {
            Some(enabled) => enabled,
            None => match store
                .api_key(&id)
                .await
                .map_err(AuthError::Store)?
                .charge(consumed)
            {
                Some(item) => self.learn(&item, now),
                None => false,
            },
        };
        if enabled {
            Ok(id)
        } else {
            Err(AuthError::Unauthorized)
        }
    }

    /// Whether the key's `lastUsedAt` is due to be written; if so, the caller writes it and it is not due
    /// again for [`TOUCH_EVERY`].
    #[must_use]
    pub fn touch_due(&self, id: &KeyId, now: Timestamp) -> bool {
        let mut known = self.known();
        let Some(entry) = known.by_id.get_mut(id) else {
            return false;
        };
        let due = entry
            .touched_at
            .is_none_or(|at| now.0 - at.0 >= millis(TOUCH_EVERY));
        if due {
            entry.touched_at = Some(now);
        }
        due
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.known().by_id.len()
    }

    fn enabled(&self, id: &KeyId, now: Timestamp, trusted: Duration) -> Option<bool> {
        let known = self.known();
        let entry = known.by_id.get(id)?;
        (now.0 - entry.read_at.0 < millis(trusted)).then_some(entry.enabled)
    }

    fn learn(&self, item: &ApiKeyItem, now: Timestamp) -> bool {
        let mut known = self.known();
        let mut entry = Entry {
            enabled: item.enabled,
            read_at: now,
            touched_at: item.last_used_at,
        };
        if let Some(old) = known.by_id.get(&item.id) {
            entry.touched_at = entry.touched_at.max(old.touched_at);
        } else {
            if known.by_id.len() >= KEPT_KEYS
                && let Some(oldest) = known.order.pop_front()
            {
                known.by_id.remove(&oldest);
            }
            known.order.push_back(item.id.clone());
        }
        known.by_id.insert(item.id.clone(), entry);
        item.enabled
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one presented secret, when it can be one.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(API_KEY).iter();
    let (first, second) = (values.next(), values.next());
    let secret = first.filter(|_| second.is_none())?.to_str().ok()?.trim();
    (1..=MAX_SECRET).contains(&secret.len()).then_some(secret)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(secret: &str, last_used_at: Option<Timestamp>) -> ApiKeyItem {
        ApiKeyItem {
            id: key_id(secret),
            name: "a test".to_owned(),
            created_at: Timestamp(0),
            enabled: true,
            last_used_at,
        }
    }

    #[test]
    fn the_id_is_the_hex_sha_256_of_the_secret() {
        assert_eq!(
            key_id("abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn what_cannot_be_a_key_is_not_looked_up() {
        let header = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(API_KEY, value.parse().expect("a header value"));
            headers
        };
        assert_eq!(presented(&HeaderMap::new()), None);
        assert_eq!(presented(&header("")), None);
        assert_eq!(presented(&header(&"x".repeat(257))), None);
        assert_eq!(presented(&header(" abc ")), Some("abc"));
        let mut twice = header("abc");
        twice.append(API_KEY, "def".parse().expect("valid"));
        assert_eq!(presented(&twice), None);
    }

    #[test]
    fn a_key_is_trusted_for_its_time_and_no_longer() {
        let keys = KeyCache::default();
        let trusted = Duration::from_secs(60);
        let id = key_id("abc");
        assert_eq!(keys.enabled(&id, Timestamp(0), trusted), None);
        keys.learn(&item("abc", None), Timestamp(1000));
        assert_eq!(keys.enabled(&id, Timestamp(60_999), trusted), Some(true));
        assert_eq!(keys.enabled(&id, Timestamp(61_000), trusted), None);
        assert_eq!(
            keys.enabled(&id, Timestamp(1000), Duration::ZERO),
            None,
            "no caching at all"
        );
    }

    #[test]
    fn last_used_is_due_once_a_minute() {
        let keys = KeyCache::default();
        let id = key_id("abc");
        assert!(!keys.touch_due(&id, Timestamp(0)), "an unknown key is nobody's");
        keys.learn(&item("abc", Some(Timestamp(0))), Timestamp(10_000));
        assert!(
            !keys.touch_due(&id, Timestamp(59_999)),
            "another process wrote it"
        );
        assert!(keys.touch_due(&id, Timestamp(60_000)));
        assert!(!keys.touch_due(&id, Timestamp(60_001)));
        keys.learn(&item("abc", Some(Timestamp(0))), Timestamp(61_000));
        assert!(
            !keys.touch_due(&id, Timestamp(61_000)),
            "a stale read does not make it due again"
        );
        assert!(keys.touch_due(&id, Timestamp(120_000)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let keys = KeyCache::default();
        for n in 0..KEPT_KEYS + 100 {
            keys.learn(&item(&n.to_string(), None), Timestamp(0));
        }
        assert_eq!(keys.remembered(), KEPT_KEYS);
        assert_eq!(keys.known().order.len(), KEPT_KEYS);
    }
}

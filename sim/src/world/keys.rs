//! The API keys of a run's users.

use sha2::{Digest, Sha256};

use crate::seed::Seed;

/// The secrets of the keys of one load. They depend on seed, load and index alone, and no two loads share one.
#[must_use]
pub fn secrets(seed: Seed, load: &str, count: u32) -> Vec<String> {
    let base = seed.child("keys").child(load);
    (0..count)
        .map(|index| {
            let digest = Sha256::new()
                .chain_update(base.0.to_le_bytes())
                .chain_update(index.to_le_bytes())
                .finalize();
            digest[..16].iter().fold(String::from("cw_"), |secret, byte| {
                secret + &format!("{byte:02x}")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_repeat_with_the_seed_and_are_never_shared() {
        let day = secrets(Seed(1), "day", 50);
        assert_eq!(day, secrets(Seed(1), "day", 50));
        assert_eq!(day[..10], secrets(Seed(1), "day", 10)[..]);
        let all: BTreeSet<String> = day.into_iter().chain(secrets(Seed(1), "night", 50)).collect();
        assert_eq!(all.len(), 100);
    }
}

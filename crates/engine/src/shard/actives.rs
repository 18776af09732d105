//! How is an active subscription found by its id?

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use photinus_contract::SubscriptionId;

use super::active::Active;

/// The active subscriptions of a shard.
pub(super) type Actives = ById<Box<Active>>;

/// Something for each of some subscriptions.
pub(super) type ById<T> = HashMap<SubscriptionId, T, BuildHasherDefault<IdHasher>>;

/// Takes ids as they are: the server makes them, and half of their bits are random.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(random) = bytes.last_chunk() {
            let random = u64::from_le_bytes(*random);
            self.0 = random ^ random.rotate_left(32);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_of_one_shard_differ_in_the_bits_that_a_map_looks_at() {
        let hasher = BuildHasherDefault::<IdHasher>::default();
        let of_shard = |_| loop {
            let id = Uuid::now_v7();
            if id.as_u128() as u64 % 8 == 3 {
                return hasher.hash_one(SubscriptionId(id));
            }
        };
        let hashes: Vec<u64> = (0..4_096).map(of_shard).collect();
        let low: BTreeSet<u64> = hashes.iter().map(|hash| hash & 0xfff).collect();
        let high: BTreeSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        // Of as many random numbers, 63 % differ.
        assert!(low.len() > 2_300, "{} of 4,096", low.len());
        assert_eq!(high.len(), 128);
    }
}

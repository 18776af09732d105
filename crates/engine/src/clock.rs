//! What time is it, and what is a new id?
//!
//! The one room that asks the machine. Everything else is told, so that a simulation can tell it something
//! else.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use photinus_contract::Timestamp;
use uuid::Uuid;

/// The sources of what cannot be computed.
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A new UUID of version 7: unique, and in time order.
    fn new_id(&self) -> Uuid;

    /// As many new UUIDs, rising: above all that were made before, and below all that will be.
    fn new_ids(&self, count: usize) -> Vec<Uuid> {
        (0..count).map(|_| self.new_id()).collect()
    }
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that asks the machine"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn new_id(&self) -> Uuid {
        let mut ids = lock_ids();
        ids.begin(self.now(), 1);
        ids.next()
    }

    fn new_ids(&self, count: usize) -> Vec<Uuid> {
        let mut ids = lock_ids();
        ids.begin(self.now(), count);
        (0..count).map(|_| ids.next()).collect()
    }
}

/// The ids of this process: all in one order, whoever asks.
static IDS: Mutex<Ids> = Mutex::new(Ids {
    millis: 0,
    count: 0,
});

// Nothing between lock and unlock can leave half a change.
fn lock_ids() -> std::sync::MutexGuard<'static, Ids> {
    IDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bits of an id that count within its millisecond. The 12 bits below them number the parts of a message, and
/// 6 bits say what kind of UUID it is.
const COUNT_BITS: u32 = 62;
/// The bits of an id below version and variant, without those of parts.
const LOW_BITS: u32 = 50;

/// Makes UUIDs of version 7. Each millisecond begins with a count at random, and counts on from there: so the system
/// is asked for randomness once in a millisecond, and what was made together stands together in an index.
struct Ids {
    millis: u64,
    /// The last that was given.
    count: u64,
}

impl Ids {
    /// So many will be asked for, now. If the clock has gone back, the time of the last one goes on.
    fn begin(&mut self, now: Timestamp, wanted: usize) {
        let now = u64::try_from(now.as_nanos() / 1_000_000).unwrap_or(0);
        let is_full = self.count + wanted as u64 >= 1 << COUNT_BITS;
        if now > self.millis || is_full {
            self.millis = now.max(self.millis + u64::from(is_full));
            // Half of the counts are left for what follows in this millisecond.
            let (_, random) = Uuid::new_v4().as_u64_pair();
            self.count = random & ((1 << (COUNT_BITS - 1)) - 1);
        }
    }

    fn next(&mut self) -> Uuid {
        self.count += 1;
        let high = self.millis << 16 | 0x7 << 12 | self.count >> LOW_BITS;
        let low = 0b10 << 62 | (self.count & ((1 << LOW_BITS) - 1)) << 12;
        Uuid::from_u64_pair(high, low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_7_and_rise_whatever_the_clock_does() {
        let mut ids = Ids {
            millis: 0,
            count: 0,
        };
        let mut last = Uuid::nil();
        for (millis, wanted) in [(1_000, 1), (1_000, 5_000), (999, 3), (1_001, 1), (1_001, 2)] {
            let before = ids.millis;
            ids.begin(Timestamp::from_nanos(millis * 1_000_000), wanted);
            assert!(ids.millis >= before);
            for _ in 0..wanted {
                let id = ids.next();
                assert!(id > last, "{last} {id}");
                assert_eq!(id.get_version_num(), 7);
                assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
                assert_eq!(id.as_u128() & 0xFFF, 0, "parts are numbered there");
                last = id;
            }
        }
        assert_eq!(ids.millis, 1_001);
    }

    #[test]
    fn a_millisecond_that_is_full_gives_way_to_the_next() {
        let mut ids = Ids {
            millis: 7,
            count: (1 << COUNT_BITS) - 3,
        };
        let last = ids.next();
        ids.begin(Timestamp::from_nanos(7_000_000), 2);
        assert_eq!(ids.millis, 8);
        assert!(ids.next() > last);
    }

    #[test]
    fn the_time_of_an_id_is_that_of_the_clock() {
        let before = SystemClock.now().as_nanos() / 1_000_000;
        let ids = SystemClock.new_ids(3);
        let after = SystemClock.now().as_nanos() / 1_000_000;
        assert!(ids.is_sorted());
        for id in ids {
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            let millis = seconds as i64 * 1_000 + i64::from(nanos) / 1_000_000;
            assert!((before..=after + 1).contains(&millis));
        }
    }
}

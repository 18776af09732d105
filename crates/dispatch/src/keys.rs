//! Which events may go out, one at a time for each key?

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::Sequence;

use crate::instant::Instant;

/// The events that are not settled, by their keys. Of a key only the first goes out, and the next when that is
/// settled; a key whose first event has failed waits for itself alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Keys {
    queues: BTreeMap<u64, Queue>,
    /// The events that can go out now.
    ready: BTreeSet<(Sequence, u64)>,
    /// The keys that wait until then.
    held: BTreeSet<(Instant, u64)>,
}

/// The events of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Queue {
    waiting: BTreeSet<Sequence>,
    /// The one that has gone out. Not always the first: one that is replayed may have come before it since.
    out: Option<Sequence>,
    /// Nothing goes out before that time, because this event has failed.
    held: Option<(Instant, Sequence)>,
}

impl Keys {
    /// Takes an event in.
    pub(crate) fn push(&mut self, key: u64, sequence: Sequence) {
        self.change(key, |queue| {
            queue.waiting.insert(sequence);
        });
    }

    /// The event that goes out next.
    pub(crate) fn next(&self) -> Option<Sequence> {
        self.ready.first().map(|(sequence, _)| *sequence)
    }

    /// How many can go out.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The event goes out.
    pub(crate) fn take(&mut self, key: u64, sequence: Sequence) {
        self.change(key, |queue| queue.out = Some(sequence));
    }

    /// The event comes back, and may go out again at that time, and nothing of its key before.
    pub(crate) fn put_back(&mut self, key: u64, sequence: Sequence, held_until: Option<Instant>) {
        self.change(key, |queue| {
            queue.out = queue.out.filter(|out| *out != sequence);
            queue.held = queue.held.max(held_until.map(|until| (until, sequence)));
        });
    }

    /// The event is settled, or gone: nothing waits for its sake any more.
    pub(crate) fn settle(&mut self, key: u64, sequence: Sequence) {
        self.change(key, |queue| {
            queue.waiting.remove(&sequence);
            queue.out = queue.out.filter(|out| *out != sequence);
            queue.held = queue.held.filter(|(_, failed)| *failed != sequence);
        });
    }

    /// Lets those go out whose time has come.
    pub(crate) fn release(&mut self, now: Instant) {
        while let Some(&(until, key)) = self.held.first() {
            if until > now {
                break;
            }
            self.change(key, |queue| queue.held = None);
        }
    }

    /// When the next one is released.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.held.first().map(|(until, _)| *until)
    }

    /// Whether a key waits before its event is tried again.
    pub(crate) fn is_held(&self, now: Instant) -> bool {
        self.held.last().is_some_and(|(until, _)| *until > now)
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut Queue)) {
        let queue = self.queues.entry(key).or_default();
        if let Some(ready) = queue.ready() {
            self.ready.remove(&(ready, key));
        }
        if let Some((until, _)) = queue.held {
            self.held.remove(&(until, key));
        }
        change(queue);
        if queue.waiting.is_empty() {
            self.queues.remove(&key);
            return;
        }
        if let Some(ready) = queue.ready() {
            self.ready.insert((ready, key));
        }
        if let Some((until, _)) = queue.held {
            self.held.insert((until, key));
        }
    }
}

impl Queue {
    fn ready(&self) -> Option<Sequence> {
        match (self.out, self.held) {
            (None, None) => self.waiting.first().copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_has_one_event_out_and_holds_back_nobody_else() {
        let mut keys = Keys::default();
        for (key, sequence) in [(1, 10), (2, 11), (1, 12), (2, 13)] {
            keys.push(key, Sequence(sequence));
        }
        assert_eq!((keys.next(), keys.ready()), (Some(Sequence(10)), 2));
        keys.take(1, Sequence(10));
        keys.take(2, Sequence(11));
        assert_eq!(keys.next(), None);
        keys.settle(2, Sequence(11));
        assert_eq!(keys.next(), Some(Sequence(13)));
        let later = Instant(Duration::from_secs(1));
        keys.put_back(1, Sequence(10), Some(later));
        assert_eq!((keys.ready(), keys.next_release()), (1, Some(later)));
        assert!(keys.is_held(Instant::default()));
        // What is replayed comes first, and not before the time of its key either.
        keys.push(1, Sequence(4));
        assert_eq!(keys.next(), Some(Sequence(13)));
        keys.release(later);
        assert_eq!(keys.next(), Some(Sequence(4)));
        for (key, sequence) in [(1, 4), (1, 10), (1, 12), (2, 13)] {
            keys.take(key, Sequence(sequence));
            keys.settle(key, Sequence(sequence));
        }
        assert_eq!(keys, Keys::default());
    }
}

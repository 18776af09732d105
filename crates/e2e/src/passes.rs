//! In what order did a durable subscription deliver, and what of it more than once?
//!
//! A *pass* is a run of deliveries in rising order. A new one may only begin with a new life of the server, or
//! after a nack that asked for a retry. What can be seen at once is checked at once, so that the first broken
//! promise stops the test where it happened; the rest when the whole log is known.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::log_copy::LogCopy;

/// When each life of the server ended, and how far it was behind then.
#[derive(Default)]
pub struct Kills(Mutex<Vec<(Instant, Duration)>>);

impl Kills {
    /// The next life ended now. What was acknowledged more than `slack` ago must be stored.
    pub fn add(&self, at: Instant, slack: Duration) {
        self.kills().push((at, slack));
    }

    /// Before which moment an acknowledgement has to be stored at the end of that life.
    fn stored_before(&self, life: usize) -> Option<Instant> {
        let (at, slack) = *self.kills().get(life)?;
        at.checked_sub(slack)
    }

    fn kills(&self) -> std::sync::MutexGuard<'_, Vec<(Instant, Duration)>> {
        self.0.lock().expect("nobody panics while it holds this")
    }
}

/// What one durable subscription delivered.
pub struct Passes {
    name: String,
    matches: fn(&str) -> bool,
    deliveries: BTreeMap<i64, Delivered>,
    passes: Vec<Vec<i64>>,
    life: Option<usize>,
    /// A nack asked for this event again, and it has not come yet.
    rewinding: Option<i64>,
    /// Up to here all was settled for good when this life began.
    solid: i64,
    /// This was not settled when the life before ended, so this life begins with it or below.
    unsettled: Option<i64>,
    first_of_life: bool,
    repeats: usize,
}

struct Delivered {
    topic: String,
    settled: Option<Settled>,
    /// It was parked or skipped, perhaps too shortly before a kill to stay so.
    was_aside: bool,
}

#[derive(Clone, Copy)]
struct Settled {
    at: Instant,
    life: usize,
    /// Parked or skipped: no rewind brings it back.
    aside: bool,
}

impl Passes {
    /// Of the subscription of this name, to which the events with such topics are delivered.
    pub fn new(name: &str, matches: fn(&str) -> bool) -> Self {
        Self {
            name: name.to_owned(),
            matches,
            deliveries: BTreeMap::new(),
            passes: Vec::new(),
            life: None,
            rewinding: None,
            solid: i64::MIN,
            unsettled: None,
            first_of_life: false,
            repeats: 0,
        }
    }

    /// A connection in this life of the server. One life has one connection, since a server that goes on
    /// has no reason to end it.
    #[track_caller]
    pub fn connected(&mut self, life: usize, kills: &Kills) {
        let name = &self.name;
        if let Some(before) = self.life {
            assert!(
                life > before,
                "{name}: the connection was lost, and the server is still in its life {life}"
            );
            // Lives in which nothing came end, too; the one that moves the bound most counts.
            for ended in before..life {
                if let Some(before) = kills.stored_before(ended) {
                    let all = self.deliveries.iter();
                    let solid = all
                        .take_while(|(_, delivered)| delivered.is_settled_before(before))
                        .map(|(sequence, _)| *sequence)
                        .last();
                    self.solid = self.solid.max(solid.unwrap_or(i64::MIN));
                }
            }
            let mut all = self.deliveries.range(self.solid.saturating_add(1)..);
            self.unsettled = all
                .find(|(_, delivered)| delivered.settled.is_none() && !delivered.was_aside)
                .map(|(sequence, _)| *sequence);
            for delivered in self.deliveries.values_mut() {
                delivered.forget_late(kills);
            }
        }
        self.life = Some(life);
        self.first_of_life = true;
        self.rewinding = None;
        self.passes.push(Vec::new());
    }

    /// An event arrived.
    #[track_caller]
    pub fn delivered(&mut self, sequence: i64, topic: &str) {
        let name = &self.name;
        let pass = self.passes.last().expect("connected");
        if let Some(from) = self.rewinding
            && sequence <= from
        {
            self.rewinding = None;
            // What was acknowledged above the gap is delivered again, and has to be acknowledged again.
            for (_, delivered) in self.deliveries.range_mut(sequence..) {
                delivered.settled.take_if(|settled| !settled.aside);
            }
            self.passes.push(Vec::new());
        } else if let Some(last) = pass.last() {
            assert!(
                sequence > *last,
                "{name}: {topic} ({sequence}) was delivered after {last}, on one connection"
            );
        }
        if let Some(unsettled) = self.unsettled.take() {
            assert!(
                sequence <= unsettled,
                "{name}: after a restart {topic} ({sequence}) came first, and {unsettled} was not answered"
            );
        }
        assert!(
            sequence > self.solid,
            "{name}: {topic} ({sequence}) is repeated, and all up to {} was settled long before the kill",
            self.solid
        );
        if self.first_of_life {
            // The stored offset is below it, and never goes back.
            self.solid = self.solid.max(sequence - 1);
            self.first_of_life = false;
        }
        if let Some(before) = self.deliveries.get_mut(&sequence) {
            assert_eq!(before.topic, topic, "{name}: {sequence} has changed");
            if let Some(settled) = before.settled {
                assert!(
                    !settled.aside,
                    "{name}: {topic} ({sequence}) was parked or skipped and comes again"
                );
            }
            before.settled = None;
            self.repeats += 1;
        } else {
            let delivered = Delivered {
                topic: topic.to_owned(),
                settled: None,
                was_aside: false,
            };
            self.deliveries.insert(sequence, delivered);
        }
        self.passes.last_mut().expect("connected").push(sequence);
    }

    /// The event was acknowledged now, or parked or skipped (`aside`).
    pub fn settled(&mut self, sequence: i64, at: Instant, aside: bool) {
        if self.rewinding.is_some() {
            // An answer to a delivery that is void by now.
            return;
        }
        let life = self.life.expect("connected");
        let delivered = self.deliveries.get_mut(&sequence).expect("delivered");
        delivered.settled = Some(Settled { at, life, aside });
        delivered.was_aside |= aside;
    }

    /// A nack asked for the event again: everything since is void.
    pub fn retried(&mut self, sequence: i64) {
        if self.rewinding.is_none() {
            self.rewinding = Some(sequence);
        }
    }

    /// Whether a nack was sent whose event has not come again yet.
    pub fn is_rewinding(&self) -> bool {
        self.rewinding.is_some()
    }

    /// How many deliveries there were, and how many of them repeated an earlier one.
    pub fn counts(&self) -> (usize, usize) {
        (self.deliveries.len() + self.repeats, self.repeats)
    }

    /// Holds all of it up to this sequence against the log: every event that matches came; within a pass none was left out,
    /// except what was parked or skipped; and no pass began above an event that had not come before.
    #[track_caller]
    pub fn assert_complete(&self, log: &LogCopy, upto: i64) {
        let name = &self.name;
        let expected: BTreeMap<i64, &str> = log
            .events()
            .range(..=upto)
            .map(|(sequence, event)| (*sequence, event.topic.as_str()))
            .filter(|(_, topic)| (self.matches)(topic))
            .collect();
        for (sequence, topic) in &expected {
            let delivered = self.deliveries.get(sequence);
            let delivered =
                delivered.unwrap_or_else(|| panic!("{name}: {topic} ({sequence}) never came"));
            assert_eq!(delivered.topic, *topic, "{name}: {sequence}");
        }
        for (sequence, delivered) in self.deliveries.range(..=upto) {
            let topic = &delivered.topic;
            assert!(
                expected.contains_key(sequence),
                "{name}: {topic} ({sequence}) came, and does not match or is not in the log"
            );
        }
        let was_aside = |sequence: &i64| self.deliveries[sequence].was_aside;
        let mut highest = i64::MIN;
        for pass in &self.passes {
            let Some(first) = pass.first() else { continue };
            let next = expected.range(highest.saturating_add(1)..).next();
            let skipped = next.filter(|(next, _)| *next < first);
            assert!(
                skipped.is_none(),
                "{name}: a pass began at {first}, and {skipped:?} had not come before"
            );
            for pair in pass.windows(2) {
                let left_out = expected
                    .range(pair[0] + 1..pair[1])
                    .find(|(sequence, _)| !was_aside(sequence));
                assert!(
                    left_out.is_none(),
                    "{name}: {left_out:?} was left out between {pair:?}"
                );
            }
            highest = highest.max(*pass.last().unwrap_or(first));
        }
    }
}

impl Delivered {
    fn is_settled_before(&self, moment: Instant) -> bool {
        self.settled.is_some_and(|settled| settled.at < moment)
    }

    /// What was settled too shortly before the end of that life may be unsettled again.
    fn forget_late(&mut self, kills: &Kills) {
        self.settled.take_if(|settled| {
            let before = kills.stored_before(settled.life);
            before.is_some_and(|before| settled.at >= before)
        });
    }
}

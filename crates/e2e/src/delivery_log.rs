//! Does what a consumer received keep the promises, over any number of kills?
//!
//! It is written while events arrive, so that the first broken promise stops the test where it happened.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// An acknowledgement is stored within this time, so a kill repeats none that is older.
pub const ACK_STORED_WITHIN: Duration = Duration::from_millis(200);

/// What one durable subscription delivered.
pub struct DeliveryLog {
    read_ahead: usize,
    /// The topics of first deliveries, in order.
    topics: Vec<String>,
    sequences: BTreeSet<i64>,
    lives: Vec<Life>,
}

/// What was delivered between two starts of the server.
#[derive(Default)]
struct Life {
    sequences: Vec<i64>,
    acks: Vec<Instant>,
}

impl DeliveryLog {
    /// The log of a subscription with this read-ahead.
    pub fn new(read_ahead: usize) -> Self {
        Self {
            read_ahead,
            topics: Vec::new(),
            sequences: BTreeSet::new(),
            lives: Vec::new(),
        }
    }

    /// A new connection, in this life of the server. One life has one connection, since a server that
    /// goes on has no reason to end it.
    #[track_caller]
    pub fn connected(&mut self, life: usize) {
        assert!(
            life >= self.lives.len(),
            "the connection was lost, and the server is still in its life {life}"
        );
        self.lives.resize_with(life + 1, Life::default);
    }

    /// An event arrived. Whether it is its first delivery.
    ///
    /// Panics if it came out of order, or if an event was left out before it and is made up for now.
    #[track_caller]
    pub fn delivered(&mut self, sequence: i64, topic: &str) -> bool {
        let life = self.lives.last_mut().expect("connected");
        if let Some(&last) = life.sequences.last() {
            assert!(
                sequence > last,
                "{topic} ({sequence}) was delivered after {last}, on one connection"
            );
        }
        life.sequences.push(sequence);

        let highest = self.sequences.last().copied();
        let is_first = self.sequences.insert(sequence);
        if is_first {
            assert!(
                highest < Some(sequence),
                "{topic} ({sequence}) was left out until after {highest:?}"
            );
            self.topics.push(topic.to_owned());
        }
        is_first
    }

    /// The last event was acknowledged.
    pub fn acked(&mut self, at: Instant) {
        self.lives.last_mut().expect("connected").acks.push(at);
    }

    /// The topics of all events, in the order of their first delivery.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// How many deliveries repeated an earlier one.
    pub fn repeats(&self) -> usize {
        let deliveries: usize = self.lives.iter().map(|life| life.sequences.len()).sum();
        deliveries - self.sequences.len()
    }

    /// Holds the repeats after each of these kills, which ended the lives 0, 1, 2 and so on, against what
    /// may repeat: what was in flight, and what was acknowledged so shortly before that it need not have
    /// been stored.
    #[track_caller]
    pub fn assert_few_repeats(&self, kills: &[Instant]) {
        for (number, (pair, kill)) in self.lives.windows(2).zip(kills).enumerate() {
            let [before, after] = pair else { continue };
            let delivered: BTreeSet<i64> = before.sequences.iter().copied().collect();
            let repeats = after
                .sequences
                .iter()
                .filter(|sequence| delivered.contains(sequence))
                .count();
            let fresh = before
                .acks
                .iter()
                .filter(|&&ack| ack + ACK_STORED_WITHIN >= *kill)
                .count();
            let allowed = self.read_ahead + 1 + fresh;
            assert!(
                repeats <= allowed,
                "after kill {}: {repeats} repeats, of which {allowed} are allowed",
                number + 1
            );
        }
    }
}

//! How much is done?

use std::time::Duration;

/// The sizes of all measurements.
#[derive(Clone, Debug)]
pub struct Scale {
    /// What it is called.
    pub name: &'static str,
    /// Rounds of each measurement; product and limits take turns in each.
    pub rounds: usize,
    /// Messages that are stored before anything is measured: more than a write-ahead file takes, so that it grows no more.
    pub warm_up_messages: usize,
    /// How long each side publishes, where it publishes for a time.
    pub publish_time: Duration,
    /// Messages of one bulk request and of one publishing socket.
    pub publish_messages: usize,
    /// How long each side is held at a rate.
    pub paced_time: Duration,
    /// The same at 10/s, where a second brings so little.
    pub slow_time: Duration,
    /// How long each side drains, at least.
    pub drain_time: Duration,
    /// Events that are stored before they are drained: more than the product keeps in memory.
    pub stored_events: usize,
    /// How many of them are drained one by one.
    pub drained_singly: usize,
    /// Deliveries, in all, of many subscriptions.
    pub shared_deliveries: usize,
    /// Numbers of subscriptions over the same events.
    pub subscriptions: [usize; 4],
    /// Events of which each matches one subscription of many.
    pub matched_events: usize,
    /// Sockets that do nothing.
    pub idle_sockets: usize,
    /// Ephemeral subscriptions, and the sockets that they are on.
    pub ephemeral: (usize, usize),
    /// Events for them, and how many a second.
    pub ephemeral_events: (usize, u32),
}

impl Scale {
    /// The table that is kept: under 25 minutes on two cores.
    pub fn full() -> Self {
        Self {
            name: "full",
            rounds: 5,
            warm_up_messages: 15_000,
            publish_time: Duration::from_millis(1_500),
            publish_messages: 20_000,
            paced_time: Duration::from_secs(4),
            slow_time: Duration::from_secs(8),
            drain_time: Duration::from_millis(1_200),
            stored_events: 50_000,
            drained_singly: 10_000,
            shared_deliveries: 200_000,
            subscriptions: [1, 10, 100, 1_000],
            matched_events: 10_000,
            idle_sockets: 10_000,
            ephemeral: (100_000, 100),
            ephemeral_events: (30, 5),
        }
    }

    /// For a first look: under 4 minutes.
    pub fn quick() -> Self {
        Self {
            name: "quick",
            rounds: 3,
            warm_up_messages: 15_000,
            publish_time: Duration::from_millis(500),
            publish_messages: 5_000,
            paced_time: Duration::from_secs(1),
            slow_time: Duration::from_secs(2),
            drain_time: Duration::from_millis(300),
            stored_events: 40_000,
            drained_singly: 2_000,
            shared_deliveries: 60_000,
            subscriptions: [1, 10, 100, 500],
            matched_events: 2_000,
            idle_sockets: 1_000,
            ephemeral: (10_000, 100),
            ephemeral_events: (20, 20),
        }
    }

    /// Only whether everything works and checks itself: seconds, with a binary that is not optimised.
    pub fn tiny() -> Self {
        Self {
            name: "tiny",
            rounds: 1,
            warm_up_messages: 10,
            publish_time: Duration::from_millis(20),
            publish_messages: 30,
            paced_time: Duration::from_millis(50),
            slow_time: Duration::from_millis(300),
            drain_time: Duration::ZERO,
            stored_events: 1_200,
            drained_singly: 30,
            shared_deliveries: 2_000,
            subscriptions: [1, 2, 5, 10],
            matched_events: 20,
            idle_sockets: 20,
            ephemeral: (40, 4),
            ephemeral_events: (4, 20),
        }
    }
}

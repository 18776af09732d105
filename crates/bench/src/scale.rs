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
    /// Messages of one bulk request and of one publishing socket: CPU time is counted in hundredths of a second.
    pub publish_messages: usize,
    /// Messages of the load after which memory is looked at.
    pub memory_messages: usize,
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
    /// Messages a second of the upload beside which latency is looked at.
    pub upload_rate: u32,
    /// Numbers of ephemeral subscriptions beside which a publisher is looked at, and the sockets that they are on.
    pub bystanders: ([usize; 2], usize),
    /// Messages that are published beside them, and subscriptions that are started.
    pub beside_bystanders: (usize, usize),
    /// Events of each ordering key for a receiver that takes its time.
    pub keyed_events: usize,
    /// Subscriptions of which some are dead, and messages a second for all of them.
    pub fairness: (usize, u32),
    /// Receivers of webhooks at once.
    pub receivers: usize,
    /// Events of the long history that is scanned, caught up with, and started on.
    pub history_events: usize,
    /// Subscriptions that catch up together.
    pub catch_up: usize,
    /// Subscriptions under full load, and events that are stored before it begins and published meanwhile.
    pub full_load: (usize, usize),
    /// Events stored where much is stored, where little is, and those that are published and drained then.
    pub growth: (usize, usize, usize),
}

impl Scale {
    /// The table that is kept: under 25 minutes on two cores.
    pub fn full() -> Self {
        Self {
            name: "full",
            rounds: 5,
            warm_up_messages: 15_000,
            publish_time: Duration::from_millis(1_500),
            publish_messages: 100_000,
            memory_messages: 20_000,
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
            upload_rate: 20_000,
            bystanders: ([10_000, 100_000], 100),
            beside_bystanders: (20_000, 20_000),
            keyed_events: 20,
            fairness: (1_000, 10),
            receivers: 500,
            history_events: 1_000_000,
            catch_up: 100,
            full_load: (100, 20_000),
            growth: (3_000_000, 100_000, 100_000),
        }
    }

    /// For a first look: under 5 minutes.
    pub fn quick() -> Self {
        Self {
            name: "quick",
            rounds: 3,
            warm_up_messages: 15_000,
            publish_time: Duration::from_millis(500),
            publish_messages: 20_000,
            memory_messages: 5_000,
            paced_time: Duration::from_secs(1),
            slow_time: Duration::from_secs(2),
            drain_time: Duration::from_millis(300),
            stored_events: 40_000,
            drained_singly: 2_000,
            shared_deliveries: 60_000,
            subscriptions: [1, 10, 100, 1_000],
            matched_events: 2_000,
            idle_sockets: 1_000,
            ephemeral: (10_000, 100),
            ephemeral_events: (20, 20),
            upload_rate: 20_000,
            bystanders: ([1_000, 10_000], 100),
            beside_bystanders: (5_000, 5_000),
            keyed_events: 20,
            fairness: (1_000, 10),
            receivers: 500,
            history_events: 100_000,
            catch_up: 100,
            full_load: (100, 10_000),
            growth: (200_000, 20_000, 20_000),
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
            memory_messages: 30,
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
            upload_rate: 500,
            bystanders: ([20, 30], 12),
            beside_bystanders: (40, 40),
            keyed_events: 2,
            fairness: (20, 20),
            receivers: 5,
            history_events: 1_200,
            catch_up: 5,
            full_load: (5, 600),
            growth: (1_800, 700, 600),
        }
    }
}

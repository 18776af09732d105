//! How large may things get, and how long may they wait?

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most bytes that all shards together remember of texts in which was searched; what one piece of the log brings comes on
/// top. A shard with more than its part forgets all, and searches again in what comes again.
const REMEMBERED_TOTAL_BYTES_MAX: usize = 32 << 20;

/// The engine's section of the configuration: its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EngineConfig {
    /// How many tasks share the active subscriptions. 0: one for each processor, at most 8.
    #[schemars(range(max = 256))]
    pub shards: usize,
    /// Most messages that one commit takes together.
    #[schemars(range(max = 100_000))]
    pub commit_records_max: NonZeroUsize,
    /// Most bytes of messages that wait for their commit; more publishers have to wait.
    pub commit_bytes_max: NonZeroUsize,
    /// Most namespaces.
    #[schemars(range(min = 1))]
    pub namespaces_max: usize,
    /// Most bytes of the newest events that each namespace keeps in memory.
    pub tail_bytes_max: usize,
    /// Most messages that a subscription which catches up reads at once.
    #[schemars(range(max = 100_000))]
    pub page_records_max: NonZeroUsize,
    /// Most bytes that a subscription which catches up reads at once.
    #[schemars(range(min = 1))]
    pub page_bytes_max: usize,
    /// Most bytes of such pages in memory, shared by all subscriptions.
    pub pages_bytes_max: usize,
    /// Most bytes of events that one subscription has in flight. One event always passes.
    pub window_bytes_max: NonZeroUsize,
    /// How long the position of a subscription may be unwritten after an acknowledgement, in milliseconds. A
    /// crash repeats what was acknowledged since.
    #[schemars(range(max = 60_000))]
    pub offset_flush_ms: u64,
    /// How long the position of a subscription may be unwritten while it only passes events that do not
    /// match, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub idle_offset_flush_ms: u64,
    /// How many events a subscription may pass without a match before its position is written.
    pub idle_offset_events_max: u64,
    /// Most changes that wait for one listener of the change feed that is slow. More are dropped, and it is told
    /// how many. (FireFly has 250; here many messages are committed together.)
    pub change_queue_max: NonZeroUsize,
    /// Most bytes of messages and values that one list shows. At least `message_bytes_max`.
    #[schemars(range(min = 1_025))]
    pub list_bytes_max: usize,
    /// Most bytes of memory that the filters of all subscriptions take together. Plain texts and anchored
    /// prefixes take next to nothing; other regular expressions some hundred kilobytes.
    #[schemars(range(min = 65_536))]
    pub filters_bytes_max: usize,
    /// Largest message, in bytes: the sum of its values, those that it refers to included, and 1,024.
    #[schemars(range(min = 1_025, max = 536_870_912))]
    pub message_bytes_max: usize,
    /// Most values in a message.
    #[schemars(range(min = 1))]
    pub message_values_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: 0,
            commit_records_max: non_zero(1_000),
            commit_bytes_max: non_zero(64 << 20),
            namespaces_max: 1_000,
            tail_bytes_max: 16 << 20,
            page_records_max: non_zero(512),
            page_bytes_max: 1 << 20,
            pages_bytes_max: 32 << 20,
            window_bytes_max: non_zero(16 << 20),
            offset_flush_ms: 50,
            idle_offset_flush_ms: 30_000,
            idle_offset_events_max: 100_000,
            change_queue_max: non_zero(10_000),
            list_bytes_max: 16 << 20,
            filters_bytes_max: 256 << 20,
            message_bytes_max: 800 << 10,
            message_values_max: 1_024,
        }
    }
}

impl EngineConfig {
    /// How many shards there are.
    pub(crate) fn shard_count(&self) -> usize {
        const SHARDS_MAX: usize = 8;
        match self.shards {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(SHARDS_MAX),
            shards => shards,
        }
    }

    /// Most bytes that one shard remembers of texts in which was searched.
    pub(crate) fn remembered_bytes_max(&self) -> usize {
        REMEMBERED_TOTAL_BYTES_MAX / self.shard_count()
    }

    /// Checks what types and ranges do not say. The error begins with the key.
    pub fn check(&self) -> Result<(), String> {
        if self.list_bytes_max < self.message_bytes_max {
            return Err(format!(
                "list_bytes_max: {} is less than message_bytes_max, {}: the largest message could not be read",
                self.list_bytes_max, self.message_bytes_max
            ));
        }
        Ok(())
    }

    pub(crate) fn offset_flush(&self) -> Duration {
        Duration::from_millis(self.offset_flush_ms)
    }

    pub(crate) fn idle_offset_flush(&self) -> Duration {
        Duration::from_millis(self.idle_offset_flush_ms)
    }
}

fn non_zero(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

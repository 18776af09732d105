//! What does a store tell of itself?

use std::time::Duration;

/// What a store knows of its size and its work, for those who watch it. What it does not know is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFigures {
    /// Size of what is stored, in bytes.
    pub database_bytes: Option<u64>,
    /// Size of what is durable and not in the database yet, in bytes.
    pub write_ahead_bytes: Option<u64>,
    /// Size of all blobs, in bytes.
    pub blob_bytes: Option<u64>,
    /// Transactions since the start that wrote something or failed.
    pub transactions: Option<Work>,
    /// The part of their time in which they were made durable.
    pub commits: Option<Duration>,
    /// How often what was written ahead was brought into the database.
    pub checkpoints: Option<Work>,
}

/// How often something was done, and how long all of it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How often.
    pub count: u64,
    /// All together.
    pub time: Duration,
}

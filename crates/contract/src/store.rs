//! What must a store promise?
//!
//! A store keeps the log, the subscriptions and their positions. The traits are shaped so that an embedded
//! database, a shared one and a replicated log can all keep them:
//!
//! ```text
//!   append([r1, r2, r3]) ──▶ ┌──────────────────────────────────────────┐
//!        each answered       │ one record = one message, all its events, │  all of it or nothing
//!        for itself          │ its values, its unique keys               │
//!                            └──────────────────────────────────────────┘
//!   commit / park / … ─────▶ compare-and-set on one key (the subscription and its epoch)
//! ```
//!
//! **One log record is the unit of atomicity.** Everything else is a compare-and-set on one key, made safe by
//! order and idempotence: a parked entry is durable before the offset passes it, a reply before the
//! acknowledgement that carried it.
//!
//! # Order, durability, cancellation, errors
//!
//! * Writes take effect in the order in which the methods were **called**; the returned future only waits.
//!   Dropping it does not take the write back.
//! * A write that was answered is durable: it survives the process and the machine, unless the operator
//!   chose otherwise in the store's configuration.
//! * No read sees a record of a namespace before every earlier one is durable and visible, with any number
//!   of writers.
//! * [`StoreError::is_retryable`] tells whether the same call can succeed later.

mod blobs;
mod datatypes;
mod figures;
mod log;
mod namespaces;
mod offsets;
mod parked;
mod stored;
mod subscriptions;

use std::fmt;

pub use self::blobs::{BlobWriter, Blobs};
pub use self::datatypes::Datatypes;
pub use self::figures::{StoreFigures, Work};
pub use self::log::{AppendError, Appended, Log, Page, ReadLimit};
pub use self::namespaces::{CreateNamespaceError, Group, NamespaceInfo, Namespaces};
pub use self::offsets::{Failures, OffsetError, OffsetRecord, OffsetWrite, Offsets, Start};
pub use self::parked::{Parked, ParkedEntry, Replay, Selection};
pub use self::stored::StoredData;
pub use self::subscriptions::{CreateSubscriptionError, Pause, Subscriptions};
use crate::BoxFuture;
use crate::id::{Sequence, SubscriptionId};

/// All that the engine needs to keep.
pub trait Store:
    Log + Namespaces + StoredData + Blobs + Datatypes + Subscriptions + Offsets + Parked + 'static
{
    /// The name of the kind of store, such as `sqlite`.
    fn name(&self) -> &'static str;

    /// Where the data is, for people.
    fn location(&self) -> String;

    /// Tries whether writes are taken now: an error is what an append would get for as long as things are as they
    /// are. Leaves nothing in the log nor anywhere else that is read. Asked about once a second while writes fail.
    ///
    /// By default the position of a subscription is written that nobody has. A store whose refusal of that does not
    /// reach the disk tries something that does.
    fn trial_write(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let nobody = SubscriptionId(uuid::Uuid::nil());
        let refused = self.commit(vec![OffsetWrite::new(nobody, 0, Sequence(0))]);
        Box::pin(async move {
            match refused.await.pop() {
                Some(Err(OffsetError::Store(error))) => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// What it knows of its size and its work. Cheap; by default nothing.
    fn figures(&self) -> StoreFigures {
        StoreFigures::default()
    }

    /// Answers what was called before and releases everything. Later calls fail. Called once.
    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>>;
}

/// Why a store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct StoreError {
    kind: StoreErrorKind,
    text: String,
}

/// The classes of a store's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// No space is left where the data is.
    Full,
    /// The data cannot be written, or not be reached.
    Inaccessible,
    /// The data was written by a newer version of Photinus.
    Newer,
    /// Another process uses the data.
    InUse,
    /// The data is not what was written.
    Corrupt,
    /// The store is busy or out of reach for now.
    Unavailable,
    /// The store was closed.
    Closed,
    /// Something else.
    Other,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreErrorKind::Full => "no space left",
            StoreErrorKind::Inaccessible => "cannot access the data",
            StoreErrorKind::Newer => "the data is of a newer version",
            StoreErrorKind::InUse => "the data is in use",
            StoreErrorKind::Corrupt => "the data is damaged",
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Closed => "the store is closed",
            StoreErrorKind::Other => "the store failed",
        })
    }
}

impl StoreError {
    /// An error of this class; the text says what was tried, where, and what would be right.
    pub fn new(kind: StoreErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Its class.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call can succeed later without anybody changing anything but the circumstances.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Full | StoreErrorKind::Unavailable
        )
    }
}

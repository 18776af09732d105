//! How are records appended and read?

use std::sync::Arc;

use uuid::Uuid;

use super::StoreError;
use crate::BoxFuture;
use crate::data::Data;
use crate::id::{DataId, MessageId, Sequence};
use crate::name::Namespace;
use crate::record::{NewRecord, Record};

/// The ordered log of each namespace.
///
/// ```text
///   namespace "default"      sequence ──▶
///   ┌────────────┬───────┬──────────────────┬───────┐
///   │ record     │ record│ record           │ record│ ◀─ append
///   │ 1    2     │ 3     │ 4     5     6    │ 7     │
///   └────────────┴───────┴──────────────────┴───────┘
///                    ▲ read(after 2) begins here        head = 7
/// ```
pub trait Log: Send + Sync {
    /// Appends the records in order and answers each for itself, in the same order: a bad one, or the same
    /// key twice in one call, harms no other. The records of one namespace get rising sequences in this
    /// order. A duplicate is answered only when the record that holds the key is durable.
    ///
    /// The keys of a record are taken together with it or not at all, and so is [what is enclosed](NewRecord::enclosed)
    /// stored. A reply key
    /// lives until the offset of its subscription has passed the event and no parked entry of it is left; a reply
    /// to that event is refused from then on.
    ///
    /// After [`AppendError::Store`] nothing of the record is visible. If the disk failed in the very act of
    /// making it durable, a crash just then can bring it back: only an idempotency key makes trying again safe.
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>>;

    /// Reads records whose last event is after `after`, in order, up to the limits; at least one if there is
    /// one, however large.
    fn read(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Page, StoreError>>;

    /// Reads records whose first event is before `before`, newest first, up to the limits; at least one if there is
    /// one, however large.
    fn read_back(
        &self,
        namespace: &Namespace,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>>;

    /// The sequence of the newest event of the namespace, or 0 if there is none.
    fn head(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Sequence, StoreError>>;

    /// The record that holds a message, an event or a value, by its id.
    fn record(
        &self,
        namespace: &Namespace,
        part: Uuid,
    ) -> BoxFuture<'static, Result<Option<Arc<Record>>, StoreError>>;

    /// A value, by its id; also one that is kept apart, and [stored data](super::StoredData).
    fn value(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>>;

    /// The records whose messages refer to a value and whose last event is before `before`, newest first, up to the
    /// limits: those that named it by its id, and at last the one that brought it.
    fn records_of_value(
        &self,
        namespace: &Namespace,
        id: DataId,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>>;
}

/// How much a call reads at most of what has many rows. Unless it says otherwise, it reads at least one if there is one,
/// however large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records, or other rows.
    pub records: usize,
    /// Bytes, as [`RecordContent::size`](crate::record::RecordContent::size) counts them; of other rows those of
    /// their JSON.
    pub bytes: usize,
}

impl ReadLimit {
    /// So many records, however large they are.
    pub fn records(records: usize) -> Self {
        let bytes = usize::MAX;
        Self { records, bytes }
    }

    /// Takes a row of so many bytes from what may still be read, if it fits; nothing else does then. The first
    /// always fits: `is_first` says whether it is that.
    pub fn takes(&mut self, is_first: bool, bytes: usize) -> bool {
        let left = self
            .records
            .checked_sub(1)
            .zip(self.bytes.checked_sub(bytes));
        (self.records, self.bytes) = left.unwrap_or_default();
        left.is_some() || is_first
    }
}

/// A piece of the log.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The records, in order.
    pub records: Vec<Arc<Record>>,
    /// Whether the log may go on after the last of them. If not, this was all at the time of reading.
    pub more: bool,
}

impl Page {
    /// These records; `more` says whether the log may go on.
    pub fn new(records: Vec<Arc<Record>>, more: bool) -> Self {
        Self { records, more }
    }
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The sequence of the newest event before the record's first, or 0 if there is none. Who follows the log by
    /// what it appends itself sees here whether somebody else appended in between.
    pub previous: Sequence,
    /// The sequence of the record's last event.
    pub last: Sequence,
}

impl Appended {
    /// Appended after `previous`, up to `last`.
    pub fn new(previous: Sequence, last: Sequence) -> Self {
        Self { previous, last }
    }
}

/// Why a record was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The idempotency key is in use.
    #[error("the idempotency key is used by message {holder}")]
    DuplicateKey {
        /// The message that holds it.
        holder: MessageId,
    },
    /// A reply to this event was published before.
    #[error("the event was answered before by message {holder}")]
    DuplicateReply {
        /// The message that holds the key.
        holder: MessageId,
    },
    /// The subscription of the reply has a newer owner.
    #[error("the subscription has a newer owner")]
    Fenced,
    /// The offset of the subscription has passed the event of the reply, which is not parked: another answer has
    /// settled it. Whether that carried a reply is not known any more.
    #[error("the event was settled by another answer")]
    Passed,
    /// There is a datatype of this name and version.
    #[error("the datatype was defined before, as {holder}")]
    DuplicateDatatype {
        /// Its id.
        holder: MessageId,
    },
    /// There is no such namespace.
    #[error("unknown namespace")]
    UnknownNamespace,
    /// The store failed; nothing of the record is stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

//! Where are the bytes of blobs kept?

use bytes::Bytes;

use super::StoreError;
use crate::BoxFuture;
use crate::data::Data;
use crate::id::DataId;

/// The bytes of blobs, each under the id of the data that it belongs to, and never whole in memory.
///
/// ```text
///   begin_blob ─▶ write, write, … ─▶ finish: the bytes are durable, then the data that names them, then the answer
///      └─ dropped before its end, refused, or a crash before the data is durable: nothing is left
///   delete_data: the data goes, then the bytes
/// ```
///
/// A store that is opened removes what such a crash has left, before it is used.
pub trait Blobs: Send + Sync {
    /// Begins a blob. Refused if there is data of this id, or the id has a part number.
    fn begin_blob(&self, id: DataId)
    -> BoxFuture<'static, Result<Box<dyn BlobWriter>, StoreError>>;

    /// Stores data whose blob has the same bytes as the blob of other data, without copying them where that can be.
    /// Both can be deleted apart. False, with nothing stored, if there is no blob of `from`; refused as by
    /// [`put_data`](super::StoredData::put_data).
    fn share_blob(&self, from: DataId, data: Data) -> BoxFuture<'static, Result<bool, StoreError>>;

    /// Reads at most `length` bytes (at least one, unless the blob ends at `offset` or before) of the blob of stored
    /// data. `None` if there is no such blob.
    fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>>;
}

/// A blob that is being written. Dropping it takes it back.
pub trait BlobWriter: Send {
    /// Appends bytes. One call at a time. After an error, or a future that was dropped, the blob cannot be finished.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes the bytes durable, and then stores the data of this id, which names them. An error has stored nothing.
    /// When the future is dropped, all of it is stored or nothing.
    fn finish(self: Box<Self>, data: Data) -> BoxFuture<'static, Result<(), StoreError>>;
}

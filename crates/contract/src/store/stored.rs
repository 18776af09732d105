//! Where is data kept that no message brought?

use super::{ReadLimit, StoreError};
use crate::BoxFuture;
use crate::data::{Data, Hash};
use crate::id::DataId;
use crate::name::Namespace;

/// Data that was stored by itself, so that messages can refer to it.
///
/// The id of stored data has no part number ([`DataId::index`] is `None`), that of a value in the log has one: an id
/// alone says where to look. [`Log::value`](super::Log::value) reads both.
pub trait StoredData: Send + Sync {
    /// Stores data without a blob (that of a blob comes with [its bytes](super::Blobs)), whose id is new. Refused, with
    /// nothing stored, if the namespace does not exist, the id is taken, or has a part number.
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Stored data with an id below `before`, the highest first, up to the limits. Ids are in time order, so
    /// this is the newest first, and the last id of one page is the `before` of the next.
    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>>;

    /// Some stored data whose blob has this hash.
    fn data_of_blob(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>>;

    /// The paths of blobs that begin with `prefix` and come after `after`, in the order of their bytes, each once, at
    /// most `limit` of them.
    fn blob_paths(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<String>, StoreError>>;

    /// Removes stored data, and its blob. False if there is none of that id: a value in the log is not removed. What
    /// refers to it stays as it is.
    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>>;
}

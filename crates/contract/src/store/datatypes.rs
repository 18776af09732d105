//! Which datatypes are there?

use super::{ReadLimit, StoreError};
use crate::BoxFuture;
use crate::datatype::Datatype;
use crate::id::MessageId;
use crate::name::Namespace;

/// The datatypes of each namespace. They come with the record that announces them
/// ([`Enclosure::datatype`](crate::record::Enclosure::datatype)), and stay.
pub trait Datatypes: Send + Sync {
    /// The datatype of this name and version.
    fn datatype(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> BoxFuture<'static, Result<Option<Datatype>, StoreError>>;

    /// Datatypes with an id below `before`, the highest first, up to the limits. Ids are in time order, so this is
    /// the newest first.
    fn datatypes(
        &self,
        namespace: &Namespace,
        before: Option<MessageId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Datatype>, StoreError>>;
}

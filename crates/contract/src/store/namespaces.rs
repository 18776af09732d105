//! Which namespaces are there, and which groups in them?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ReadLimit, StoreError};
use crate::BoxFuture;
use crate::data::Hash;
use crate::name::Namespace;
use crate::time::Timestamp;

/// The namespaces and what is defined in them.
pub trait Namespaces: Send + Sync {
    /// Creates a namespace.
    fn create_namespace(
        &self,
        namespace: NamespaceInfo,
    ) -> BoxFuture<'static, Result<(), CreateNamespaceError>>;

    /// All namespaces, by name.
    fn namespaces(&self) -> BoxFuture<'static, Result<Vec<NamespaceInfo>, StoreError>>;

    /// Stores a group; one that is there already is left as it is.
    fn put_group(&self, group: Group) -> BoxFuture<'static, Result<(), StoreError>>;

    /// The group with this hash.
    fn group(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Group>, StoreError>>;

    /// Groups that stand before `before` in this order, up to the limits: those first used last come first, of
    /// the same time those with the higher hash.
    fn groups(
        &self,
        namespace: &Namespace,
        before: Option<(Timestamp, Hash)>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Group>, StoreError>>;
}

/// A namespace as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NamespaceInfo {
    /// Its name here.
    pub name: Namespace,
    /// Its name on the network: the same.
    pub network_name: Namespace,
    /// What it is for.
    pub description: String,
    /// When it was created.
    pub created: Timestamp,
}

impl NamespaceInfo {
    /// A namespace.
    pub fn new(name: Namespace, description: impl Into<String>, created: Timestamp) -> Self {
        Self {
            network_name: name.clone(),
            name,
            description: description.into(),
            created,
        }
    }
}

/// Why a namespace was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateNamespaceError {
    /// There is one of that name.
    #[error("the namespace exists")]
    Exists,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The members of private messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Group {
    /// Where it is.
    pub namespace: Namespace,
    /// Its identity: the hash of its definition.
    pub hash: Hash,
    /// The definition that was hashed, as JSON: name and members.
    pub definition: Box<RawValue>,
    /// When it was first used.
    pub created: Timestamp,
}

impl Group {
    /// A group.
    pub fn new(
        namespace: Namespace,
        hash: Hash,
        definition: Box<RawValue>,
        created: Timestamp,
    ) -> Self {
        Self {
            namespace,
            hash,
            definition,
            created,
        }
    }
}

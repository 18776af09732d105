//! What does an application publish?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::data::{DataRef, Hash};
use crate::id::{DataId, MessageId};
use crate::name::{NAME_PATTERN, Namespace};
use crate::object::{null_as_default, object_or_default, object_or_none, objects_or_default};
use crate::time::Timestamp;

/// To whom a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MessageKind {
    /// To everyone in the namespace.
    Broadcast,
    /// To a group.
    Private,
}

/// The header of a message. Written with these keys in this order, which is also the text that is hashed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct MessageHeader {
    /// Given by the server.
    pub id: MessageId,
    /// The message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<Uuid>,
    /// To whom it goes.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// The kind of transaction that FireFly would use; kept for its clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub txtype: String,
    /// Who sends it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The sender's signing key; kept for FireFly's clients.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// When it was made.
    pub created: Timestamp,
    /// The namespace's name on the network.
    pub namespace: Namespace,
    /// The hash of the group that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// One event results for each topic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// What applications tell messages apart by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The hash over the references to its values.
    pub datahash: Hash,
}

/// A message as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Message {
    /// What is said about it.
    pub header: MessageHeader,
    /// The namespace's name here.
    pub local_namespace: Namespace,
    /// The hash over the header.
    pub hash: Hash,
    /// How far it is: `ready` in the answer to a publish that did not wait, else `confirmed`.
    pub state: MessageState,
    /// When it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Timestamp>,
    /// References to its values, in order.
    pub data: Vec<DataRef>,
    /// The publisher's key against doing the same twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The attributes of the CloudEvent that it was, as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_event: Option<Box<RawValue>>,
}

impl Message {
    /// A message that is stored and not yet said to be confirmed.
    pub fn new(
        header: MessageHeader,
        hash: Hash,
        data: Vec<DataRef>,
        idempotency_key: Option<String>,
    ) -> Self {
        let local_namespace = header.namespace.clone();
        Self {
            header,
            local_namespace,
            hash,
            state: MessageState::Ready,
            confirmed: None,
            data,
            idempotency_key,
            cloud_event: None,
        }
    }
}

impl MessageHeader {
    /// A header with only what every message has.
    pub fn new(
        id: MessageId,
        kind: MessageKind,
        namespace: Namespace,
        created: Timestamp,
        datahash: Hash,
    ) -> Self {
        Self {
            id,
            cid: None,
            kind,
            txtype: String::new(),
            author: String::new(),
            key: String::new(),
            created,
            namespace,
            group: None,
            topics: Vec::new(),
            tag: String::new(),
            datahash,
        }
    }
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum MessageState {
    /// Stored.
    Ready,
    /// In the log: its events are on their way.
    Confirmed,
    /// Refused, with a reason.
    Rejected,
}

/// A message as an application sends it. Unknown keys are ignored.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct MessageInput {
    /// What is said about it.
    #[serde(deserialize_with = "object_or_default")]
    pub header: HeaderInput,
    /// Its values: new ones, or references to stored ones.
    #[serde(deserialize_with = "objects_or_default")]
    pub data: Vec<DataInput>,
    /// The members that a private message goes to.
    #[serde(deserialize_with = "object_or_none")]
    pub group: Option<GroupInput>,
    /// With the same key twice, the second publish is refused with `FF10430`. Empty means none.
    #[serde(deserialize_with = "null_as_default")]
    pub idempotency_key: String,
}

/// The header of a message as an application sends it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct HeaderInput {
    /// The message that this one answers.
    pub cid: Option<Uuid>,
    /// Names of topics; none means `default`.
    #[serde(deserialize_with = "null_as_default")]
    #[schemars(inner(regex(pattern = NAME_PATTERN)))]
    pub topics: Vec<String>,
    /// What applications tell messages apart by.
    #[serde(deserialize_with = "null_as_default")]
    pub tag: String,
    /// Who sends it.
    #[serde(deserialize_with = "null_as_default")]
    pub author: String,
    /// The sender's signing key.
    #[serde(deserialize_with = "null_as_default")]
    pub key: String,
    /// The kind of transaction.
    #[serde(deserialize_with = "null_as_default")]
    pub txtype: String,
    /// A known group, instead of members.
    pub group: Option<Hash>,
    /// When it was made; now if absent.
    pub created: Option<Timestamp>,
}

/// A value of a message as an application sends it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct DataInput {
    /// Refers to a stored value; counts before `value`.
    pub id: Option<DataId>,
    /// The hash that the stored value must have.
    pub hash: Option<Hash>,
    /// A new value. JSON `null` is the same as absent.
    pub value: Option<Box<RawValue>>,
    /// How to check it: `json`, `none` or `definition`.
    #[serde(deserialize_with = "null_as_default")]
    pub validator: String,
    /// The datatype that it must conform to.
    pub datatype: Option<Box<RawValue>>,
    /// A blob to refer to.
    pub blob: Option<Box<RawValue>>,
}

/// The members of a group as an application sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct GroupInput {
    /// A name, to tell groups with the same members apart.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// The members.
    #[serde(deserialize_with = "objects_or_default")]
    pub members: Vec<MemberInput>,
}

/// A member of a group as an application sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct MemberInput {
    /// A name, id or DID.
    #[serde(deserialize_with = "null_as_default")]
    pub identity: String,
    /// The node of that identity.
    #[serde(deserialize_with = "null_as_default")]
    pub node: String,
}

//! How does a message become a record?
//!
//! It is checked, its values are normalised and hashed, its ids are made, and its JSON is written once: what
//! remains to be added at the commit is the time.

mod draft;
mod group;
mod json;
mod prepared;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use photinus_contract::data::{Hash, RecordValue, Validator};
use photinus_contract::message::{DataInput, HeaderInput};
use photinus_contract::name::check_name;
use photinus_contract::store::{Store, StoreError, StoreErrorKind};
use photinus_contract::{
    ChangeEvent, ChangeKind, CodedError, DataRef, Message, MessageHeader, MessageId, MessageInput,
    MessageKind,
};

pub(crate) use self::draft::Draft;
use self::json::{escaped, normalised, sha256};
pub(crate) use self::prepared::refused;
pub use self::prepared::{Pending, Prepared, Receipt};
use crate::changes::ChangeFeed;
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::namespaces::NamespaceState;

/// The topic of a message that names none.
const DEFAULT_TOPIC: &str = "default";
/// Most topics of a message.
const TOPICS_MAX: usize = 10;
/// Most characters of all topics of a message.
const TOPICS_TEXT_MAX: usize = 1024;
/// What a message counts apart from its values, in bytes.
const MESSAGE_BYTES_FIXED: usize = 1024;
/// Longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_MAX: usize = 256;
/// Longest author or key of a header, in bytes.
const HEADER_TEXT_MAX: usize = 1024;

/// What publishing needs to know.
pub(crate) struct Publisher<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) config: &'a EngineConfig,
    pub(crate) changes: &'a ChangeFeed,
}

impl Publisher<'_> {
    /// Checks a message and makes its draft, and the message as it is shown before it is confirmed. A message that
    /// does not go to a group has none, whatever it says.
    pub(crate) async fn draft(
        &self,
        namespace: &Arc<NamespaceState>,
        kind: MessageKind,
        to_group: bool,
        input: MessageInput,
    ) -> Result<(Message, Draft), CodedError> {
        let name = &namespace.info.name;
        let topics = checked_topics(&input.header)?;
        if !input.header.tag.is_empty() {
            check_name(&input.header.tag, "header.tag")?;
        }
        check_texts(&input)?;
        let id = MessageId::from_v7(self.clock.new_id());
        let now = self.clock.now();
        let group = match to_group {
            true => Some(self.group(name, &input, now).await?),
            false => None,
        };
        let (refs, values) = self.values(name, id, kind, &input.data).await?;
        let datahash = sha256(&serde_json::to_vec(&refs).map_err(internal)?);

        let HeaderInput {
            cid,
            tag,
            author,
            key,
            txtype,
            created,
            ..
        } = input.header;
        let created = created.unwrap_or(now);
        let mut header = MessageHeader::new(id, kind, name.clone(), created, datahash);
        header.cid = cid;
        header.tag = tag;
        header.author = author;
        header.key = key;
        header.txtype = txtype_of(kind, &txtype).to_owned();
        header.group = group;
        header.topics = topics;
        let header_json = serde_json::to_string(&header).map_err(internal)?;
        let hash = sha256(escaped(&header_json).as_bytes());
        let key = Some(input.idempotency_key).filter(|key| !key.is_empty());
        let message = Message::new(header, hash, refs, key);
        let draft = Draft::new(&message, &header_json, values).map_err(internal)?;
        Ok((message, draft))
    }

    /// References to all values of a message, and the new ones among them.
    async fn values(
        &self,
        namespace: &photinus_contract::Namespace,
        id: MessageId,
        kind: MessageKind,
        inputs: &[DataInput],
    ) -> Result<(Vec<DataRef>, Vec<RecordValue>), CodedError> {
        if inputs.len() > self.config.message_values_max {
            return Err(CodedError::bad_request(
                "FF00134",
                format!(
                    "Field 'data' has {} entries; at most {} are allowed",
                    inputs.len(),
                    self.config.message_values_max
                ),
            ));
        }
        let mut refs = Vec::with_capacity(inputs.len());
        let mut values = Vec::new();
        let mut seen = BTreeSet::new();
        let mut size = MESSAGE_BYTES_FIXED;
        for (index, input) in inputs.iter().enumerate() {
            if let Some(data) = input.id {
                let stored = self
                    .store
                    .value(namespace, data)
                    .await
                    .map_err(unavailable)?;
                let stored =
                    stored.filter(|stored| input.hash.is_none_or(|hash| hash == stored.hash));
                let Some(stored) = stored else {
                    return Err(CodedError::bad_request(
                        "FF10204",
                        format!(
                            "Data reference {index} cannot be resolved: no data '{data}' with that hash"
                        ),
                    ));
                };
                if !seen.insert(data) {
                    return Err(CodedError::bad_request(
                        "FF00129",
                        format!("Duplicate data ID '{data}' in message"),
                    ));
                }
                size += stored.value.get().len();
                refs.push(DataRef {
                    id: data,
                    hash: stored.hash,
                });
            } else {
                let value = self.new_value(index, input)?;
                let json = value.json.clone().unwrap_or_default();
                size += json.len();
                refs.push(DataRef {
                    id: id.value(values.len()),
                    hash: sha256(&json),
                });
                values.push(value);
            }
            if size > self.config.message_bytes_max {
                let (code, what) = match kind {
                    MessageKind::Private => ("FF10328", "private"),
                    _ => ("FF10327", "broadcast"),
                };
                let max = self.config.message_bytes_max;
                return Err(CodedError::bad_request(
                    code,
                    format!(
                        "Message size {size} exceeds the maximum of {max} bytes for a {what} message"
                    ),
                ));
            }
        }
        Ok((refs, values))
    }

    fn new_value(&self, index: usize, input: &DataInput) -> Result<RecordValue, CodedError> {
        let Some(value) = &input.value else {
            if input.blob.is_some() {
                return Err(CodedError::not_found(
                    "FF10239",
                    format!(
                        "Blob of data entry {index} not found: refer to stored blobs by data id"
                    ),
                ));
            }
            return Err(CodedError::bad_request(
                "FF10205",
                format!("Data entry {index} must have an 'id' or a 'value' that is not null"),
            ));
        };
        let validator = match input.validator.as_str() {
            "" | "json" => Validator::Json,
            "none" => Validator::None,
            "definition" => Validator::Definition,
            other => {
                return Err(CodedError::bad_request(
                    "FF00108",
                    format!(
                        "Unknown validator '{other}' of data entry {index}: expected 'json', 'none' or 'definition'"
                    ),
                ));
            }
        };
        if validator == Validator::Json && input.datatype.is_some() {
            return Err(CodedError::bad_request(
                "FF10195",
                format!("Datatype of data entry {index} not found"),
            ));
        }
        let json = Bytes::from(normalised(value.get()));
        Ok(RecordValue {
            validator,
            json: Some(json),
        })
    }

    async fn group(
        &self,
        namespace: &photinus_contract::Namespace,
        input: &MessageInput,
        now: photinus_contract::Timestamp,
    ) -> Result<Hash, CodedError> {
        if let Some(hash) = input.header.group {
            let known = self
                .store
                .group(namespace, hash)
                .await
                .map_err(unavailable)?;
            return known.map(|group| group.hash).ok_or_else(|| {
                CodedError::not_found("FF10226", format!("Group '{hash}' not found"))
            });
        }
        let group = group::defined(namespace, input.group.as_ref(), now)?;
        let hash = group.hash;
        if self
            .store
            .group(namespace, hash)
            .await
            .map_err(unavailable)?
            .is_none()
        {
            self.store.put_group(group).await.map_err(unavailable)?;
            self.changes.changed(|| {
                ChangeEvent::new("groups", ChangeKind::Created, namespace.clone()).with_hash(hash)
            });
        }
        Ok(hash)
    }
}

fn checked_topics(header: &HeaderInput) -> Result<Vec<String>, CodedError> {
    let topics = match header.topics.as_slice() {
        [] => vec![DEFAULT_TOPIC.to_owned()],
        topics => topics.to_vec(),
    };
    if topics.len() > TOPICS_MAX {
        return Err(CodedError::bad_request(
            "FF00134",
            format!(
                "Field 'header.topics' has {} entries; at most {TOPICS_MAX} are allowed",
                topics.len()
            ),
        ));
    }
    let mut seen = BTreeSet::new();
    let mut length = 0;
    for (index, topic) in topics.iter().enumerate() {
        check_name(topic, &format!("header.topics[{index}]"))?;
        length += topic.len();
        if !seen.insert(topic.as_str()) {
            return Err(CodedError::bad_request(
                "FF00133",
                format!("Field 'header.topics' repeats '{topic}'"),
            ));
        }
    }
    if length > TOPICS_TEXT_MAX {
        return Err(CodedError::bad_request(
            "FF00135",
            format!(
                "Field 'header.topics' has {length} characters; at most {TOPICS_TEXT_MAX} are allowed"
            ),
        ));
    }
    Ok(topics)
}

fn check_texts(input: &MessageInput) -> Result<(), CodedError> {
    for (field, text, max) in [
        (
            "idempotencyKey",
            &input.idempotency_key,
            IDEMPOTENCY_KEY_MAX,
        ),
        ("header.author", &input.header.author, HEADER_TEXT_MAX),
        ("header.key", &input.header.key, HEADER_TEXT_MAX),
    ] {
        if text.len() > max {
            return Err(CodedError::bad_request(
                "FF00135",
                format!(
                    "Field '{field}' has {} bytes; at most {max} are allowed",
                    text.len()
                ),
            ));
        }
    }
    Ok(())
}

/// FireFly replaces what it does not know, and never refuses it.
fn txtype_of(kind: MessageKind, given: &str) -> &'static str {
    match (kind, given) {
        (_, "contract_invoke_pin") => "contract_invoke_pin",
        (MessageKind::Private, "unpinned" | "none") => "unpinned",
        _ => "batch_pin",
    }
}

fn internal(error: serde_json::Error) -> CodedError {
    CodedError::internal(format!("a message cannot be written as JSON: {error}"))
}

/// Whether the store may do the same call later.
pub(crate) fn is_passing(error: &StoreError) -> bool {
    let kind = error.kind();
    error.is_retryable() || matches!(kind, StoreErrorKind::Inaccessible | StoreErrorKind::Closed)
}

pub(crate) fn unavailable(error: StoreError) -> CodedError {
    if is_passing(&error) {
        CodedError::unavailable(error.to_string())
    } else {
        CodedError::internal(error.to_string())
    }
}

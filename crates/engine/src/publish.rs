//! How does a message become a record?
//!
//! It is checked, its values are normalised and hashed, its ids are made, and its JSON is written once: what
//! remains to be added at the commit is the time. All of it is read where the client's text stands, and written once.

mod draft;
mod group;
mod json;
mod lot;
mod prepared;
mod text;
mod write;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_contract::data::{Hash, Validator};
use photinus_contract::name::check_name;
use photinus_contract::record::Enclosure;
use photinus_contract::store::{StoreError, StoreErrorKind};
use photinus_contract::{
    ChangeEvent, ChangeKind, CodedError, Data, DataId, DataRef, MessageId, MessageKind, Namespace,
    Timestamp,
};
use serde_json::value::RawValue;

pub use self::draft::as_ready;
pub(crate) use self::draft::{CommitTime, Draft};
use self::json::normalised;
pub(crate) use self::json::sha256;
pub use self::lot::Lot;
pub(crate) use self::lot::Moment;
pub(crate) use self::prepared::refused;
pub use self::prepared::{Pending, Prepared, Receipt};
pub(crate) use self::text::text;
pub use self::text::{DataText, HeaderText, MessageText};
use self::write::{References, Said};
use crate::core::Core;
use crate::datatypes::named;
use crate::metrics::Origin;
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
    pub(crate) core: &'a Core,
}

/// A value that a message brings.
struct NewValue<'a> {
    validator: Validator,
    /// Normalised, one line.
    json: Cow<'a, [u8]>,
}

impl Publisher<'_> {
    /// Checks a message and makes its draft. A message that does not go to a group has none, whatever it says.
    pub(crate) async fn draft(
        &self,
        namespace: &Arc<NamespaceState>,
        kind: MessageKind,
        to_group: bool,
        input: &MessageText<'_>,
        id: MessageId,
        moment: &Moment,
    ) -> Result<Draft, CodedError> {
        let name = &namespace.info.name;
        let header = &input.header;
        let topics = checked_topics(&header.topics)?;
        if !header.tag.is_empty() {
            check_name(&header.tag, "header.tag")?;
        }
        check_texts(input)?;
        let group = match to_group {
            true => self.group(name, input, moment.now).await?.to_string(),
            false => String::new(),
        };
        let (references, values, enclosed) = self.values(name, id, kind, input, moment.now).await?;
        let created = match header.created {
            Some(created) => Cow::from(created.to_string()),
            None => Cow::from(moment.text.as_str()),
        };
        let key = &*input.idempotency_key;
        let said = Said {
            id,
            cid: header.cid,
            kind,
            txtype: txtype_of(kind, &header.txtype),
            author: &header.author,
            key: &header.key,
            created: &created,
            namespace: name.as_str(),
            group: &group,
            topics: &topics,
            tag: &header.tag,
            idempotency_key: Some(key).filter(|key| !key.is_empty()),
            cloud_event: input.cloud_event,
        };
        let origin = Origin::new(kind, moment.since);
        let mut draft = Draft::new(&said, &references, &values, origin);
        if !enclosed.is_empty() {
            draft.enclosed = Some(Box::new(enclosed));
        }
        Ok(draft)
    }

    /// References to all values of a message, the new ones among them that its record brings, and what it encloses.
    async fn values<'a>(
        &self,
        namespace: &Namespace,
        id: MessageId,
        kind: MessageKind,
        message: &MessageText<'a>,
        now: Timestamp,
    ) -> Result<(References, Vec<NewValue<'a>>, Enclosure), CodedError> {
        let inputs = &message.data;
        let mut enclosed = Enclosure::default();
        if inputs.len() > self.core.config.message_values_max {
            return Err(CodedError::bad_request(
                "FF00134",
                format!(
                    "Field 'data' has {} entries; at most {} are allowed",
                    inputs.len(),
                    self.core.config.message_values_max
                ),
            ));
        }
        let mut references = References::new(inputs.len());
        let mut values = Vec::with_capacity(inputs.len());
        let mut seen = BTreeSet::new();
        let mut size = MESSAGE_BYTES_FIXED + message.cloud_event.map_or(0, str::len);
        for (index, input) in inputs.iter().enumerate() {
            if let Some(data) = input.id {
                let stored = self
                    .core
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
                references.add(&DataRef {
                    id: data,
                    hash: stored.hash,
                });
                enclosed.references.push(data);
            } else {
                let value = new_value(index, input)?;
                size += value.json.len();
                if let Some(datatype) = input.datatype {
                    let data = self.typed(namespace, datatype, value, now).await?;
                    references.add(&DataRef {
                        id: data.id,
                        hash: data.hash,
                    });
                    enclosed.references.push(data.id);
                    enclosed.data.push(data);
                } else {
                    references.add(&DataRef {
                        id: id.value(values.len()),
                        hash: sha256(&value.json),
                    });
                    values.push(value);
                }
            }
            if size > self.core.config.message_bytes_max {
                let (code, what) = match kind {
                    MessageKind::Private => ("FF10328", "private"),
                    _ => ("FF10327", "broadcast"),
                };
                let max = self.core.config.message_bytes_max;
                return Err(CodedError::bad_request(
                    code,
                    format!(
                        "Message size {size} exceeds the maximum of {max} bytes for a {what} message"
                    ),
                ));
            }
        }
        references.end();
        Ok((references, values, enclosed))
    }

    /// A new value that says of which datatype it is: stored data, for which a record has no place.
    async fn typed(
        &self,
        namespace: &Namespace,
        datatype: &RawValue,
        value: NewValue<'_>,
        now: Timestamp,
    ) -> Result<Data, CodedError> {
        let datatype = named(datatype)?;
        let hash = sha256(&value.json);
        let json = raw(value.json)?;
        if value.validator != Validator::None {
            let checked = self.core.check_datatype(namespace, &datatype, json.get());
            checked.await?;
        }
        // The id of a message is one without a part number.
        let id = DataId(MessageId::from_v7(self.core.clock.new_id()).0);
        let mut data = Data::new(id, value.validator, namespace.clone(), hash, now, json);
        data.datatype = Some(datatype);
        Ok(data)
    }

    async fn group(
        &self,
        namespace: &Namespace,
        input: &MessageText<'_>,
        now: Timestamp,
    ) -> Result<Hash, CodedError> {
        if let Some(hash) = input.header.group {
            let known = self
                .core
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
            .core
            .store
            .group(namespace, hash)
            .await
            .map_err(unavailable)?
            .is_none()
        {
            self.core
                .store
                .put_group(group)
                .await
                .map_err(unavailable)?;
            self.core.changes.changed(|| {
                ChangeEvent::new("groups", ChangeKind::Created, namespace.clone()).with_hash(hash)
            });
        }
        Ok(hash)
    }
}

fn new_value<'a>(index: usize, input: &DataText<'a>) -> Result<NewValue<'a>, CodedError> {
    let Some(value) = input.value else {
        if input.blob.is_some() {
            return Err(CodedError::not_found(
                "FF10239",
                format!("Blob of data entry {index} not found: refer to stored blobs by data id"),
            ));
        }
        return Err(CodedError::bad_request(
            "FF10205",
            format!("Data entry {index} must have an 'id' or a 'value' that is not null"),
        ));
    };
    let validator = validator_named(&input.validator)?;
    Ok(NewValue {
        validator,
        json: normalised(value.get().as_bytes()),
    })
}

/// JSON in the form in which it is hashed.
pub(crate) fn compact(value: &RawValue) -> Result<Box<RawValue>, CodedError> {
    raw(normalised(value.get().as_bytes()))
}

fn raw(json: Cow<'_, [u8]>) -> Result<Box<RawValue>, CodedError> {
    let json = String::from_utf8(json.into_owned()).map_err(CodedError::undecodable)?;
    RawValue::from_string(json).map_err(CodedError::undecodable)
}

/// The validator of this name, in any case; `json` if there is none.
pub(crate) fn validator_named(name: &str) -> Result<Validator, CodedError> {
    match &*name.to_ascii_lowercase() {
        "" | "json" => Ok(Validator::Json),
        "none" => Ok(Validator::None),
        "definition" => Ok(Validator::Definition),
        _ => Err(CodedError::bad_request(
            "FF00108",
            format!("Unknown validator '{name}': expected 'json', 'none' or 'definition'"),
        )),
    }
}

/// The topics of a message, one at least.
fn checked_topics<'a>(given: &'a [Cow<'_, str>]) -> Result<Vec<&'a str>, CodedError> {
    if given.is_empty() {
        return Ok(vec![DEFAULT_TOPIC]);
    }
    if given.len() > TOPICS_MAX {
        return Err(CodedError::bad_request(
            "FF00134",
            format!(
                "Field 'header.topics' has {} entries; at most {TOPICS_MAX} are allowed",
                given.len()
            ),
        ));
    }
    let mut topics: Vec<&str> = Vec::with_capacity(given.len());
    for (index, topic) in given.iter().enumerate() {
        if check_name(topic, "").is_err() {
            check_name(topic, &format!("header.topics[{index}]"))?;
        }
        if topics.contains(&&**topic) {
            return Err(CodedError::bad_request(
                "FF00133",
                format!("Field 'header.topics' repeats '{topic}'"),
            ));
        }
        topics.push(topic);
    }
    let length: usize = topics.iter().map(|topic| topic.len()).sum();
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

fn check_texts(input: &MessageText<'_>) -> Result<(), CodedError> {
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

/// FireFly reads it in any case, replaces what it does not know, and never refuses it.
fn txtype_of(kind: MessageKind, given: &str) -> &'static str {
    match (kind, &*given.to_ascii_lowercase()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_firefly_are_read_in_any_case() {
        for (name, expected) in [
            ("", Some(Validator::Json)),
            ("JSON", Some(Validator::Json)),
            ("None", Some(Validator::None)),
            ("Definition", Some(Validator::Definition)),
            ("j", None),
        ] {
            assert_eq!(validator_named(name).ok(), expected, "{name}");
        }
        let (private, broadcast) = (MessageKind::Private, MessageKind::Broadcast);
        for (kind, given, expected) in [
            (private, "UNPINNED", "unpinned"),
            (private, "None", "unpinned"),
            (private, "Batch_Pin", "batch_pin"),
            (broadcast, "unpinned", "batch_pin"),
            (broadcast, "Contract_Invoke_Pin", "contract_invoke_pin"),
            (private, "x", "batch_pin"),
        ] {
            assert_eq!(txtype_of(kind, given), expected, "{given}");
        }
    }
}

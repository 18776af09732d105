//! What does a client say, read where it stands?
//!
//! The same as a [`MessageInput`] says, for the way that every published message goes: its texts are borrowed from what
//! the client sent.

use std::borrow::Cow;
use std::fmt;

use photinus_contract::data::Hash;
use photinus_contract::message::{DataInput, GroupInput, HeaderInput};
use photinus_contract::object::{object_or_default, object_or_none, objects_or_default};
use photinus_contract::{DataId, MessageInput, Timestamp};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A message as an application sends it: a [`MessageInput`] whose texts are borrowed. Read from JSON, it is refused
/// where that is, with the same words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "struct MessageInput")]
#[non_exhaustive]
pub struct MessageText<'a> {
    /// What is said about it.
    #[serde(borrow, deserialize_with = "object_or_default")]
    pub header: HeaderText<'a>,
    /// Its values: new ones, or references to stored ones.
    #[serde(borrow, deserialize_with = "objects_or_default")]
    pub data: Vec<DataText<'a>>,
    /// The members that a private message goes to.
    #[serde(deserialize_with = "object_or_none")]
    pub group: Option<GroupInput>,
    /// The publisher's key against doing the same twice. Empty means none.
    #[serde(borrow, deserialize_with = "text")]
    pub idempotency_key: Cow<'a, str>,
    /// The attributes of the CloudEvent that it was, as a JSON object in one line: kept with the message as they are.
    #[serde(skip)]
    pub cloud_event: Option<&'a str>,
}

/// The header of a message as an application sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, expecting = "struct HeaderInput")]
#[non_exhaustive]
pub struct HeaderText<'a> {
    /// The message that this one answers.
    pub cid: Option<Uuid>,
    /// Names of topics; none means `default`.
    #[serde(borrow, deserialize_with = "texts")]
    pub topics: Vec<Cow<'a, str>>,
    /// What applications tell messages apart by.
    #[serde(borrow, deserialize_with = "text")]
    pub tag: Cow<'a, str>,
    /// Who sends it.
    #[serde(borrow, deserialize_with = "text")]
    pub author: Cow<'a, str>,
    /// The sender's signing key.
    #[serde(borrow, deserialize_with = "text")]
    pub key: Cow<'a, str>,
    /// The kind of transaction.
    #[serde(borrow, deserialize_with = "text")]
    pub txtype: Cow<'a, str>,
    /// A known group, instead of members.
    pub group: Option<Hash>,
    /// When it was made; now if absent.
    pub created: Option<Timestamp>,
}

/// A value of a message as an application sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, expecting = "struct DataInput")]
#[non_exhaustive]
pub struct DataText<'a> {
    /// Refers to a stored value; counts before `value`.
    pub id: Option<DataId>,
    /// The hash that the stored value must have.
    pub hash: Option<Hash>,
    /// A new value. JSON `null` is the same as absent.
    #[serde(borrow)]
    pub value: Option<&'a RawValue>,
    /// How to check it: `json`, `none` or `definition`.
    #[serde(borrow, deserialize_with = "text")]
    pub validator: Cow<'a, str>,
    /// The datatype that it must conform to.
    #[serde(borrow)]
    pub datatype: Option<&'a RawValue>,
    /// A blob to refer to.
    #[serde(borrow)]
    pub blob: Option<&'a RawValue>,
}

impl<'a> From<&'a MessageInput> for MessageText<'a> {
    fn from(input: &'a MessageInput) -> Self {
        Self {
            header: (&input.header).into(),
            data: input.data.iter().map(Into::into).collect(),
            group: input.group.clone(),
            idempotency_key: input.idempotency_key.as_str().into(),
            cloud_event: None,
        }
    }
}

impl<'a> From<&'a HeaderInput> for HeaderText<'a> {
    fn from(input: &'a HeaderInput) -> Self {
        Self {
            cid: input.cid,
            topics: input.topics.iter().map(Into::into).collect(),
            tag: input.tag.as_str().into(),
            author: input.author.as_str().into(),
            key: input.key.as_str().into(),
            txtype: input.txtype.as_str().into(),
            group: input.group,
            created: input.created,
        }
    }
}

impl<'a> From<&'a DataInput> for DataText<'a> {
    fn from(input: &'a DataInput) -> Self {
        Self {
            id: input.id,
            hash: input.hash,
            value: input.value.as_deref(),
            validator: input.validator.as_str().into(),
            datatype: input.datatype.as_deref(),
            blob: input.blob.as_deref(),
        }
    }
}

/// A text that is borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// A text; `null` is the empty one.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let read = Option::<Text<'de>>::deserialize(deserializer)?;
    Ok(read.map(|Text(text)| text).unwrap_or_default())
}

/// A list of texts; `null` is an empty one.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cow<'de, str>>, D::Error> {
    let read = Option::<Vec<Text<'de>>>::deserialize(deserializer)?;
    let read = read.unwrap_or_default().into_iter();
    Ok(read.map(|Text(text)| text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_a_message_input_says_and_is_refused_where_that_is() {
        let hash = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";
        let whole = format!(
            r#"{{"header":{{"cid":"01900000-0000-7000-8000-000000000000","topics":["a","b\"c"],"tag":"t\u00e4g",
            "author":"x","key":"k","txtype":"none","group":"{hash}","created":"2026-01-02T03:04:05Z","other":[1]}},
            "data":[{{"id":"01900000-0000-7000-8000-000000000401","hash":"{hash}"}},null,
            {{"value": {{"a" : [1, "\u2028"]}},"validator":"none","datatype":{{"name":"d"}},"blob":{{"hash":""}}}}],
            "group":{{"name":"g","members":[{{"identity":"i"}}]}},"idempotencyKey":"k\n","unknown":null}}"#
        );
        for json in [
            whole.as_str(),
            "{}",
            r#"{"header":null,"data":null,"group":null,"idempotencyKey":null}"#,
            r#"{"header":{"cid":null,"topics":null,"tag":null,"author":null,"key":null,"txtype":null,"group":null,"created":null}}"#,
            r#"{"data":[{"id":null,"hash":null,"value":null,"validator":null,"datatype":null,"blob":null}]}"#,
            r#"{"header":[]}"#,
            r#"{"header":"a"}"#,
            r#"{"header":{"tag":5}}"#,
            r#"{"header":{"tag":"a","tag":"b"}}"#,
            r#"{"header":{"topics":"a"}}"#,
            r#"{"header":{"topics":[null]}}"#,
            r#"{"header":{"topics":["a",{}]}}"#,
            r#"{"header":{"cid":"x"}}"#,
            r#"{"header":{"group":"x"}}"#,
            r#"{"header":{"created":"x"}}"#,
            r#"{"header":{"author":"\ud800"}}"#,
            r#"{"data":{}}"#,
            r#"{"data":[[]]}"#,
            r#"{"data":[1]}"#,
            r#"{"data":[{"value":}]}"#,
            r#"{"data":[{"value":[1,]}]}"#,
            r#"{"data":[{"validator":[]}]}"#,
            r#"{"data":[],"data":[]}"#,
            r#"{"group":[]}"#,
            r#"{"group":{"members":[["a","b"]]}}"#,
            r#"{"idempotencyKey":7}"#,
            r#"{"header":{"#,
            "[]",
            "null",
            "",
        ] {
            let owned = serde_json::from_str::<MessageInput>(json);
            let expected = owned.as_ref().map(MessageText::from);
            let read = serde_json::from_str::<MessageText<'_>>(json);
            match (read, expected) {
                (Ok(read), Ok(expected)) => {
                    assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{json}");
                }
                (Err(read), Err(expected)) => {
                    assert_eq!(read.to_string(), expected.to_string(), "{json}");
                }
                (read, expected) => panic!("{json}: {read:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_has_no_escapes_is_not_copied() {
        let json =
            r#"{"header":{"topics":["a"],"tag":"t","author":"\u0061"},"idempotencyKey":"k"}"#;
        let read: MessageText<'_> = serde_json::from_str(json).unwrap();
        let is_borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        assert!(is_borrowed(&read.header.topics[0]));
        assert!(is_borrowed(&read.header.tag));
        assert!(is_borrowed(&read.idempotency_key));
        assert!(!is_borrowed(&read.header.author));
    }
}

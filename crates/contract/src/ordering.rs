//! Which events have to come one after the other?
//!
//! With an ordering key, those that have the same: an event's topic, author, tag or group, or something in the data
//! of its message. Events with different keys go out side by side.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::data::Data;
use crate::error::CodedError;
use crate::event::Event;
use crate::record::RecordContent;

/// Longest path into the data, in bytes.
pub const DATA_PATH_BYTES_MAX: usize = 256;
/// Most keys of a path.
pub const DATA_PATH_KEYS_MAX: usize = 16;

/// What may stand there.
pub(crate) const EXPECTED: &str = "expected 'topic', 'author', 'tag', 'group' or a path into the data such as 'data.customer.id' or 'data[1].id'";

/// What the events of a subscription are ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderingKey {
    /// The topic of the event.
    Topic,
    /// The author of the message.
    Author,
    /// The tag of the message.
    Tag,
    /// The group of the message.
    Group,
    /// Something in the data of the message.
    Data(DataPath),
}

/// A place in the data of a message: `data.a.b` is the first value that is not null, then its keys; `data[1].a` goes
/// into another value. There is no way to a name with a dot or a bracket in it, nor into a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataPath {
    /// Which value; the first one that is not null if absent.
    entry: Option<usize>,
    keys: Vec<String>,
}

impl OrderingKey {
    /// What a text means. `PH00445` if it means nothing.
    pub fn parse(text: &str) -> Result<Self, CodedError> {
        Ok(match text {
            "topic" => Self::Topic,
            "author" => Self::Author,
            "tag" => Self::Tag,
            "group" => Self::Group,
            _ => Self::Data(DataPath::parse(text).ok_or_else(|| {
                CodedError::bad_request(
                    "PH00445",
                    format!(
                        "Invalid option 'orderingKey' '{}': {EXPECTED}",
                        text.chars().take(64).collect::<String>()
                    ),
                )
            })?),
        })
    }

    /// Whether the data of the message has to be there to know the key.
    pub fn needs_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }

    /// The key of an event, whose message has these values. What is not there is the empty key.
    pub fn of<'a>(&self, event: &'a Event, data: &'a [Data]) -> Cow<'a, str> {
        let content = &event.record().content;
        Cow::Borrowed(match self {
            Self::Topic => event.topic(),
            Self::Author => content.author(),
            Self::Tag => content.tag(),
            Self::Group => content.group(),
            Self::Data(path) => return path.find(content, data).unwrap_or_default(),
        })
    }
}

impl DataPath {
    /// The place that a text names, if it names one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > DATA_PATH_BYTES_MAX {
            return None;
        }
        let rest = text.strip_prefix("data")?;
        let (entry, rest) = match rest.strip_prefix('[') {
            None => (None, rest),
            Some(rest) => {
                let (number, rest) = rest.split_once(']')?;
                let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
                (Some(number.parse().ok().filter(|_| is_number)?), rest)
            }
        };
        let keys: Vec<String> = match rest {
            "" => Vec::new(),
            _ => rest
                .strip_prefix('.')?
                .split('.')
                .map(str::to_owned)
                .collect(),
        };
        // A bracket would be taken for the way into a list.
        let is_key = |key: &String| !key.is_empty() && !key.contains(['[', ']']);
        let is_sound = keys.len() <= DATA_PATH_KEYS_MAX && keys.iter().all(is_key);
        is_sound.then_some(Self { entry, keys })
    }

    /// The scalar that stands there, as text. `data` is what there is of the values of the message: those that were
    /// deleted are left out, and change nothing about which is which.
    pub fn find<'a>(&self, content: &RecordContent, data: &'a [Data]) -> Option<Cow<'a, str>> {
        let value = match self.entry {
            Some(entry) => {
                let id = content.data_refs().get(entry)?.id;
                data.iter().find(|data| data.id == id)?
            }
            None => data.iter().find(|data| data.value.get() != "null")?,
        };
        let mut json = value.value.get();
        for key in &self.keys {
            json = member(json, key)?;
        }
        scalar(json)
    }
}

/// The member of an object. Of two with one name it is the last, as elsewhere.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let mut json = serde_json::Deserializer::from_str(json);
    json.deserialize_map(Member(name)).ok().flatten()
}

/// Goes through the members of an object without looking into them.
struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A name need not be a text that there can be, such as half of a pair of surrogates.
            if text(name.get()).is_some_and(|name| name == self.0) {
                found = Some(value.get());
            }
        }
        Ok(found)
    }
}

/// A text of JSON without its quotes and escapes, if it is one.
fn text(json: &str) -> Option<Cow<'_, str>> {
    let within = json.strip_prefix('"')?.strip_suffix('"')?;
    match within.contains('\\') {
        false => Some(Cow::Borrowed(within)),
        true => serde_json::from_str(json).ok().map(Cow::Owned),
    }
}

/// A text without its quotes, a number or a word as it is written; nothing for what is no scalar.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'{' | b'[' => None,
        _ if json == "null" => None,
        // What cannot be a text is as different as it is written.
        _ => Some(text(json).unwrap_or(Cow::Borrowed(json))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    use crate::data::{Hash, Validator};
    use crate::event::EventType;
    use crate::id::{DataId, MessageId};
    use crate::name::Namespace;
    use crate::record::RecordEvent;
    use crate::time::Timestamp;

    /// A message with so many values.
    fn content(values: usize) -> RecordContent {
        let hash = "0".repeat(64);
        let refs: Vec<String> = (0..values)
            .map(|index| format!(r#"{{"id":"{}","hash":"{hash}"}}"#, id(index)))
            .collect();
        let json = format!(r#"{{"data":[{}]}}"#, refs.join(","));
        let message = 0..json.len();
        let event = RecordEvent {
            topic: "t".into(),
            json: Bytes::from(json),
        };
        RecordContent::new(
            MessageId(Uuid::nil()),
            Namespace::new("default"),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(0),
            vec![event],
            message,
        )
    }

    fn id(index: usize) -> Uuid {
        Uuid::from_u128(index as u128 + 1)
    }

    /// What a path leads to in a message with these values; the empty one was deleted.
    fn found(path: &str, values: &[&str]) -> Option<String> {
        let value = |(index, json): (usize, &&str)| {
            let value = RawValue::from_string((*json).to_owned()).ok()?;
            Some(Data::new(
                DataId(id(index)),
                Validator::Json,
                Namespace::new("default"),
                Hash([0; 32]),
                Timestamp::from_nanos(0),
                value,
            ))
        };
        let data: Vec<Data> = values.iter().enumerate().filter_map(value).collect();
        let path = DataPath::parse(path).unwrap();
        path.find(&content(values.len()), &data)
            .map(Cow::into_owned)
    }

    #[test]
    fn a_path_leads_to_a_scalar() {
        let value = r#"{"a":{"b":"x\"y","n":12.50,"t":true,"o":{},"z":null},"":1,"a.b":2,"ä":3,"d":1,"d":2,"\u0065":4,"\ud800":5,"\"":6,"f":"\ud800"}"#;
        for (path, expected) in [
            ("data.a.b", Some("x\"y")),
            ("data.a.n", Some("12.50")),
            ("data.a.t", Some("true")),
            ("data.a.o", None),
            ("data.a.z", None),
            ("data.a", None),
            ("data.ä", Some("3")),
            ("data.d", Some("2")),
            ("data.e", Some("4")),
            ("data.f", Some(r#""\ud800""#)),
            ("data.\"", Some("6")),
            ("data.nothing.b", None),
            ("data.a.b.c", None),
        ] {
            assert_eq!(found(path, &["null", value]).as_deref(), expected, "{path}");
        }
        for (path, values, expected) in [
            ("data", &["\"text\""][..], Some("text")),
            ("data", &["7"], Some("7")),
            ("data", &["null", "null"], None),
            ("data", &[], None),
            ("data[1].a", &["1", r#"{"a":2}"#], Some("2")),
            ("data[0]", &["null", "2"], None),
            ("data[9].a", &["1"], None),
            ("data[1]", &["", "2", "3"], Some("2")),
            ("data[0]", &["", "2"], None),
            ("data", &["", "2"], Some("2")),
            ("data.a", &["[1]"], None),
            ("data.a", &["7"], None),
            ("data.a", &["\"a\""], None),
        ] {
            assert_eq!(found(path, values).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = format!("data.{}", "a".repeat(DATA_PATH_BYTES_MAX));
        let deep = format!("data{}", ".a".repeat(DATA_PATH_KEYS_MAX + 1));
        for text in [
            "",
            "Topic",
            "topics",
            "dat",
            "data.",
            "data..a",
            "dataa",
            "data[",
            "data[]",
            "data[x]",
            "data[-1]",
            "data[+1]",
            "data[1]a",
            "data[1][2]",
            "data.a[0]",
            "data.a]",
            "data[99999999999999999999]",
            &long,
            &deep,
        ] {
            let error = OrderingKey::parse(text).unwrap_err();
            assert_eq!(error.code(), "PH00445", "{text}");
        }
        assert!(OrderingKey::parse("data.a").unwrap().needs_data());
        assert!(!OrderingKey::parse("topic").unwrap().needs_data());
    }
}

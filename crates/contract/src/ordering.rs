//! Which events have to come one after the other?
//!
//! With an ordering key, those that have the same: an event's topic, author, tag or group, or something in the data
//! of its message. Events with different keys go out side by side.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::data::Data;
use crate::error::CodedError;
use crate::event::Event;

/// Longest path into the data, in bytes.
pub const DATA_PATH_BYTES_MAX: usize = 256;
/// Most keys of a path.
pub const DATA_PATH_KEYS_MAX: usize = 16;

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
/// into another value.
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
                        "Invalid option 'orderingKey' '{}': expected 'topic', 'author', 'tag', 'group' or a path into the data such as 'data.customer.id' or 'data[1].id'",
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
            Self::Data(path) => return path.find(data).unwrap_or_default(),
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
        let is_sound = keys.len() <= DATA_PATH_KEYS_MAX && keys.iter().all(|key| !key.is_empty());
        is_sound.then_some(Self { entry, keys })
    }

    /// The scalar that stands there, as text.
    pub fn find<'a>(&self, data: &'a [Data]) -> Option<Cow<'a, str>> {
        let value = match self.entry {
            Some(entry) => data.get(entry)?,
            None => data.iter().find(|data| data.value.get() != "null")?,
        };
        let mut json: &RawValue = &value.value;
        for key in &self.keys {
            json = member(json, key)?;
        }
        scalar(json.get())
    }
}

/// The member of an object. Of two with one name it is the last, as elsewhere.
fn member<'a>(json: &'a RawValue, key: &str) -> Option<&'a RawValue> {
    let members: Members<'a> = serde_json::from_str(json.get()).ok()?;
    let named = members.0.into_iter().filter(|(name, _)| *name == key);
    named.map(|(_, value)| value).next_back()
}

/// The members of an object, their values not looked into.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(Members(members))
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A text without its quotes, a number or a word as it is written; nothing for what is no scalar.
fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'{' | b'[' => None,
        b'"' => serde_json::from_str::<Name<'_>>(json)
            .ok()
            .map(|name| name.0),
        _ if json == "null" => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Hash, Validator};
    use crate::id::DataId;
    use crate::name::Namespace;
    use crate::time::Timestamp;

    fn found(path: &str, values: &[&str]) -> Option<String> {
        let value = |json: &&str| {
            Data::new(
                DataId(uuid::Uuid::nil()),
                Validator::Json,
                Namespace::new("default"),
                Hash([0; 32]),
                Timestamp::from_nanos(0),
                RawValue::from_string((*json).to_owned()).unwrap(),
            )
        };
        let data: Vec<Data> = values.iter().map(value).collect();
        let path = DataPath::parse(path).unwrap();
        path.find(&data).map(Cow::into_owned)
    }

    #[test]
    fn a_path_leads_to_a_scalar() {
        let value = r#"{"a":{"b":"x\"y","n":12.50,"t":true,"o":{},"z":null},"":1,"a.b":2,"ä":3,"d":1,"d":2}"#;
        for (path, expected) in [
            ("data.a.b", Some("x\"y")),
            ("data.a.n", Some("12.50")),
            ("data.a.t", Some("true")),
            ("data.a.o", None),
            ("data.a.z", None),
            ("data.a", None),
            ("data.ä", Some("3")),
            ("data.d", Some("2")),
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

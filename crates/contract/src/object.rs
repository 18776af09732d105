//! How are the parts of what a client sends read?
//!
//! `null` means the same as an absent key. And a list is no object: serde reads a struct from a list, too, and
//! `[]` would be an object with nothing in it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A JSON object, or `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
            }
        }

        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// Reads a `T`; `null` is the default.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a `T` from an object; `null` is the default.
pub fn object_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(object_or_none(deserializer)?.unwrap_or_default())
}

/// Reads a `T` from an object; `null` is `None`.
pub fn object_or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Object::deserialize(deserializer)?.0)
}

/// Reads a list of objects; `null` is an empty one.
pub fn objects_or_default<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let objects: Vec<Object<T>> = null_as_default(deserializer)?;
    Ok(objects
        .into_iter()
        .map(|object| object.0.unwrap_or_default())
        .collect())
}

/// Reads values for what they are.
///
/// `serde_json` reads the object that it writes for a raw value of its own (with a key that begins with
/// `$serde_json`) as the JSON in its text. A client could send one that is nested deeper than what is stored may
/// be, and then nothing could read the subscription again.
pub fn plain_values<'de, D>(deserializer: D) -> Result<Map<String, Value>, D::Error>
where
    D: Deserializer<'de>,
{
    let values = std::collections::BTreeMap::<String, Plain>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|(key, Plain(value))| (key, value))
        .collect())
}

/// Any JSON, read for what it is.
pub(crate) struct Plain(pub(crate) Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlainVisitor;

        impl<'de> Visitor<'de> for PlainVisitor {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_unit<E: Error>(self) -> Result<Plain, E> {
                Ok(Plain(Value::Null))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_string<E: Error>(self, value: String) -> Result<Plain, E> {
                Ok(Plain(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Plain, A::Error> {
                let mut values = Vec::new();
                while let Some(Plain(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Plain(values.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain, A::Error> {
                let mut values = Map::new();
                while let Some((key, Plain(value))) = map.next_entry()? {
                    values.insert(key, value);
                }
                Ok(Plain(values.into()))
            }
        }

        deserializer.deserialize_any(PlainVisitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::{MessageInput, SubscriptionFilter, SubscriptionOptions};

    #[test]
    fn a_list_is_no_object() {
        for json in [
            r#"{"header":[]}"#,
            r#"{"header":"a"}"#,
            r#"{"data":{}}"#,
            r#"{"data":[[]]}"#,
            r#"{"data":[1]}"#,
            r#"{"group":[]}"#,
            r#"{"group":{"members":[["a","b"]]}}"#,
        ] {
            assert!(
                serde_json::from_str::<MessageInput>(json).is_err(),
                "{json}"
            );
        }
        assert!(serde_json::from_str::<SubscriptionFilter>(r#"{"message":[]}"#).is_err());
    }

    #[test]
    fn null_is_nothing_and_raw_values_stay_raw() {
        let json = r#"{"header":null,"group":null,"data":[{"value": [1.0, {"b" : 1}]}, null]}"#;
        let message: MessageInput = serde_json::from_str(json).unwrap();
        assert_eq!(message.group, None);
        assert_eq!(message.data.len(), 2);
        assert_eq!(
            message.data[0].value.as_ref().unwrap().get(),
            r#"[1.0, {"b" : 1}]"#
        );
    }

    #[test]
    fn options_are_plain_json_whatever_their_keys_are() {
        let deep = format!(
            r#"{{"a":{{"$serde_json::private::RawValue":"{}{}"}},"b":[null,true,-1,2,0.5,"c"]}}"#,
            "[".repeat(127),
            "]".repeat(127)
        );
        let options: SubscriptionOptions = serde_json::from_str(&deep).unwrap();
        assert_eq!(serde_json::to_string(&options).unwrap(), deep);
    }
}

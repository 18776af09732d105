//! How are the parts of what a client sends read?
//!
//! `null` means the same as an absent key. And a list is no object: serde reads a struct from a list, too, and
//! `[]` would be an object with nothing in it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

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

#[cfg(test)]
mod tests {
    use crate::{MessageInput, SubscriptionFilter};

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
}

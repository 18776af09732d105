//! How are the parts of what a client sends read?
//!
//! `null` means the same as an absent key. And a list is no object: serde reads a struct from a list, too: `[]` would be an object with nothing in it. Clients mean no such thing,
//! so what they send is read with these.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
    Ok(deserializer
        .deserialize_any(ObjectVisitor(PhantomData))?
        .unwrap_or_default())
}

/// Reads a `T` from an object; `null` is `None`.
pub fn object_or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// Reads a list of objects; `null` is an empty one.
pub fn objects_or_default<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    struct ListVisitor<T>(PhantomData<T>);

    impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element_seed(ObjectVisitor(PhantomData))? {
                items.push(item.unwrap_or_default());
            }
            Ok(items)
        }
    }

    deserializer.deserialize_any(ListVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
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

//! What of a subscription's options is never shown?
//!
//! What the transport's options schema marks `writeOnly`. The engine takes those values out of the options
//! before anything is stored or shown, and leaves [`MASK`] where they stood; a transport asks for them with
//! [`Subscription::revealed_options`](crate::Subscription::revealed_options) or [`Secrets::get`].

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::error::CodedError;
use crate::object::plain_values;

/// What is shown where a secret is, and what a client sends back to keep it.
pub const MASK: &str = "***";
/// How deep a schema is searched.
const DEPTH_MAX: usize = 16;

/// The secret values of a subscription, each by its place in the options: a JSON pointer such as
/// `/tls/key`. Prints the places only.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets {
    values: BTreeMap<String, Value>,
}

impl Secrets {
    /// The value at a place.
    pub fn get(&self, place: &str) -> Option<&Value> {
        self.values.get(place)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The options with the values where they belong.
    pub(crate) fn put_into(&self, options: &mut Map<String, Value>) {
        for (place, value) in &self.values {
            put(options, place, value.clone());
        }
    }

    /// The values as one JSON text, for stores to keep apart; `None` if there are none.
    pub fn to_stored(&self) -> Option<String> {
        (!self.is_empty())
            .then(|| Value::Object(self.values.clone().into_iter().collect()).to_string())
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote. The error does not repeat the text.
    pub fn from_stored(text: &str) -> Result<Self, SecretsError> {
        let mut decoder = serde_json::Deserializer::from_str(text);
        let values = plain_values(&mut decoder).map_err(|_| SecretsError)?;
        decoder.end().map_err(|_| SecretsError)?;
        Ok(Self {
            values: values.into_iter().collect(),
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.values.keys().map(|place| (place, MASK)))
            .finish()
    }
}

/// The text is not one that [`Secrets`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored secrets cannot be read")]
pub struct SecretsError;

/// The places that a transport's options schema marks `writeOnly`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPlaces {
    places: Vec<String>,
}

impl SecretPlaces {
    /// Finds them: in properties and their properties, through references within the schema and through
    /// `allOf`, `anyOf` and `oneOf`. What stands in lists is not found; such an option is marked as a whole.
    pub fn of_schema(schema: &Value) -> Self {
        let mut found = Self::default();
        found.search(schema, schema, "", DEPTH_MAX);
        found.places.sort();
        found.places.dedup();
        found
    }

    fn search(&mut self, root: &Value, schema: &Value, place: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        if schema["writeOnly"] == Value::Bool(true) && !place.is_empty() {
            self.places.push(place.to_owned());
            return;
        }
        if let Some(reference) = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#'))
            && let Some(target) = root.pointer(reference)
        {
            self.search(root, target, place, depth);
        }
        for branches in ["allOf", "anyOf", "oneOf"] {
            for branch in schema[branches].as_array().into_iter().flatten() {
                self.search(root, branch, place, depth);
            }
        }
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let key = key.replace('~', "~0").replace('/', "~1");
            self.search(root, property, &format!("{place}/{key}"), depth);
        }
    }

    /// Puts what is stored back where a client left it out or sent [`MASK`]; `null` takes it away. `PH00432`
    /// if there is nothing behind the mask.
    pub fn recall(
        &self,
        options: &mut Map<String, Value>,
        stored: &Secrets,
    ) -> Result<(), CodedError> {
        for place in &self.places {
            let given = at(options, place);
            let masked = matches!(given, Some(Value::String(text)) if text == MASK);
            match (given, stored.get(place)) {
                (Some(Value::Null), _) => drop(take(options, place)),
                (Some(_), None) if masked => {
                    return Err(CodedError::bad_request(
                        "PH00432",
                        format!(
                            "Option '{}' is '{MASK}', which keeps the value that is stored, and none is: send the value",
                            &place[1..]
                        ),
                    ));
                }
                (Some(_), Some(value)) if masked => put(options, place, value.clone()),
                (None, Some(value)) => put(options, place, value.clone()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the secrets out and leaves [`MASK`] where they stood.
    pub fn take(&self, options: &mut Map<String, Value>) -> Secrets {
        let mut secrets = Secrets::default();
        for place in &self.places {
            if let Some(value) = take(options, place).filter(|value| !value.is_null()) {
                put(options, place, Value::from(MASK));
                secrets.values.insert(place.clone(), value);
            }
        }
        secrets
    }
}

/// The keys of a JSON pointer.
fn keys(place: &str) -> impl Iterator<Item = String> + '_ {
    let keys = place.split('/').skip(1);
    keys.map(|key| key.replace("~1", "/").replace("~0", "~"))
}

fn at<'a>(options: &'a Map<String, Value>, place: &str) -> Option<&'a Value> {
    let mut keys = keys(place);
    let mut value = options.get(&keys.next()?)?;
    for key in keys {
        // What stands where an object should be is no longer an object with a secret in it.
        value = match value.as_object() {
            Some(object) => object.get(&key)?,
            None => return Some(&Value::Null),
        };
    }
    Some(value)
}

fn take(options: &mut Map<String, Value>, place: &str) -> Option<Value> {
    let keys: Vec<String> = keys(place).collect();
    let (last, parents) = keys.split_last()?;
    let mut object = options;
    for key in parents {
        object = object.get_mut(key)?.as_object_mut()?;
    }
    object.remove(last)
}

fn put(options: &mut Map<String, Value>, place: &str, value: Value) {
    let keys: Vec<String> = keys(place).collect();
    let Some((last, parents)) = keys.split_last() else {
        return;
    };
    let mut object = options;
    for key in parents {
        let next = object
            .entry(key)
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(next) = next.as_object_mut() else {
            return;
        };
        object = next;
    }
    object.insert(last.clone(), value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places() -> SecretPlaces {
        SecretPlaces::of_schema(&json!({
            "properties": {
                "note": {"type": "string"},
                "secret": {"type": "string", "writeOnly": true},
                "tls": {"$ref": "#/$defs/Tls"},
                "a/b": {"anyOf": [{"type": "null"}, {"writeOnly": true}]},
                "loop": {"$ref": "#"},
            },
            "$defs": {"Tls": {"properties": {"key": {"writeOnly": true}, "name": {}}}},
        }))
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn secrets_are_found_wherever_the_schema_marks_them() {
        let found = places().places;
        for place in ["/secret", "/tls/key", "/a~1b", "/loop/secret"] {
            assert!(found.iter().any(|other| other == place), "{place}");
        }
        assert!(!found.iter().any(|place| place.contains("note")));
    }

    #[test]
    fn what_is_taken_is_masked_and_can_be_put_back() {
        let given =
            json!({"note": "n", "secret": "s", "tls": {"key": {"k": 1}, "name": "x"}, "a/b": 7});
        let mut options = object(given.clone());
        let secrets = places().take(&mut options);
        assert_eq!(
            Value::Object(options.clone()),
            json!({"note": "n", "secret": "***", "tls": {"key": "***", "name": "x"}, "a/b": "***"})
        );
        assert_eq!(secrets.get("/secret"), Some(&json!("s")));
        assert_eq!(
            format!("{secrets:?}"),
            r#"{"/a~1b": "***", "/secret": "***", "/tls/key": "***"}"#
        );
        let stored = secrets.to_stored().unwrap();
        assert_eq!(Secrets::from_stored(&stored), Ok(secrets.clone()));
        secrets.put_into(&mut options);
        assert_eq!(Value::Object(options), given);
    }

    #[test]
    fn a_mask_or_nothing_keeps_a_secret_and_null_removes_it() {
        let mut options = object(json!({"secret": "s", "tls": {"key": "k"}}));
        let stored = places().take(&mut options);
        for (given, expected) in [
            (json!({}), json!({"secret": "s", "tls": {"key": "k"}})),
            (
                json!({"secret": "***", "tls": {"key": "***"}}),
                json!({"secret": "s", "tls": {"key": "k"}}),
            ),
            (
                json!({"secret": "new", "tls": {"name": "x"}}),
                json!({"secret": "new", "tls": {"name": "x", "key": "k"}}),
            ),
            (
                json!({"secret": null, "tls": {"key": null}}),
                json!({"tls": {}}),
            ),
            (json!({"tls": null}), json!({"secret": "s", "tls": null})),
        ] {
            let mut options = object(given.clone());
            places().recall(&mut options, &stored).unwrap();
            assert_eq!(Value::Object(options), expected, "{given}");
        }
        let mut options = object(json!({"secret": "***"}));
        let error = places().recall(&mut options, &Secrets::default());
        assert_eq!(error.unwrap_err().code(), "PH00432");
    }
}

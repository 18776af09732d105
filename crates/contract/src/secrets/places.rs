//! Which options does a schema mark as secret, and how are they taken out and put back?

use serde_json::{Map, Value};

use super::{MASK, Secrets, at, put, take};
use crate::error::CodedError;

/// Where a schema says more about the same value.
const CHOICES: [&str; 8] = [
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "then",
    "else",
    "not",
    "dependentSchemas",
];
/// Where it speaks of parts that it does not name.
const UNNAMED: [&str; 7] = [
    "items",
    "prefixItems",
    "contains",
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// The places that a transport's options schema marks `writeOnly`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPlaces {
    places: Vec<String>,
}

impl SecretPlaces {
    /// Finds them: in properties and their properties, through references within the schema and through the
    /// branches of a choice. What stands in a list, under a key that the schema does not name, in a schema
    /// that contains itself, or behind a reference that is no pointer into the schema has no place of its own:
    /// there the option around it is secret as a whole.
    pub fn of_schema(schema: &Value) -> Self {
        let mut found = Self::default();
        found.search(schema, schema, "", &mut Vec::new());
        found.places.sort();
        found.places.dedup();
        found
    }

    /// `followed`: the references that led here.
    fn search<'a>(
        &mut self,
        root: &'a Value,
        schema: &'a Value,
        place: &str,
        followed: &mut Vec<&'a str>,
    ) {
        if schema["writeOnly"] == Value::Bool(true) {
            return self.whole(place);
        }
        if let Some(reference) = schema["$ref"].as_str() {
            match reference.strip_prefix('#').and_then(|r| root.pointer(r)) {
                Some(target) if !followed.contains(&reference) => {
                    followed.push(reference);
                    self.search(root, target, place, followed);
                    followed.pop();
                }
                Some(target) if !marks_any(target) => {}
                _ => self.whole(place),
            }
        }
        for choice in CHOICES {
            for branch in inner(&schema[choice]) {
                self.search(root, branch, place, followed);
            }
        }
        for unnamed in UNNAMED {
            for part in inner(&schema[unnamed]) {
                let mut found = Self::default();
                found.search(root, part, "/", followed);
                if !found.places.is_empty() {
                    self.whole(place);
                }
            }
        }
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let key = key.replace('~', "~0").replace('/', "~1");
            self.search(root, property, &format!("{place}/{key}"), followed);
        }
    }

    /// An option is secret with all that is in it. All options together have no place.
    fn whole(&mut self, place: &str) {
        if !place.is_empty() {
            self.places.push(place.to_owned());
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// These, and those of what is stored: it is behind its masks, whatever the schema says today.
    pub fn and_those_of(&self, stored: &Secrets) -> Self {
        let mut places = self.places.clone();
        places.extend(stored.values.keys().cloned());
        places.sort();
        places.dedup();
        Self { places }
    }

    /// Puts what is stored back where a client left it out or sent [`MASK`]; `null` takes it away. `PH00432`
    /// if there is nothing behind the mask.
    pub fn recall(
        &self,
        options: &mut Map<String, Value>,
        stored: &Secrets,
    ) -> Result<(), CodedError> {
        for place in &self.and_those_of(stored).places {
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

/// The schemas that a keyword holds: one, a list, or one for each key.
fn inner(keyword: &Value) -> Vec<&Value> {
    match keyword {
        Value::Array(list) => list.iter().collect(),
        // One schema, or a map of them: a map has no keyword of a schema in it, so both readings are harmless.
        Value::Object(map) => std::iter::once(keyword).chain(map.values()).collect(),
        _ => Vec::new(),
    }
}

/// Whether anything in a schema is marked, wherever it stands.
fn marks_any(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            map.get("writeOnly") == Some(&Value::Bool(true)) || map.values().any(marks_any)
        }
        Value::Array(list) => list.iter().any(marks_any),
        _ => false,
    }
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
    fn what_has_no_place_of_its_own_is_secret_with_what_is_around_it() {
        let secret = json!({"type": "string", "writeOnly": true});
        let inside = json!({"properties": {"s": secret}});
        for (what, schema) in [
            ("a key", json!({"properties": {"o": secret}})),
            (
                "any key",
                json!({"properties": {"o": {"additionalProperties": secret}}}),
            ),
            (
                "keys like this",
                json!({"properties": {"o": {"patternProperties": {"^X": secret}}}}),
            ),
            ("a list", json!({"properties": {"o": {"items": inside}}})),
            (
                "a branch",
                json!({"if": {}, "then": {"properties": {"o": secret}}}),
            ),
            (
                "what depends",
                json!({"dependentSchemas": {"a": {"properties": {"o": secret}}}}),
            ),
            (
                "an anchor",
                json!({"$defs": {"K": {"$anchor": "k", "writeOnly": true}}, "properties": {"o": {"$ref": "#k"}}}),
            ),
            (
                "an escaped reference",
                json!({"$defs": {"My K": secret}, "properties": {"o": {"$ref": "#/$defs/My%20K"}}}),
            ),
        ] {
            let mut options = object(json!({"o": {"X-1": "s", "s": ["s"]}, "note": "n"}));
            let secrets = SecretPlaces::of_schema(&schema).take(&mut options);
            assert_eq!(
                Value::Object(options),
                json!({"o": "***", "note": "n"}),
                "{what}"
            );
            assert!(secrets.get("/o").is_some(), "{what}");
        }
    }

    #[test]
    fn a_schema_that_contains_itself_many_times_is_searched_once() {
        let mut properties: Map<String, Value> = (0..12)
            .map(|n| (format!("p{n}"), json!({"$ref": "#"})))
            .collect();
        properties.insert("s".into(), json!({"writeOnly": true}));
        let places = SecretPlaces::of_schema(&json!({ "properties": properties }));
        // Each with its own secret, and with what is below it as a whole.
        assert_eq!(places.places.len(), 1 + 12 * (1 + 12));
    }

    #[test]
    fn what_is_no_longer_secret_is_kept_behind_its_mask() {
        let mut options = object(json!({"secret": "s"}));
        let stored = places().take(&mut options);
        let now = SecretPlaces::of_schema(&json!({"properties": {"secret": {}}}));
        for given in [json!({}), json!({"secret": "***"})] {
            let mut options = object(given);
            now.recall(&mut options, &stored).unwrap();
            assert_eq!(Value::Object(options), json!({"secret": "s"}));
        }
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

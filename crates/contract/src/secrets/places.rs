//! Which options does a schema mark as secret, and how are they taken out and put back?

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{MASK, Secrets, at, escaped, keys, put, take};
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
/// Where it speaks of parts that have no place of their own.
const UNPLACED: [&str; 6] = [
    "items",
    "prefixItems",
    "contains",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// The places that a transport's options schema marks `writeOnly`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretPlaces {
    places: BTreeSet<Place>,
}

/// The way from the options to a value.
type Place = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    /// Any key but those that the schema names beside it.
    AnyKey {
        but: BTreeSet<String>,
    },
}

impl SecretPlaces {
    /// Finds them: in properties and their properties, under any key that a schema does not name
    /// (`additionalProperties`), through references within the schema and through the branches of a choice. What
    /// stands in a list, under a key of which the schema knows a pattern, in a schema that contains itself, or
    /// behind a reference that is no pointer into the schema has no place of its own: there the option around it
    /// is secret as a whole.
    pub fn of_schema(schema: &Value) -> Self {
        let mut found = Self::default();
        found.search(schema, schema, &mut Place::new(), &mut Vec::new());
        found
    }

    /// `followed`: the references that led here.
    fn search<'a>(
        &mut self,
        root: &'a Value,
        schema: &'a Value,
        place: &mut Place,
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
        for unplaced in UNPLACED {
            for part in inner(&schema[unplaced]) {
                let mut found = Self::default();
                found.search(root, part, &mut vec![Step::Key(String::new())], followed);
                if !found.is_empty() {
                    self.whole(place);
                }
            }
        }
        let named = schema["properties"].as_object();
        for (key, property) in named.into_iter().flatten() {
            place.push(Step::Key(key.clone()));
            self.search(root, property, place, followed);
            place.pop();
        }
        if let Some(others) = schema.get("additionalProperties") {
            let but = named.into_iter().flat_map(Map::keys).cloned().collect();
            place.push(Step::AnyKey { but });
            self.search(root, others, place, followed);
            place.pop();
        }
    }

    /// An option is secret with all that is in it. All options together have no place.
    fn whole(&mut self, place: &Place) {
        if !place.is_empty() {
            self.places.insert(place.clone());
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// These, and those of what is stored: it is behind its masks, whatever the schema says today.
    pub fn and_those_of(&self, stored: &Secrets) -> Self {
        let mut places = self.places.clone();
        let stored = stored.values.keys();
        places.extend(stored.map(|place| keys(place).map(Step::Key).collect()));
        Self { places }
    }

    /// The values of these options that are there, each by its JSON pointer, and what is around another first.
    fn within(&self, options: &Map<String, Value>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for place in &self.places {
            collect(options, place, "", &mut found);
        }
        found
    }

    /// Puts what is stored back where a client left it out or sent [`MASK`]; `null` takes it away. `PH00432`
    /// if there is nothing behind the mask.
    pub fn recall(
        &self,
        options: &mut Map<String, Value>,
        stored: &Secrets,
    ) -> Result<(), CodedError> {
        // What is neither given nor stored has nothing to come back.
        let mut places = self.within(options);
        places.extend(stored.values.keys().cloned());
        for place in &places {
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
        for place in self.within(options) {
            if let Some(value) = take(options, &place).filter(|value| !value.is_null()) {
                put(options, &place, Value::from(MASK));
                secrets.values.insert(place, value);
            }
        }
        secrets
    }
}

fn collect(
    values: &Map<String, Value>,
    place: &[Step],
    around: &str,
    found: &mut BTreeSet<String>,
) {
    let Some((step, rest)) = place.split_first() else {
        return;
    };
    let mut follow = |key: &str, value: &Value| {
        let here = format!("{around}/{}", escaped(key));
        match value {
            _ if rest.is_empty() => drop(found.insert(here)),
            Value::Object(values) => collect(values, rest, &here, found),
            _ => {}
        }
    };
    match step {
        Step::Key(key) => values
            .get(key)
            .into_iter()
            .for_each(|value| follow(key, value)),
        Step::AnyKey { but } => {
            let others = values.iter().filter(|(key, _)| !but.contains(*key));
            others.for_each(|(key, value)| follow(key, value));
        }
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

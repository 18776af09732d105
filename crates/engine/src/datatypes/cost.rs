//! How much work can a schema make of one place of a value?
//!
//! A few hundred bytes of schema can ask for more steps than there is time, or call itself deeper than there is stack:
//! `allOf` of two references to an `allOf` of two references, and so on. What a schema asks of one place of a value is
//! counted here, before it is used; what it asks of all places is metered while it is used (`metered`).

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Most schemas that are applied to one place of a value.
pub(super) const EVALUATIONS_MAX: u64 = 10_000;
/// Most of them that can be applied within one another.
pub(super) const NESTING_MAX: usize = 200;
/// Most patterns of one schema.
pub(super) const PATTERNS_MAX: usize = 256;

/// What a schema can cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// How many schemas can be applied within one another to one place.
    pub(super) nesting: usize,
    pub(super) patterns: usize,
}

/// What a schema can cost; or why it may not be used.
pub(super) fn measure(schema: &Value) -> Result<Cost, String> {
    let mut walk = Walk {
        root: schema,
        id: id_of(schema),
        names: HashMap::new(),
        places: HashMap::new(),
        later: vec![schema],
        inner_id: None,
        has_reference: false,
        cost: Cost::default(),
    };
    walk.learn_names(schema);
    while let Some(schema) = walk.later.pop() {
        let (_, nesting) = walk.applied(schema, 0)?;
        walk.cost.nesting = walk.cost.nesting.max(nesting);
    }
    match walk.inner_id {
        // What a reference means is another thing within such a part.
        Some(id) if walk.has_reference => Err(format!(
            "it has references, and a part of it has an '$id' of its own: '{id}'"
        )),
        _ => Ok(walk.cost),
    }
}

struct Walk<'a> {
    root: &'a Value,
    /// What the schema calls itself.
    id: Option<&'a str>,
    /// The schemas that have a name, which begins with `#`; `None` if several have the same.
    names: HashMap<String, Option<&'a Value>>,
    /// What was found of each schema, by its address. `None` while it is looked at.
    places: HashMap<*const Value, Option<(u64, usize)>>,
    /// Schemas that are applied to other places of the value.
    later: Vec<&'a Value>,
    /// What a part of it calls itself, if that is another schema for references.
    inner_id: Option<&'a str>,
    has_reference: bool,
    cost: Cost,
}

impl<'a> Walk<'a> {
    /// How many schemas are applied to a place when this one is, and how many within one another.
    fn applied(&mut self, schema: &'a Value, within: usize) -> Result<(u64, usize), String> {
        let Value::Object(keywords) = schema else {
            return Ok((1, 1));
        };
        let place = std::ptr::from_ref(schema);
        match self.places.get(&place) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err("it refers to itself without going into the value".to_owned()),
            None => {}
        }
        if within >= NESTING_MAX {
            return Err(format!(
                "more than {NESTING_MAX} schemas within one another are applied to the same place"
            ));
        }
        self.places.insert(place, None);
        self.look_at(schema, keywords)?;
        let (mut evaluations, mut nesting) = (1_u64, 0);
        for child in self.in_place(keywords)? {
            let (more, deeper) = self.applied(child, within + 1)?;
            evaluations = evaluations.saturating_add(more);
            nesting = nesting.max(deeper);
        }
        if keywords.keys().any(|key| key.starts_with("unevaluated")) {
            // What was evaluated is asked once more.
            evaluations = evaluations.saturating_mul(2);
        }
        if evaluations > EVALUATIONS_MAX {
            return Err(format!(
                "more than {EVALUATIONS_MAX} schemas are applied to the same place"
            ));
        }
        let found = (evaluations, nesting + 1);
        self.places.insert(place, Some(found));
        Ok(found)
    }

    /// Notes what is applied to other places, and refuses what cannot be followed.
    fn look_at(
        &mut self,
        schema: &'a Value,
        keywords: &'a Map<String, Value>,
    ) -> Result<(), String> {
        if !std::ptr::eq(schema, self.root) {
            let id = id_of(schema).filter(|id| !id.starts_with('#'));
            self.inner_id = self.inner_id.or(id);
        }
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(format!("'{keyword}' is not supported: use '$ref'"));
                }
                "$ref" => self.has_reference = true,
                "pattern" => self.cost.patterns += 1,
                "properties" | "patternProperties" => {
                    let members = value.as_object().into_iter().flatten();
                    if keyword == "patternProperties" {
                        self.cost.patterns += members.clone().count();
                    }
                    self.later.extend(members.map(|(_, schema)| schema));
                }
                "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains" => match value {
                    Value::Array(schemas) => self.later.extend(schemas),
                    schema => self.later.push(schema),
                },
                _ => {}
            }
        }
        match self.cost.patterns > PATTERNS_MAX {
            true => Err(format!("it has more than {PATTERNS_MAX} patterns")),
            false => Ok(()),
        }
    }

    /// The schemas that are applied to the same place as the one with these keywords.
    fn in_place(&self, keywords: &'a Map<String, Value>) -> Result<Vec<&'a Value>, String> {
        let mut found = Vec::new();
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "$ref" => {
                    let reference = value.as_str().ok_or("a '$ref' is no text")?;
                    found.push(self.resolved(reference)?);
                }
                "not" | "if" | "then" | "else" => found.push(value),
                "allOf" | "anyOf" | "oneOf" => found.extend(value.as_array().into_iter().flatten()),
                "dependentSchemas" | "dependencies" => {
                    let members = value.as_object().into_iter().flatten();
                    found.extend(members.map(|(_, schema)| schema));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The part of the schema that a reference names.
    fn resolved(&self, reference: &str) -> Result<&'a Value, String> {
        let unknown = || format!("'$ref' to '{reference}', which is nowhere in it");
        let fragment = match self.id.and_then(|id| reference.strip_prefix(id)) {
            Some("") => "#",
            Some(fragment) => fragment,
            None => reference,
        };
        if fragment == "#" {
            return Ok(self.root);
        }
        if let Some(Some(named)) = self.names.get(fragment) {
            return Ok(named);
        }
        let pointer = fragment.strip_prefix('#').and_then(unescaped);
        let pointer = pointer.ok_or_else(unknown)?;
        self.root.pointer(&pointer).ok_or_else(unknown)
    }

    /// Finds all that has a name, wherever it stands.
    fn learn_names(&mut self, value: &'a Value) {
        match value {
            Value::Object(members) => {
                let anchor = members.get("$anchor").and_then(Value::as_str);
                let anchor = anchor.map(|anchor| format!("#{anchor}"));
                let id = id_of(value).filter(|id| id.starts_with('#') && !id.starts_with("#/"));
                for name in anchor.into_iter().chain(id.map(str::to_owned)) {
                    let known = self.names.entry(name);
                    known
                        .and_modify(|known| *known = None)
                        .or_insert(Some(value));
                }
                members.values().for_each(|member| self.learn_names(member));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_names(item)),
            _ => {}
        }
    }
}

/// What a schema calls itself; `id` in the oldest draft.
fn id_of(schema: &Value) -> Option<&str> {
    let id = schema.get("$id").or_else(|| schema.get("id"))?.as_str()?;
    Some(
        id.strip_suffix('#')
            .filter(|id| !id.is_empty())
            .unwrap_or(id),
    )
}

/// A pointer as it stands in a fragment, its percent escapes taken back.
fn unescaped(fragment: &str) -> Option<String> {
    let mut bytes = fragment.bytes();
    let mut unescaped = Vec::with_capacity(fragment.len());
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some(byte) = bytes.next() {
        unescaped.push(match byte {
            b'%' => (digit(bytes.next()?)? << 4 | digit(bytes.next()?)?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(unescaped).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Definitions `0` to `count`, each made by `of` from a reference to the next; the last is a string.
    fn chain(count: usize, of: impl Fn(Value) -> Value) -> Value {
        let next = |number: usize| json!({"$ref": format!("#/definitions/{number}")});
        let definitions = (0..count).map(|number| (number.to_string(), of(next(number + 1))));
        let mut definitions: Map<String, Value> = definitions.collect();
        definitions.insert(count.to_string(), json!({"type": "string"}));
        json!({"definitions": definitions, "$ref": "#/definitions/0"})
    }

    #[test]
    fn what_is_applied_within_one_another_is_counted() {
        for (schema, nesting) in [
            (json!(true), 1),
            (json!({}), 1),
            (json!({"properties": {"a": {"not": {}}}}), 2),
            (json!({"allOf": [{"anyOf": [{}, {"if": {}}]}]}), 4),
            (
                json!({"$ref": "#/definitions/a", "definitions": {"a": {"not": true}}}),
                3,
            ),
            (json!({"items": {"$ref": "#"}}), 2),
            (json!({"dependencies": {"a": ["b"], "c": {"not": {}}}}), 3),
            (
                json!({"$defs": {"x": {"$anchor": "n", "not": {}}}, "$ref": "#n"}),
                3,
            ),
            (
                json!({"$id": "https://a/b", "$ref": "https://a/b#/x%20y", "x y": {"not": {}}}),
                3,
            ),
            (
                json!({"$id": "https://a/b#", "items": {"$ref": "https://a/b"}}),
                2,
            ),
            (
                json!({"properties": {"$id": {"$id": "#/properties/$id"}}}),
                1,
            ),
            (json!({"items": {"$id": "other"}}), 1),
            (chain(198, |next| next), 200),
        ] {
            let cost = measure(&schema).map(|cost| cost.nesting);
            assert_eq!(cost, Ok(nesting), "{schema}");
        }
    }

    #[test]
    fn what_multiplies_or_goes_round_in_circles_is_refused() {
        for (schema, why) in [
            (chain(200, |next| next), "within one another"),
            (chain(20_000, |next| next), "within one another"),
            (
                chain(14, |next| json!({"allOf": [next, next]})),
                "are applied",
            ),
            (
                chain(100, |next| json!({"anyOf": [next, next]})),
                "are applied",
            ),
            (json!({"$ref": "#"}), "itself"),
            (json!({"allOf": [{"not": {"$ref": "#"}}]}), "itself"),
            (
                json!({"items": {"$ref": "#/x"}, "x": {"if": {"$ref": "#/x"}}}),
                "itself",
            ),
            (json!({"$ref": "#/nowhere"}), "nowhere"),
            (json!({"$ref": "#%zz"}), "nowhere"),
            (json!({"$ref": "https://a/b"}), "nowhere"),
            (json!({"$ref": 5}), "no text"),
            (
                json!({"items": {"$id": "other", "items": {"$ref": "#/x"}}, "x": {}}),
                "of its own",
            ),
            (json!({"$dynamicRef": "#x"}), "not supported"),
            (
                json!({"x": {"$anchor": "n"}, "y": {"$anchor": "n"}, "$ref": "#n"}),
                "nowhere",
            ),
            (
                json!({"patternProperties": (0..300).map(|n| (n.to_string(), true)).collect::<HashMap<_, _>>()}),
                "patterns",
            ),
        ] {
            let refused = measure(&schema).unwrap_err();
            assert!(refused.contains(why), "{refused}, expected {why}");
        }
        assert!(measure(&chain(11, |next| json!({"allOf": [next, next]}))).is_ok());
    }
}

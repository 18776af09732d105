//! Which values does a schema describe, and which does it refuse?

use photinus_contract::secrets::SecretPlaces;
use serde_json::{Map, Value, json};

use super::verdict::Fault;

/// Options that the engine understands; see
/// [`SubscriptionOptions`](photinus_contract::SubscriptionOptions).
pub(super) const CORE_OPTIONS: [&str; 6] = [
    "firstEvent",
    "readAhead",
    "withData",
    "batch",
    "batchTimeout",
    "ackTimeout",
];

/// A key of an object's schema.
pub(super) struct Property {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) required: bool,
}

/// The schema, ready to be asked; refused if it is none.
pub(super) fn compiled(schema: &Value, what: &str) -> Result<jsonschema::Validator, Fault> {
    if !schema.is_object() {
        return Err(Fault(format!("{what} is not an object: {schema}")));
    }
    if let Err(error) = jsonschema::meta::validate(schema) {
        return Err(Fault(format!(
            "{what} is not a JSON Schema: {error} (at {})",
            error.instance_path()
        )));
    }
    jsonschema::validator_for(schema)
        .map_err(|error| Fault(format!("{what} cannot be used as a JSON Schema: {error}")))
}

/// The keys that a schema describes.
pub(super) fn properties(schema: &Value) -> Vec<Property> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let described = schema["properties"].as_object().into_iter().flatten();
    described
        .map(|(name, property)| Property {
            name: name.clone(),
            schema: resolved(schema, property),
            required: required.contains(&name.as_str()),
        })
        .collect()
}

/// The least that a schema accepts: what is required.
pub(super) fn valid_object(schema: &Value) -> Map<String, Value> {
    let required = properties(schema)
        .into_iter()
        .filter(|property| property.required);
    required
        .filter_map(|property| {
            let value = property.valid()?;
            Some((property.name, value))
        })
        .collect()
}

impl Property {
    /// A value that its schema accepts, if one can be found.
    pub(super) fn valid(&self) -> Option<Value> {
        let validator = jsonschema::validator_for(&self.schema).ok()?;
        self.candidates()
            .into_iter()
            .find(|candidate| validator.is_valid(candidate))
    }

    /// Values around what its schema says: of every type, within and beside the limits.
    pub(super) fn candidates(&self) -> Vec<Value> {
        let schema = &self.schema;
        let mut values = Vec::new();
        for key in ["default", "const"] {
            values.extend(schema.get(key).filter(|value| !value.is_null()).cloned());
        }
        for key in ["examples", "enum"] {
            let given = schema[key].as_array().into_iter().flatten();
            values.extend(given.filter(|value| !value.is_null()).cloned());
        }
        for text in strings(schema) {
            values.push(json!(text));
        }
        if let Some(one) = schema["enum"].as_array().and_then(|all| all.first()) {
            let text = one.as_str().unwrap_or_default();
            values.push(json!(format!("{text}?")));
            values.push(json!(text.to_uppercase()));
        }
        for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            if let Some(limit) = schema[key].as_i64() {
                values.extend(
                    [limit.saturating_sub(1), limit, limit.saturating_add(1)].map(Value::from),
                );
            }
        }
        // Formats are notes and no tests, so texts that are not one say nothing about them.
        if schema.get("format").is_none() {
            values.extend([
                json!(""),
                json!("a"),
                json!("conformance"),
                json!("x".repeat(300)),
            ]);
        }
        values.extend([
            json!(true),
            json!(false),
            json!(1),
            json!(0),
            json!(-1),
            json!(1.5),
        ]);
        values.extend([
            json!([]),
            json!([1]),
            json!(["a"]),
            json!({}),
            json!({"a": 1}),
        ]);
        values
    }
}

/// Whether a secret is in there.
pub(super) fn is_secret(root: &Value, property: &Value) -> bool {
    let alone = json!({"properties": {"it": property}, "$defs": root["$defs"]});
    SecretPlaces::of_schema(&alone) != SecretPlaces::default()
}

/// A value with this text wherever a secret is, and what else is required.
pub(super) fn with_secret(root: &Value, property: &Value, text: &str) -> Value {
    let property = resolved(root, property);
    if property["writeOnly"] == json!(true) {
        return json!(text);
    }
    for branches in ["allOf", "anyOf", "oneOf"] {
        let mut branches = property[branches].as_array().into_iter().flatten();
        if let Some(branch) = branches.find(|branch| is_secret(root, branch)) {
            return with_secret(root, branch, text);
        }
    }
    let mut object = valid_object(&property);
    for (key, inner) in property["properties"].as_object().into_iter().flatten() {
        if is_secret(root, inner) {
            object.insert(key.clone(), with_secret(root, inner, text));
        }
    }
    let others = &property["additionalProperties"];
    if is_secret(root, others) {
        object.insert("conformance".to_owned(), with_secret(root, others, text));
    }
    object.into()
}

/// Texts about as long as they may be.
fn strings(schema: &Value) -> Vec<String> {
    const LENGTH_MAX: u64 = 100_000;
    let mut texts = Vec::new();
    for key in ["minLength", "maxLength"] {
        if let Some(limit) = schema[key].as_u64().filter(|limit| *limit < LENGTH_MAX) {
            for length in [limit.saturating_sub(1), limit, limit + 1] {
                texts.push("x".repeat(length as usize));
                // Lengths are counted in characters.
                texts.push("ä".repeat(length as usize));
            }
        }
    }
    texts
}

/// What a reference within the schema refers to, with what stands beside it.
fn resolved(schema: &Value, property: &Value) -> Value {
    let Some(target) = property["$ref"]
        .as_str()
        .and_then(|reference| schema.pointer(reference.strip_prefix('#')?))
    else {
        return property.clone();
    };
    let mut merged = target.clone();
    if let (Value::Object(merged), Value::Object(beside)) = (&mut merged, property) {
        for (key, value) in beside {
            if key != "$ref" {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_lie_on_both_sides_of_every_limit() {
        for schema in [
            json!({"type": "integer", "minimum": 3, "maximum": 9}),
            json!({"type": "string", "minLength": 3, "maxLength": 9}),
            json!({"enum": ["fast", "safe"]}),
            json!({"type": "boolean"}),
            json!({"type": "string", "format": "uri", "examples": ["http://a"]}),
        ] {
            let validator = compiled(&schema, "a schema").unwrap();
            let whole = json!({"properties": {"key": schema}, "required": ["key"]});
            let property = properties(&whole).remove(0);
            assert!(property.required);
            assert!(property.valid().is_some(), "{schema}");
            let all = property.candidates();
            assert!(
                all.iter().any(|value| !validator.is_valid(value)),
                "{schema}"
            );
            assert!(validator.is_valid(&valid_object(&whole)["key"]));
        }
    }

    #[test]
    fn references_are_followed() {
        let schema = json!({
            "properties": {"size": {"$ref": "#/$defs/size", "description": "How large."}},
            "$defs": {"size": {"type": "integer", "minimum": 1}},
        });
        let property = properties(&schema).remove(0);
        assert_eq!(
            property.schema,
            json!({"type": "integer", "minimum": 1, "description": "How large."})
        );
    }

    #[test]
    fn secrets_are_found_wherever_they_are() {
        let root = json!({"properties": {
            "plain": {"type": "string"},
            "tls": {"anyOf": [{"$ref": "#/$defs/tls"}, {"type": "null"}]},
        }, "$defs": {"tls": {"required": ["host"], "properties": {
            "host": {"type": "string"}, "key": {"type": "string", "writeOnly": true},
        }}}});
        let [plain, tls] = ["plain", "tls"].map(|key| &root["properties"][key]);
        assert!(!is_secret(&root, plain));
        assert!(is_secret(&root, tls));
        let value = with_secret(&root, tls, "marker");
        assert_eq!(value["key"], "marker");
        assert!(value["host"].is_string());
        let any = json!({"additionalProperties": tls});
        assert!(is_secret(&root, &any));
        let value = with_secret(&root, &any, "marker");
        assert_eq!(value["conformance"]["key"], "marker");
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for schema in [json!([]), json!({"type": "text"}), json!({"properties": 1})] {
            assert!(compiled(&schema, "a schema").is_err(), "{schema}");
        }
    }
}

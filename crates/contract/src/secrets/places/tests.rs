//! Is what a schema marks taken out, kept and put back, and nothing else?

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
    let mut options = object(json!({
        "note": "n", "secret": "s", "tls": {"key": "k", "name": "x"}, "a/b": 7,
        "loop": {"note": "n", "secret": "s"},
    }));
    let secrets = places().take(&mut options);
    assert_eq!(
        secrets.values.keys().collect::<Vec<_>>(),
        ["/a~1b", "/loop/secret", "/secret", "/tls/key"]
    );
}

#[test]
fn what_has_no_place_of_its_own_is_secret_with_what_is_around_it() {
    let secret = json!({"type": "string", "writeOnly": true});
    let inside = json!({"properties": {"s": secret}});
    for (what, schema) in [
        ("a key", json!({"properties": {"o": secret}})),
        (
            "a list of any key",
            json!({"properties": {"o": {"items": {"additionalProperties": secret}}}}),
        ),
        (
            "any key of a list",
            json!({"$defs": {"L": {"items": inside}}, "properties": {"o": {"$ref": "#/$defs/L"}}}),
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
fn under_any_key_only_what_is_marked_is_secret() {
    let secret = json!({"type": "string", "writeOnly": true});
    let target = json!({"properties": {"url": {"type": "string"}, "password": secret}});
    let given =
        json!({"note": "n", "o": {"a/b": {"url": "u", "password": "p"}, "*": {"password": "q"}}});
    let masked = json!({"note": "n", "o": {"a/b": {"url": "u", "password": "***"}, "*": {"password": "***"}}});
    let whole = json!({"note": "n", "o": {"a/b": "***", "*": "***"}});
    for (what, o, expected) in [
        ("as it is", json!({"additionalProperties": target}), &masked),
        (
            "by reference",
            json!({"additionalProperties": {"$ref": "#/$defs/Target"}}),
            &masked,
        ),
        (
            "in a choice",
            json!({"anyOf": [{"type": "null"}, {"additionalProperties": {"oneOf": [target]}}]}),
            &masked,
        ),
        ("all of it", json!({"additionalProperties": secret}), &whole),
        (
            "with lists",
            json!({"additionalProperties": {"items": target}}),
            &whole,
        ),
        (
            "a schema that contains itself",
            json!({"$ref": "#/$defs/Tree"}),
            &whole,
        ),
    ] {
        let schema = json!({"properties": {"o": o}, "$defs": {
            "Target": target,
            "Tree": {"additionalProperties": {"$ref": "#/$defs/Tree"}, "properties": {"key": secret}},
        }});
        let mut options = object(given.clone());
        let places = SecretPlaces::of_schema(&schema);
        let secrets = places.take(&mut options);
        assert_eq!(&Value::Object(options.clone()), expected, "{what}");
        let stored = Secrets::from_stored(&secrets.to_stored().unwrap()).unwrap();
        assert_eq!(stored, secrets);
        for place in stored.values.keys() {
            assert!(place.starts_with("/o/a~1b") || place.starts_with("/o/*"));
        }
        stored.put_into(&mut options);
        assert_eq!(Value::Object(options), given, "{what}");
    }
}

#[test]
fn any_key_is_none_that_is_named_and_an_asterisk_is_a_name_like_any_other() {
    let secret = json!({"writeOnly": true});
    let given = json!({"o": {"*": "s", "host": "h", "other": "s"}});
    for (o, expected) in [
        (
            json!({"properties": {"host": {}}, "additionalProperties": secret}),
            json!({"o": {"*": "***", "host": "h", "other": "***"}}),
        ),
        (
            json!({"properties": {"*": secret}, "additionalProperties": true}),
            json!({"o": {"*": "***", "host": "h", "other": "s"}}),
        ),
        (
            json!({"properties": {"*": {}}, "additionalProperties": false}),
            given.clone(),
        ),
    ] {
        let mut options = object(given.clone());
        SecretPlaces::of_schema(&json!({"properties": {"o": o}})).take(&mut options);
        assert_eq!(Value::Object(options), expected, "{o}");
    }
    let mut options = object(json!({"host": "h", "other": "s"}));
    let top = json!({"properties": {"host": {}}, "additionalProperties": secret});
    SecretPlaces::of_schema(&top).take(&mut options);
    assert_eq!(
        Value::Object(options),
        json!({"host": "h", "other": "***"}),
        "at the very top"
    );
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

#[test]
fn a_secret_under_any_key_is_kept_and_removed_as_any_other() {
    let places = SecretPlaces::of_schema(&json!({"properties": {"targets": {
        "additionalProperties": {"properties": {"password": {"writeOnly": true}}},
    }}}));
    let mut options =
        object(json!({"targets": {"a": {"password": "p"}, "b/c": {"password": "q"}}}));
    let stored = places.take(&mut options);
    let named = places.and_those_of(&stored);
    for (given, expected) in [
        (
            json!({"targets": {"a": {"password": "***"}, "b/c": {"url": "u"}}}),
            json!({"targets": {"a": {"password": "p"}, "b/c": {"url": "u", "password": "q"}}}),
        ),
        (
            json!({"targets": {"a": {"password": null}, "b/c": {"password": "new"}, "d": {"password": "s"}}}),
            json!({"targets": {"a": {}, "b/c": {"password": "new"}, "d": {"password": "s"}}}),
        ),
        (
            json!({}),
            json!({"targets": {"a": {"password": "p"}, "b/c": {"password": "q"}}}),
        ),
        (
            json!({"targets": {"a": null, "d": {"password": null}}}),
            json!({"targets": {"a": null, "b/c": {"password": "q"}, "d": {}}}),
        ),
    ] {
        for places in [&places, &named] {
            let mut options = object(given.clone());
            places.recall(&mut options, &stored).unwrap();
            assert_eq!(Value::Object(options), expected, "{given}");
        }
    }
    let mut options = object(json!({"targets": {"d": {"password": "***"}}}));
    let error = places.recall(&mut options, &stored).unwrap_err();
    assert_eq!(error.code(), "PH00432");
    assert!(
        error.to_string().contains("'targets/d/password'"),
        "{error}"
    );
}

#[test]
fn a_map_that_was_secret_as_a_whole_is_kept_so_until_it_is_sent_anew() {
    let given = json!({"targets": {"a": {"url": "u", "password": "p"}}});
    let mut options = object(given.clone());
    let before = json!({"properties": {"targets": {"writeOnly": true}}});
    let stored = SecretPlaces::of_schema(&before).take(&mut options);
    let now = SecretPlaces::of_schema(&json!({"properties": {"targets": {
        "additionalProperties": {"properties": {"password": {"writeOnly": true}}},
    }}}));
    let both = now.and_those_of(&stored);
    both.recall(&mut options, &stored).unwrap();
    assert_eq!(Value::Object(options.clone()), given);
    let again = both.take(&mut options);
    assert_eq!(Value::Object(options), json!({"targets": "***"}));
    assert_eq!(again, stored);
    let mut options = object(given);
    let split = now.take(&mut options);
    assert_eq!(
        Value::Object(options),
        json!({"targets": {"a": {"url": "u", "password": "***"}}})
    );
    assert_eq!(split.get("/targets/a/password"), Some(&json!("p")));
}

//! Does the schema say what the code does?

use super::*;

#[test]
fn what_the_schema_calls_default_is_what_is_in_force() {
    let schema = schema();
    let mut defaults = Map::new();
    for (path, node) in schema.root().keys() {
        assert!(
            node.own_keyword("default").is_some(),
            "{} has no default in the schema",
            key_name(&path)
        );
        if let Some(default) = node.default() {
            put(&mut defaults, &path, default.clone());
        }
    }
    let transports = defaults.remove("transports").unwrap();
    let said: File = serde_json::from_value(Value::Object(defaults)).unwrap();
    assert_eq!(format!("{said:?}"), format!("{:?}", File::default()));
    for plugin in registry::transports().plugins {
        // One whose keys are all under names of the operator has no defaults of its own.
        let section = transports.get(plugin.name()).cloned();
        plugin
            .check_config(&section.unwrap_or_else(|| json!({})))
            .unwrap();
    }
}

/// Each bound of the schema is one: a step beyond is refused, by the section's own check, too, where it has one.
#[test]
fn the_ranges_of_the_schema_are_those_of_the_code() {
    let schema = schema();
    let mut bounds = 0;
    for (path, node) in schema.root().keys() {
        for (keyword, step) in [("minimum", -1), ("maximum", 1)] {
            let Some(bound) = node.own_keyword(keyword).and_then(Value::as_i64) else {
                continue;
            };
            bounds += 1;
            let try_it = |number: i64| {
                let text = number.to_string();
                let name = environment::variable(&path);
                // Where one key bounds another, the other gives way.
                let other = match path.last().map(String::as_str) {
                    Some("list_bytes_max") => ("PHOTINUS__ENGINE__MESSAGE_BYTES_MAX", "1025"),
                    _ => ("PHOTINUS__ENGINE__LIST_BYTES_MAX", "1_000_000_000"),
                };
                let variables = [(name.as_str(), text.as_str()), other];
                told("", &variables, Arguments::default())
            };
            assert!(try_it(bound).is_ok(), "{} = {bound}", key_name(&path));
            assert!(try_it(bound + step).is_err(), "{}", key_name(&path));
            let [transports, name, keys @ ..] = &path[..] else {
                continue;
            };
            let mut section = Map::new();
            put(&mut section, keys, json!(bound + step));
            for plugin in registry::transports().plugins {
                if transports == "transports" && plugin.name() == name {
                    let checked = plugin.check_config(&Value::Object(section.clone()));
                    assert!(checked.is_err(), "{} = {}", key_name(&path), bound + step);
                }
            }
        }
    }
    assert!(bounds > 30, "{bounds}");
}

#[test]
fn the_schema_is_one_that_an_editor_can_use() {
    let schema: Value = serde_json::from_str(&schema().to_json()).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (right, toml) in [
        (true, ""),
        (
            true,
            "data = 'd'\n[api]\nlisten = '[::1]:0'\n[transports.websockets]\nping_interval = '30s'",
        ),
        (false, "date = 'd'"),
        (false, "[api]\nlistn = '[::1]:0'"),
        (false, "[api]\nreads_max = 0"),
        (false, "[engine]\nshards = 257"),
        (false, "[transports.websocket]"),
        (false, "[transports.websockets]\nfeathers = 1"),
        (false, "[store.sqlite]\nsynchronous = 'off'"),
    ] {
        let value: Value = toml::from_str(toml).unwrap();
        assert_eq!(validator.is_valid(&value), right, "{toml}");
    }
    let sections = schema["properties"].as_object().unwrap();
    assert_eq!(sections["api"]["title"], "[api]");
    assert!(schema["title"].is_string() && schema["$schema"].is_string());
}

#[test]
fn every_setting_is_described() {
    for (path, node) in schema().root().keys() {
        assert!(!node.description().is_empty(), "{}", key_name(&path));
    }
}

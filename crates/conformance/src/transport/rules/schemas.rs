//! Do the schemas say what is accepted?

use photinus_contract::SubscriptionOptions;
use serde_json::{Map, Value, json};

use crate::transport::bench::Bench;
use crate::transport::samples;
use crate::transport::verdict::{Fault, Kept, require};

/// A key that no transport has.
const UNKNOWN: &str = "key_that_only_the_suite_knows";

pub(super) async fn options(bench: &mut Bench) -> Kept {
    let schema = bench.transport()?.options_schema();
    let validator = samples::compiled(&schema, "options_schema")?;
    let mut base = samples::valid_object(&schema);
    base.extend(bench.far.options("schema"));
    check(
        bench,
        &validator,
        &base,
        "the options that the schema describes",
    )?;
    require(validator.is_valid(&Value::Object(base.clone())), || {
        format!(
            "the schema refuses {} which is made from it",
            Value::Object(base.clone())
        )
    })?;

    for option in samples::properties(&schema) {
        // The engine has its own idea of these, and clears an option by null.
        if samples::CORE_OPTIONS.contains(&option.name.as_str()) {
            continue;
        }
        for value in option.candidates() {
            let mut options = base.clone();
            options.insert(option.name.clone(), value.clone());
            let what = format!("option '{}' = {value}", option.name);
            check(bench, &validator, &options, &what)?;
        }
        if option.required {
            let mut options = base.clone();
            options.remove(&option.name);
            let what = format!("no option '{}'", option.name);
            check(bench, &validator, &options, &what)?;
        }
    }
    Ok(())
}

/// `validate` and the schema agree.
fn check(
    bench: &Bench,
    validator: &jsonschema::Validator,
    options: &Map<String, Value>,
    what: &str,
) -> Kept {
    let transport = bench.transport()?;
    let mut parsed = SubscriptionOptions::default();
    parsed.other = options.clone();
    let refused = transport.validate(&mut parsed).err();
    let instance = Value::Object(options.clone());
    let by_schema = validator.validate(&instance).err();
    match (&refused, &by_schema) {
        (Some(error), None) => {
            return Err(Fault(format!(
                "{what}: validate refuses it ({error}), and the schema does not"
            )));
        }
        (None, Some(error)) => {
            return Err(Fault(format!(
                "{what}: the schema refuses it ({error}), and validate does not"
            )));
        }
        (Some(_), Some(_)) => return Ok(()),
        (None, None) => {}
    }
    // What it has completed is complete: it comes back with the next change of the subscription.
    let mut again = parsed.clone();
    transport.validate(&mut again).map_err(|error| {
        Fault(format!(
            "{what}: validate refuses what it made of it: {error}"
        ))
    })?;
    require(again == parsed, || {
        format!("{what}: validate changes what it has changed before")
    })
}

pub(super) async fn config(bench: &mut Bench) -> Kept {
    let plugin = (bench.subject.plugin)();
    let name = plugin.name();
    require(
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_'),
        || format!("the name '{name}' is not of lower case letters, digits, '-' and '_'"),
    )?;
    let schema = plugin.config_schema();
    let validator = samples::compiled(&schema, "config_schema")?;
    let mut defaults = Map::new();
    for key in samples::properties(&schema) {
        require(key.schema["description"].is_string(), || {
            format!("key '{}' has no description", key.name)
        })?;
        match key.schema.get("default") {
            Some(default) => {
                defaults.insert(key.name.clone(), default.clone());
            }
            None => require(key.required, || {
                format!("key '{}' has no default and is not required", key.name)
            })?,
        }
    }
    // What has no default is taken from the configuration of the subject.
    let mut given = bench.subject.config.clone();
    require(validator.is_valid(&given), || {
        format!("the schema refuses the configuration of the subject: {given}")
    })?;
    accepted(plugin.check_config(&given), &given)?;
    if let Value::Object(given) = &given {
        for (key, value) in given {
            defaults.insert(key.clone(), value.clone());
        }
    }
    let defaults: Value = defaults.into();
    if let Some(error) = validator.validate(&defaults).err() {
        return Err(Fault(format!(
            "the schema refuses its own defaults: {error}"
        )));
    }
    accepted(plugin.check_config(&defaults), &defaults)?;

    given[UNKNOWN] = json!(1);
    require(!validator.is_valid(&given), || {
        "the schema accepts an unknown key: say additionalProperties: false".to_owned()
    })?;
    match plugin.check_config(&given) {
        Ok(()) => Err(Fault::new("check_config accepts an unknown key")),
        Err(text) => require(text.contains(UNKNOWN), || {
            format!("check_config refuses an unknown key and does not name it: '{text}'")
        }),
    }
}

fn accepted(result: Result<(), String>, config: &Value) -> Kept {
    result.map_err(|error| Fault(format!("check_config refuses {config}: {error}")))
}

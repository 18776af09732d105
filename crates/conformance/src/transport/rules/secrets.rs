//! Is a secret shown nowhere?

use photinus_contract::{Subscription, SubscriptionOptions};
use serde_json::{Map, Value, json};

use crate::transport::bench::{Bench, is_attempt, own};
use crate::transport::far_end::{FarAnswer, Skill};
use crate::transport::logs::Watch;
use crate::transport::samples::{self, Property};
use crate::transport::verdict::{Fault, Kept, require};

pub(super) async fn never_shown(bench: &mut Bench) -> Kept {
    let schema = bench.transport()?.options_schema();
    for secret in samples::properties(&schema) {
        if samples::is_secret(&schema, &secret.schema) {
            one(bench, &schema, &secret).await?;
        }
    }
    Ok(())
}

async fn one(bench: &mut Bench, schema: &Value, secret: &Property) -> Kept {
    let name = format!("secret-{}", secret.name.to_lowercase());
    let given = bench.far.options(&name);
    // One that only this rule knows, unless the far end has one that fits better.
    let (marker, value) = match given.get(&secret.name) {
        Some(given) => (text_in(given).unwrap_or_default(), given.clone()),
        None => {
            let marker = format!("secret{:012x}", uuid::Uuid::new_v4().as_u128() as u64 >> 16);
            let value = samples::with_secret(schema, &secret.schema, &marker);
            (marker, value)
        }
    };
    let mut options: Map<String, Value> = samples::valid_object(schema);
    options.extend(given);
    // What was sent for another secret is not of interest.
    options.insert("firstEvent".to_owned(), json!("newest"));
    options.insert(secret.name.clone(), value.clone());
    require(
        samples::compiled(schema, "options_schema")?.is_valid(&Value::Object(options.clone())),
        || {
            format!(
                "the suite finds no value for the secret option '{}': let options() of the far end give one",
                secret.name
            )
        },
    )?;
    let logs = Watch::start(&marker).map_err(Fault)?;
    let hidden = |place: &str, text: &str| {
        require(!text.contains(&marker), || {
            let text = text.replace(&marker, "<THE SECRET>");
            format!(
                "option '{}' is writeOnly, and {place} shows it: {text}",
                secret.name
            )
        })
    };
    errors(bench, schema, secret, &options, &marker, &hidden)?;

    let subscription = bench.subscribe(&name, options.into()).await?;
    shown(&subscription, &hidden)?;
    let connection = bench.attach(&name).await?;
    let sent = bench.publish(2).await?;
    let mut events = bench.expect(connection, &sent[..1]).await?;
    hidden("status()", &status(bench).await?)?;
    if bench.can(Skill::Retry) {
        bench
            .answer(connection, &events[0], FarAnswer::Retry)
            .await?;
        events = bench.expect(connection, &sent[..1]).await?;
        is_attempt(&events[0], 2)?;
    }
    bench.ack_all(connection, &events).await?;
    let events = bench.expect(connection, &sent[1..]).await?;
    bench.ack_all(connection, &events).await?;
    bench.settled(subscription.id, sent[1]).await?;

    // What is shown, sent back with a change, keeps the secret.
    let again: Value = subscription.options.to_map().into();
    let changed = bench.put(&name, json!({"topic": "."}), again).await?;
    shown(&changed, &hidden)?;
    require(
        changed.revealed_options().get(&secret.name) == Some(&value),
        || {
            format!(
                "option '{}' is lost when its mask is sent back",
                secret.name
            )
        },
    )?;
    if bench.can(Skill::Cut) {
        bench.far.cut(connection).await?;
    }
    hidden("status()", &status(bench).await?)?;
    for text in bench.journal.texts() {
        hidden("what it said to the engine", &text)?;
    }
    bench.stop().await?;
    for line in logs.found() {
        hidden("a line of the log", &line)?;
    }
    bench.restart().await
}

/// The first text that a value holds.
fn text_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => values.iter().find_map(text_in),
        Value::Object(values) => values.values().find_map(text_in),
        _ => None,
    }
}

/// The errors of `validate` for every other option that is wrong, and for the secret itself.
fn errors(
    bench: &Bench,
    schema: &Value,
    secret: &Property,
    valid: &Map<String, Value>,
    marker: &str,
    hidden: &dyn Fn(&str, &str) -> Kept,
) -> Kept {
    let mut cases = vec![
        (secret.name.clone(), json!({"in": marker})),
        (secret.name.clone(), json!([marker])),
        (secret.name.clone(), json!(marker.repeat(100))),
        (secret.name.clone(), json!(marker)),
    ];
    for option in samples::properties(schema) {
        if option.name != secret.name && !samples::CORE_OPTIONS.contains(&option.name.as_str()) {
            let values = option.candidates().into_iter();
            cases.extend(values.map(|value| (option.name.clone(), value)));
        }
    }
    let transport = bench.transport()?;
    for (name, value) in cases {
        let mut options = SubscriptionOptions::default();
        options.other = valid.clone();
        options.other.insert(name, value);
        if let Err(error) = transport.validate(&mut options) {
            hidden("the error of validate", &error.to_string())?;
        }
    }
    Ok(())
}

/// The subscription shows no secret, neither in the API nor in a log.
fn shown(subscription: &Subscription, hidden: &dyn Fn(&str, &str) -> Kept) -> Kept {
    let json = serde_json::to_string(subscription).map_err(own)?;
    hidden("the subscription", &json)?;
    hidden("the subscription", &format!("{subscription:?}"))
}

async fn status(bench: &Bench) -> Result<String, Fault> {
    let status = bench.call("status", |transport| transport.status()).await?;
    Ok(status.map(|status| status.to_string()).unwrap_or_default())
}

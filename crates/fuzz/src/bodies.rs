//! Is a body of JSON read for what it says?

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::message::GroupInput;
use photinus_contract::object::Object;
use photinus_contract::retry::DELAY_MAX;
use photinus_contract::store::NamespaceInfo;
use photinus_contract::{
    Data, DataRef, Message, MessageInput, Namespace, Secrets, Subscription, SubscriptionFilter,
    SubscriptionId, SubscriptionOptions, Timestamp,
};
use photinus_dispatch::{Filter, delay};
use photinus_engine::SubscriptionInput;
use photinus_store_sqlite::Config as SqliteConfig;
use photinus_transport_websockets::Config as WebSocketsConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{errors, in_time};

/// Every object that a client sends, and those that are stored.
pub fn bodies(input: &[u8]) {
    in_time(input, || {
        message(input);
        subscription(input);
        reread::<SubscriptionFilter>(input);
        reread::<SubscriptionOptions>(input);
        if let Ok(Object(Some(options))) = serde_json::from_slice(input) {
            check_options(&options);
        }
        reread::<GroupInput>(input);
        reread::<Subscription>(input);
        reread::<NamespaceInfo>(input);
        reread::<DataRef>(input);
        reread::<SqliteConfig>(input);
        rewritten::<Message>(input);
        rewritten::<Data>(input);
        secrets(input);
        if let Ok(section) = serde_json::from_slice(input)
            && let Err(error) = WebSocketsConfig::from_section(&section)
        {
            assert!(!error.is_empty());
        }
    });
}

fn message(input: &[u8]) {
    let Ok(Object(Some(message))) = serde_json::from_slice::<Object<MessageInput>>(input) else {
        return;
    };
    for value in &message.data {
        let Some(raw) = &value.value else { continue };
        // What is kept as it was sent is JSON alone, too.
        let again: Box<serde_json::value::RawValue> = serde_json::from_str(raw.get()).unwrap();
        assert_eq!(again.get(), raw.get());
    }
    if let Some(group) = &message.group {
        let json = serde_json::to_vec(group).unwrap();
        assert_eq!(serde_json::from_slice::<GroupInput>(&json).unwrap(), *group);
    }
}

/// A subscription that is accepted is stored as JSON: the next start must be able to read it.
fn subscription(input: &[u8]) {
    let Ok(Object(Some(input))) = serde_json::from_slice::<Object<SubscriptionInput>>(input) else {
        return;
    };
    for timeout in [input.options.batch_timeout(), input.options.ack_timeout()] {
        if let Err(error) = timeout {
            errors::check(&error);
        }
    }
    check_options(&input.options);
    if let Err(error) = Filter::new(&input.filter) {
        errors::check(&error);
        assert_eq!(error.code(), "FF10171");
    }
    let subscription = Subscription::new(
        SubscriptionId(Uuid::nil()),
        Namespace::new("default"),
        Arc::<str>::from(input.name),
        Arc::<str>::from(input.transport),
        input.filter,
        input.options,
        Timestamp::from_nanos(0),
    );
    assert_reread(&subscription);
}

/// A retry policy that is accepted gives delays within the limits; a refusal says which option it is about.
fn check_options(options: &SubscriptionOptions) {
    match options.policy() {
        Ok(policy) => {
            for failures in [1, 2, 100, u32::MAX] {
                // The spread is at most the whole of it.
                assert!(delay(&policy.delays, failures, 7) <= DELAY_MAX * 2);
            }
            assert!(policy.attempts_max != Some(0) && policy.age_max != Some(Duration::ZERO));
        }
        Err(error) => {
            errors::check(&error);
            assert!(error.to_string().contains("'retryPolicy"), "{error}");
        }
    }
    match options.ordering_key() {
        Ok(_) => {}
        Err(error) => {
            errors::check(&error);
            assert_eq!(error.code(), "PH00445");
        }
    }
}

/// What is kept apart of a subscription's options is read with it.
fn secrets(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(secrets) = Secrets::from_stored(text)
        && let Some(stored) = secrets.to_stored()
    {
        assert!(Secrets::from_stored(&stored).is_ok_and(|again| again == secrets));
    }
}

fn reread<T: Debug + PartialEq + Serialize + DeserializeOwned>(input: &[u8]) {
    if let Ok(Object(Some(value))) = serde_json::from_slice::<Object<T>>(input) {
        assert_reread(&value);
    }
}

fn assert_reread<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    match serde_json::from_str::<T>(&json) {
        Ok(again) => assert_eq!(again, *value, "written {json}"),
        Err(error) => panic!("what was accepted cannot be read again: {error}: {json}"),
    }
}

/// As [`reread`], for what can only be compared in its written form.
fn rewritten<T: Serialize + DeserializeOwned>(input: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(input) {
        let json = serde_json::to_string(&value).unwrap();
        let again: T = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
    }
}

//! Is a record stored whole, and found again as it was?

use photinus_contract::data::Validator;
use photinus_contract::id::EVENTS_PER_RECORD_MAX;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{AppendError, ReadLimit, Start};
use photinus_contract::{EventType, Sequence};
use uuid::Uuid;

use super::Rig;
use super::make::*;

/// Every part of a record comes back byte for byte.
pub async fn a_record_comes_back_as_it_was(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let mut full = record(&ns, 1, &["a", "b", "c"], &[r#"{"x":"ä\n"}"#, "1", "null"]);
    full.content.kind = EventType::MessageRejected;
    full.content.correlator = Some(Uuid::from_u128(77));
    full.content.edit(|parts| {
        parts.tag = "tag".to_owned();
        parts.author = "author ü".to_owned();
        parts.group = hash(3).to_string();
        parts.idempotency_key = Some("key,\n".to_owned());
        parts.values[1].validator = Validator::None;
        parts.values[2].validator = Validator::Definition;
    });
    let plain = record(&ns, 2, &["t"], &["[]"]);
    for record in [full, plain] {
        let content = record.content.clone();
        let last = append_one(store, record).await.unwrap();
        let page = store.read(&ns, last.previous(), ALL).await.unwrap();
        let back = store
            .read_back(&ns, Sequence::MAX, ReadLimit::records(1))
            .await
            .unwrap();
        let found = store.record(&ns, content.id.0).await.unwrap().unwrap();
        assert_eq!(page.records.len(), 1);
        for read in [&page.records[0], &back[0], &found] {
            assert_eq!(read.last, last);
            assert_eq!(read.content, content);
            assert_eq!(read.content.message_json(), content.message_json());
        }
    }
}

/// A record is found by the ids of its message, its events and its values, in its namespace only.
pub async fn a_record_is_found_by_the_id_of_each_part(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    fill(store, &ns, 1, 3).await;
    let last = append_one(store, record(&ns, 5, &["a", "b"], &["1", "2"])).await;
    let id = message(5);
    for (part, found) in [
        (id.0, true),
        (id.event(0).0, true),
        (id.event(1).0, true),
        (id.value(1).0, true),
        // There are two events and two values.
        (id.event(2).0, false),
        (id.value(2).0, false),
        (message(6).0, false),
        (Uuid::nil(), false),
    ] {
        let record = store.record(&ns, part).await.unwrap();
        assert_eq!(record.is_some(), found, "{part}");
        if let Some(record) = record {
            assert_eq!((record.content.id, Ok(record.last)), (id, last.clone()));
        }
        assert_eq!(store.record(&other, part).await, Ok(None));
        assert_eq!(store.record(&namespace("nowhere"), part).await, Ok(None));
    }
}

/// A value is read by its id, whether the store keeps it in the record or, because it is large, apart. A record
/// that is read has every small value, and a place for each large one.
pub async fn values_are_read_whether_inline_or_apart(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let (large, larger) = (large_value(1), large_value(22));
    let values = [r#"{"a":1}"#, &large, "2", &larger];
    let mut sent = record(&ns, 1, &["a", "b"], &values);
    sent.content.edit(|parts| {
        parts.values[1].validator = Validator::None;
        parts.values[3].validator = Validator::None;
    });
    append_one(store, sent.clone()).await.unwrap();
    // Alone, and last of many.
    append_one(store, record(&ns, 2, &["a"], &[&large]))
        .await
        .unwrap();

    let read = store.read(&ns, Sequence(0), ALL).await.unwrap().records;
    assert_eq!(read[0].content.values_len(), 4);
    let both = read[0].content.values().zip(sent.content.values());
    for (part, (value, sent)) in both.enumerate() {
        assert_eq!(value.validator, sent.validator);
        assert!(value.json.is_none() || value.json == sent.json);
        let id = message(1).value(part);
        let data = store.value(&ns, id).await.unwrap().unwrap();
        assert_eq!(data.value.get(), values[part]);
        assert_eq!((data.id, data.hash), (id, hash(part)));
        assert_eq!(
            (data.namespace, data.validator),
            (ns.clone(), sent.validator)
        );
        assert_eq!(data.created, read[0].content.created);
    }
    let alone = store.value(&ns, message(2).value(0)).await.unwrap();
    assert_eq!(alone.unwrap().value.get(), large);
    // There is no such part, no such message, and an event is no value.
    for id in [message(1).value(4), message(9).value(0)] {
        assert!(store.value(&ns, id).await.unwrap().is_none());
    }
    let elsewhere = store.value(&namespace("nowhere"), message(1).value(0));
    assert!(elsewhere.await.unwrap().is_none());
}

/// Of a record that is refused, whatever the reason and wherever it stands in the call, nothing is stored: it is
/// not found by any id, and its idempotency key and its reply key are free.
pub async fn a_refused_record_leaves_nothing(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let ns = &s.namespace;
    append_one(store, keyed(ns, 50, "taken")).await.unwrap();
    let epoch = s.claimed.epoch;
    append_one(store, s.reply(51, 1, Some(epoch)))
        .await
        .unwrap();
    // Its reply to event 2 has two keys and something of everything; each is refused for a reason of its own.
    let large = large_value(3);
    let full = |number: u64| {
        let mut full = record(ns, number, &["a", "b"], &["1", &large]);
        full.content
            .edit(|parts| parts.idempotency_key = Some("free".to_owned()));
        full.reply = s.reply(number, 2, Some(epoch)).reply;
        full
    };
    let answered = s.reply(0, 1, Some(epoch)).reply;
    let stale = s.reply(0, 2, Some(epoch + 1)).reply;
    type Spoil<'a> = &'a dyn Fn(&mut NewRecord);
    let spoils: [(&str, Spoil<'_>); 7] = [
        ("no events", &|bad| {
            bad.content.edit(|parts| parts.events.clear());
        }),
        ("too many events", &|bad| {
            bad.content.edit(|parts| {
                parts.events = vec![parts.events[0].clone(); EVENTS_PER_RECORD_MAX + 1];
            });
        }),
        ("unknown namespace", &|bad| {
            bad.content.namespace = namespace("nowhere");
        }),
        ("the id of a message that is there", &|bad| {
            bad.content.id = message(3);
        }),
        ("a duplicate key", &|bad| {
            bad.content
                .edit(|parts| parts.idempotency_key = Some("taken".to_owned()));
        }),
        ("a duplicate reply", &|bad| bad.reply = answered),
        ("a stale epoch", &|bad| bad.reply = stale),
    ];
    let mut expected = numbers(store, ns).await;
    for (number, (reason, spoil)) in (100u64..).step_by(10).zip(spoils) {
        let mut bad = full(number);
        spoil(&mut bad);
        let good = |number| record(ns, number, &["t"], &["1"]);
        let call = vec![good(number + 1), bad, good(number + 2)];
        let answers = store.append(call).await;
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{reason}");
        assert!(answers[1].is_err(), "{reason} was accepted");
        expected.extend([number + 1, number + 2]);
        assert_eq!(numbers(store, ns).await, expected, "{reason}");
        let last = answers[2].as_ref().unwrap().last;
        assert_eq!(store.head(ns).await, Ok(last), "{reason}");
        let id = message(number);
        for part in [id.0, id.event(0).0, id.event(1).0, id.value(1).0] {
            for namespace in [ns, &namespace("nowhere")] {
                assert_eq!(store.record(namespace, part).await, Ok(None), "{reason}");
            }
        }
        for part in 0..2 {
            let value = store.value(ns, id.value(part)).await.unwrap();
            assert!(value.is_none(), "{reason}");
        }
    }
    // All keys are free: the same record, whole, is taken, and then they are not.
    assert!(append_one(store, full(200)).await.is_ok());
    let holder = message(200);
    let again = append_one(store, keyed(ns, 201, "free")).await;
    assert_eq!(again, Err(AppendError::DuplicateKey { holder }));
    let again = append_one(store, s.reply(202, 2, Some(epoch))).await;
    assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    let nowhere = subscription(&namespace("nowhere"), 7, "app");
    let nowhere = store.create_subscription(nowhere, Start::Oldest).await;
    assert!(nowhere.is_err(), "an append has made a namespace");
}

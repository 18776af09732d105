//! What must hold for the log, the namespaces and the groups?

use photinus_contract::data::Validator;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{
    AppendError, CreateNamespaceError, Group, NamespaceInfo, ReadLimit, Store, StoreErrorKind,
};
use photinus_contract::{EventType, Sequence, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::make::*;

pub async fn sequences_rise_from_one_and_reads_see_them_in_order(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    assert_eq!(store.head(&ns).await, Ok(Sequence(0)));
    assert_eq!(sequences(store, &ns, 0).await, NONE);
    let group = vec![
        record(&ns, 1, &["a", "b"], &[]),
        record(&ns, 2, &["c"], &[]),
    ];
    let answers = store.append(group).await;
    let lasts: Vec<i64> = answers.into_iter().map(|a| a.unwrap().last.0).collect();
    assert_eq!(lasts, [2, 3]);
    let last = append_one(store, record(&ns, 3, &["d", "e", "f"], &[])).await;
    assert_eq!(last, Ok(Sequence(6)));
    assert_eq!(store.head(&ns).await, Ok(Sequence(6)));
    assert_eq!(sequences(store, &ns, -1).await, [2, 3, 6]);
    // A record whose last event is after the border is read, even if its first is not.
    assert_eq!(sequences(store, &ns, 1).await, [2, 3, 6]);
    assert_eq!(sequences(store, &ns, 2).await, [3, 6]);
    assert_eq!(sequences(store, &ns, 5).await, [6]);
    assert_eq!(sequences(store, &ns, 6).await, NONE);
    assert_eq!(sequences(store, &ns, i64::MAX).await, NONE);
    assert!(store.append(Vec::new()).await.is_empty());
}

pub async fn a_record_comes_back_as_it_was(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let mut full = record(&ns, 1, &["a", "b", "c"], &[r#"{"x":"ä\n"}"#, "1", "null"]);
    full.content.kind = EventType::MessageRejected;
    full.content.tag = "tag".into();
    full.content.author = "author ü".into();
    full.content.group = hash(3).to_string().into();
    full.content.correlator = Some(Uuid::from_u128(77));
    full.content.idempotency_key = Some("key,\n".into());
    full.content.values[1].validator = Validator::None;
    full.content.values[2].validator = Validator::Definition;
    let plain = record(&ns, 2, &["t"], &["[]"]);
    for (record, last) in [(full, 3), (plain, 4)] {
        let content = record.content.clone();
        assert_eq!(append_one(store, record).await, Ok(Sequence(last)));
        let page = store.read(&ns, Sequence(last - 1), ALL).await.unwrap();
        assert_eq!(page.records.len(), 1);
        assert_eq!(page.records[0].last, Sequence(last));
        assert_eq!(page.records[0].content, content);
        assert_eq!(
            page.records[0].content.message_json(),
            content.message_json()
        );
    }
}

pub async fn each_record_is_answered_for_itself(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let nowhere = namespace("nowhere");
    let mut empty = record(&ns, 3, &["t"], &[]);
    empty.content.events.clear();
    let answers = store
        .append(vec![
            record(&ns, 1, &["t"], &[]),
            record(&nowhere, 2, &["t"], &[]),
            empty,
            // The id of a message that is there.
            record(&ns, 1, &["t"], &[]),
            record(&ns, 4, &["t"], &[]),
        ])
        .await;
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(1));
    assert_eq!(answers[1], Err(AppendError::UnknownNamespace));
    for refused in [&answers[2], &answers[3]] {
        let Err(AppendError::Store(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.kind(), StoreErrorKind::Other);
        assert!(!error.is_retryable());
    }
    assert_eq!(answers[4].as_ref().unwrap().last, Sequence(2));
    assert_eq!(sequences(store, &ns, 0).await, [1, 2]);
    assert_eq!(sequences(store, &nowhere, 0).await, NONE);
    assert_eq!(store.head(&nowhere).await, Ok(Sequence(0)));
}

pub async fn a_key_is_taken_once_also_within_one_group(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let duplicate = |holder| Err(AppendError::DuplicateKey { holder });
    let answers = store
        .append(vec![
            keyed(&ns, 1, "k"),
            keyed(&ns, 2, "k"),
            keyed(&ns, 3, "other"),
        ])
        .await;
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(1));
    assert_eq!(answers[1], duplicate(message(1)));
    assert_eq!(answers[2].as_ref().unwrap().last, Sequence(2));
    assert_eq!(
        append_one(store, keyed(&ns, 4, "k")).await,
        Err(AppendError::DuplicateKey { holder: message(1) })
    );
    assert_eq!(sequences(store, &ns, 0).await, [1, 2]);
    assert_eq!(store.record(&ns, message(2).0).await, Ok(None));
}

pub async fn a_key_belongs_to_its_namespace(store: &dyn Store) {
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    assert_eq!(append_one(store, keyed(&a, 1, "k")).await, Ok(Sequence(1)));
    assert_eq!(append_one(store, keyed(&b, 2, "k")).await, Ok(Sequence(1)));
    assert_eq!(
        append_one(store, keyed(&b, 3, "k")).await,
        Err(AppendError::DuplicateKey { holder: message(2) })
    );
}

pub async fn namespaces_are_numbered_apart(store: &dyn Store) {
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    let group = vec![
        record(&a, 1, &["t"], &[]),
        record(&b, 2, &["t", "u"], &[]),
        record(&a, 3, &["t"], &[]),
    ];
    let answers = store.append(group).await;
    let lasts: Vec<i64> = answers.into_iter().map(|a| a.unwrap().last.0).collect();
    assert_eq!(lasts, [1, 2, 2]);
    assert_eq!(sequences(store, &a, 0).await, [1, 2]);
    assert_eq!(sequences(store, &b, 0).await, [2]);
    assert_eq!(store.head(&a).await, Ok(Sequence(2)));
    assert_eq!(store.record(&a, message(2).0).await, Ok(None));
    let back = store.read_back(&a, Sequence::MAX, 9).await.unwrap();
    assert_eq!(back.len(), 2);
}

pub async fn reads_stop_at_their_limits_and_say_so(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    fill(store, &ns, 1, 10).await;
    let size = store.read(&ns, Sequence(0), ALL).await.unwrap().records[0]
        .content
        .size();
    for (after, records, bytes, expected, more) in [
        (0, 3, usize::MAX, 3, true),
        (0, 10, usize::MAX, 10, false),
        (7, 3, usize::MAX, 3, false),
        (7, 2, usize::MAX, 2, true),
        // At least one, if there is one.
        (0, 0, 0, 1, true),
        (9, 0, 0, 1, false),
        (10, 0, 0, 0, false),
        (0, usize::MAX, size * 4, 4, true),
        (0, usize::MAX, size * 4 - 1, 3, true),
        (0, usize::MAX, size * 10, 10, false),
    ] {
        let limit = ReadLimit { records, bytes };
        let page = store.read(&ns, Sequence(after), limit).await.unwrap();
        let case = (after, records, bytes);
        assert_eq!(
            (page.records.len(), page.more),
            (expected, more),
            "{case:?}"
        );
        assert!(
            page.records
                .iter()
                .zip(after + 1..)
                .all(|(record, sequence)| record.last.0 == sequence)
        );
    }
}

pub async fn reading_back_begins_below_the_border(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    // Their first and last sequences: 1-1, 2-4, 5-5.
    let group = vec![
        record(&ns, 1, &["a"], &[]),
        record(&ns, 2, &["b", "c", "d"], &[]),
        record(&ns, 3, &["e"], &[]),
    ];
    store.append(group).await;
    for (before, limit, expected) in [
        (i64::MAX, 9, vec![5, 4, 1]),
        (6, 9, vec![5, 4, 1]),
        (6, 2, vec![5, 4]),
        (5, 9, vec![4, 1]),
        (3, 9, vec![4, 1]),
        (3, 1, vec![4]),
        (3, 0, vec![]),
        (2, 9, vec![1]),
        (1, 9, vec![]),
        (0, 9, vec![]),
        (-1, 9, vec![]),
    ] {
        let records = store.read_back(&ns, Sequence(before), limit).await.unwrap();
        let lasts: Vec<i64> = records.iter().map(|record| record.last.0).collect();
        assert_eq!(lasts, expected, "before {before}, at most {limit}");
    }
}

pub async fn a_record_is_found_by_the_id_of_each_part(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    fill(store, &ns, 1, 3).await;
    append_one(store, record(&ns, 5, &["a", "b"], &["1", "2"]))
        .await
        .unwrap();
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
        assert!(record.is_none_or(|record| record.content.id == id));
        assert_eq!(store.record(&namespace("nowhere"), part).await, Ok(None));
    }
}

pub async fn values_are_read_whether_inline_or_apart(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let large = serde_json::to_string(&"x".repeat(100_000)).unwrap();
    let values = [r#"{"a":1}"#, &large, "2", &large];
    let mut sent = record(&ns, 1, &["a", "b"], &values);
    sent.content.values[1].validator = Validator::None;
    sent.content.values[3].validator = Validator::None;
    append_one(store, sent.clone()).await.unwrap();
    // Alone, and last of many.
    append_one(store, record(&ns, 2, &["a"], &[&large]))
        .await
        .unwrap();

    let read = store.read(&ns, Sequence(0), ALL).await.unwrap().records;
    for (part, value) in read[0].content.values.iter().enumerate() {
        let sent = &sent.content.values[part];
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
    assert_eq!(read[0].content.values.len(), 4);
    assert_eq!(read[0].content.values[0].json, sent.content.values[0].json);
    let alone = store.value(&ns, message(2).value(0)).await.unwrap();
    assert_eq!(alone.unwrap().value.get(), large);
    for id in [message(1).value(4), message(9).value(0)] {
        assert!(store.value(&ns, id).await.unwrap().is_none());
    }
    let elsewhere = store.value(&namespace("nowhere"), message(1).value(0));
    assert!(elsewhere.await.unwrap().is_none());
}

pub async fn writes_take_effect_in_the_order_of_the_calls(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let numbers = 1..=200;
    // Waited for in the reverse order, and every second one not at all.
    let mut waits: Vec<_> = numbers
        .clone()
        .map(|number| store.append(vec![record(&ns, number, &["t"], &[])]))
        .collect();
    let mut number = *numbers.end();
    while let Some(wait) = waits.pop() {
        if number.is_multiple_of(2) {
            assert_eq!(wait.await[0].as_ref().unwrap().last.0, number as i64);
        }
        number -= 1;
    }
    let read = store.read(&ns, Sequence(0), ALL).await.unwrap().records;
    let ids: Vec<_> = read.iter().map(|record| record.content.id).collect();
    assert_eq!(ids, numbers.map(message).collect::<Vec<_>>());
}

pub async fn namespaces_are_listed_by_name(store: &dyn Store) {
    assert_eq!(store.namespaces().await, Ok(vec![]));
    for name in ["b", "a", "c"] {
        with_namespace(store, name).await;
    }
    let again = NamespaceInfo::new(namespace("a"), "other", Timestamp::from_nanos(2));
    let refused = store.create_namespace(again).await;
    assert_eq!(refused, Err(CreateNamespaceError::Exists));
    let listed = store.namespaces().await.unwrap();
    let expected = ["a", "b", "c"]
        .map(|name| NamespaceInfo::new(namespace(name), "for a test", Timestamp::from_nanos(1)));
    assert_eq!(listed, expected);
}

pub async fn groups_stay_as_they_were_first_stored(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    let group = |definition: &str| {
        let definition = RawValue::from_string(definition.to_owned()).unwrap();
        Group::new(ns.clone(), hash(1), definition, Timestamp::from_nanos(5))
    };
    store.put_group(group(r#"{"name":"first"}"#)).await.unwrap();
    store
        .put_group(group(r#"{"name":"second"}"#))
        .await
        .unwrap();
    let found = store.group(&ns, hash(1)).await.unwrap().unwrap();
    assert_eq!(found.definition.get(), r#"{"name":"first"}"#);
    assert_eq!(found.created, Timestamp::from_nanos(5));
    assert!(store.group(&ns, hash(2)).await.unwrap().is_none());
    assert!(store.group(&other, hash(1)).await.unwrap().is_none());
    let mut lost = group("{}");
    lost.namespace = namespace("nowhere");
    assert!(store.put_group(lost).await.is_err());
}

pub async fn a_closed_store_answers_what_came_before_and_refuses_the_rest(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let before: Vec<_> = (1..=50)
        .map(|number| store.append(vec![record(&ns, number, &["t"], &[])]))
        .collect();
    let read = store.head(&ns);
    store.close().await.unwrap();
    for wait in before {
        assert!(wait.await[0].is_ok());
    }
    assert!(read.await.is_ok());
    let refused: NewRecord = record(&ns, 99, &["t"], &[]);
    let Err(AppendError::Store(error)) = append_one(store, refused).await else {
        panic!("appended to a closed store");
    };
    assert_eq!(error.kind(), StoreErrorKind::Closed);
    let error = store.head(&ns).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Closed);
}

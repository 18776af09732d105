//! Does what is enclosed in a record come with it, or not at all?

use std::sync::Arc;

use photinus_contract::record::{Enclosure, NewRecord};
use photinus_contract::store::{AppendError, ReadLimit, Store};
use photinus_contract::{Data, DataId, Datatype, MessageId, Namespace, Sequence, Timestamp};
use serde_json::value::RawValue;

use super::Rig;
use super::make::*;

/// A datatype is found by its name and version as it was sent, in its namespace, from when its record is there.
pub async fn a_datatype_comes_with_its_record(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    assert!(found(store, &ns, "widget", "1").await.is_none());
    for (number, version, schema) in [
        (1, "1", r#"{"b":1.0,"a":"\u003c \/"}"#),
        (2, "1.0", "true"),
        (3, "2", &large_value(1)),
    ] {
        let record = defining(&ns, number, "widget", version, schema);
        let expected = record.enclosed.clone().unwrap().datatype.clone().unwrap();
        append_one(store, record).await.unwrap();
        let found = store.datatype(&ns, "widget", version).await.unwrap();
        assert_eq!(text(&found.unwrap()), text(&expected));
    }
    for (ns, name, version) in [
        (&other, "widget", "1"),
        (&ns, "widget", "3"),
        (&ns, "Widget", "1"),
        (&ns, "1", "widget"),
        (&namespace("nowhere"), "widget", "1"),
    ] {
        assert_eq!(
            found(store, ns, name, version).await,
            None,
            "{ns} {name} {version}"
        );
    }
}

/// A second record that defines the same name and version is refused with all that is in it, also within one call; in
/// another namespace, or for another version, it is not.
pub async fn a_datatype_is_defined_once(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    let records = vec![
        defining(&ns, 1, "widget", "1", "1"),
        defining(&ns, 2, "widget", "1", "2"),
        defining(&ns, 3, "widget", "2", "3"),
        defining(&other, 4, "widget", "1", "4"),
        record(&ns, 5, &["t"], &[]),
    ];
    let mut answers = store.append(records).await;
    let holder = message(1);
    let refused = Err(AppendError::DuplicateDatatype { holder });
    assert_eq!(answers.remove(1), refused);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let again = append_one(store, defining(&ns, 6, "widget", "1", "6")).await;
    assert_eq!(again, Err(AppendError::DuplicateDatatype { holder }));
    assert_eq!(numbers(store, &ns).await, [1, 3, 5]);
    assert_eq!(found(store, &ns, "widget", "1").await, Some(message(1)));
    assert_eq!(found(store, &other, "widget", "1").await, Some(message(4)));
    let listed = store.datatypes(&ns, None, ALL).await.unwrap();
    assert_eq!(listed.len(), 2);
}

/// The newest comes first, and the last id of a page leads to the next.
pub async fn datatypes_are_listed_newest_first_in_pages(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    for (number, name) in [(1, "c"), (2, "a"), (4, "b"), (5, "a")] {
        let record = defining(&ns, number, name, &number.to_string(), "1");
        append_one(store, record).await.unwrap();
    }
    append_one(store, defining(&other, 3, "a", "1", "1"))
        .await
        .unwrap();
    let few = |records, bytes| ReadLimit { records, bytes };
    let listed = async |before: Option<u64>, limit| {
        let listed = store.datatypes(&ns, before.map(message), limit).await;
        let listed = listed.unwrap().into_iter();
        listed
            .map(|datatype| number_of(datatype.id))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(None, ALL).await, [5, 4, 2, 1]);
    assert_eq!(listed(None, few(3, 9)).await, [5, 4, 2]);
    assert_eq!(listed(None, few(9, 3)).await, [5, 4, 2]);
    assert_eq!(listed(Some(4), few(1, 9)).await, [2]);
    assert_eq!(listed(Some(4), few(0, 0)).await, [2]);
    assert_eq!(listed(Some(3), ALL).await, [2, 1]);
    assert_eq!(listed(Some(1), ALL).await, [0; 0]);
}

/// Enclosed data is stored data once its record is there; of a record that is refused nothing is stored, and a record
/// whose data cannot be stored is refused.
pub async fn enclosed_data_is_stored_with_its_record_or_not_at_all(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    append_one(store, keyed(&ns, 1, "k")).await.unwrap();
    let mut refused = keyed(&ns, 2, "k");
    refused.enclosed = bringing(&ns, &[20, 21]).enclosed;
    let duplicate = append_one(store, refused).await;
    assert_eq!(
        duplicate,
        Err(AppendError::DuplicateKey { holder: message(1) })
    );
    assert!(store.stored_data(&ns, None, ALL).await.unwrap().is_empty());

    let mut good = record(&ns, 3, &["t"], &["1"]);
    good.enclosed = bringing(&ns, &[30, 31]).enclosed;
    append_one(store, good).await.unwrap();
    for number in [30, 31] {
        let found = store.value(&ns, data_id(number)).await.unwrap().unwrap();
        assert_eq!(found.value.get(), number.to_string());
    }
    let mut taken = record(&ns, 4, &["t"], &["1"]);
    taken.enclosed = bringing(&ns, &[40, 31]).enclosed;
    let answer = append_one(store, taken).await;
    assert!(matches!(answer, Err(AppendError::Store(_))), "{answer:?}");
    assert!(store.value(&ns, data_id(40)).await.unwrap().is_none());
    assert_eq!(numbers(store, &ns).await, [1, 3]);
    assert_eq!(store.delete_data(&ns, data_id(30)).await, Ok(true));
}

/// A value leads to the messages that refer to it, newest first, and at last to the one that brought it.
pub async fn messages_are_found_by_the_values_that_they_refer_to(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    append_one(store, record(&ns, 1, &["t", "u"], &["1", "2"]))
        .await
        .unwrap();
    let (own, stored) = (message(1).value(1), data_id(90));
    for (ns, number, references) in [
        (&ns, 2, vec![own]),
        (&ns, 3, vec![stored, own, own]),
        (&other, 4, vec![own]),
        (&ns, 5, vec![stored]),
        (&ns, 6, vec![message(1).value(0)]),
        (&ns, 7, vec![own]),
    ] {
        let mut record = record(ns, number, &["t", "u"], &["1"]);
        record.enclosed = Some(enclosing(|enclosed| enclosed.references = references));
        append_one(store, record).await.unwrap();
    }
    let few = |records| ReadLimit { records, ..ALL };
    let referring = async |id: DataId, before: Sequence, limit| {
        let records = store
            .records_of_value(&ns, id, before, limit)
            .await
            .unwrap();
        let numbers = records.iter().map(|record| number_of(record.content.id));
        (
            numbers.collect::<Vec<_>>(),
            records.last().map(|record| record.last),
        )
    };
    assert_eq!(referring(own, Sequence::MAX, ALL).await.0, [7, 3, 2, 1]);
    assert_eq!(referring(stored, Sequence::MAX, ALL).await.0, [5, 3]);
    assert_eq!(
        referring(message(1).value(0), Sequence::MAX, ALL).await.0,
        [6, 1]
    );
    assert_eq!(referring(data_id(91), Sequence::MAX, ALL).await.0, [0; 0]);
    assert_eq!(
        referring(message(9).value(0), Sequence::MAX, ALL).await.0,
        [0; 0]
    );
    assert_eq!(
        referring(message(1).value(2), Sequence::MAX, ALL).await.0,
        [0; 0]
    );
    let (first, last) = referring(own, Sequence::MAX, few(2)).await;
    assert_eq!(first, [7, 3]);
    let (second, last) = referring(own, last.unwrap(), few(1)).await;
    assert_eq!(second, [2]);
    let (third, last) = referring(own, last.unwrap(), ALL).await;
    assert_eq!(third, [1]);
    assert_eq!(referring(own, last.unwrap(), ALL).await.0, [0; 0]);
}

/// What was answered is there after a crash, with all that was enclosed.
pub async fn what_was_enclosed_is_found_after_a_crash(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    append_one(&*store, defining(&ns, 1, "widget", "1", "1"))
        .await
        .unwrap();
    let mut referring = record(&ns, 2, &["t"], &[]);
    referring.enclosed = Some(enclosing(|enclosed| {
        enclosed.data = vec![data(&ns, 20, "20")];
        enclosed.references = vec![data_id(20)];
    }));
    append_one(&*store, referring).await.unwrap();
    let rule = "enclosed::what_was_enclosed_is_found_after_a_crash";
    let Some(after) = super::crash_and_open(rig, rule) else {
        return;
    };
    assert_eq!(found(&*after, &ns, "widget", "1").await, Some(message(1)));
    let again = append_one(&*after, defining(&ns, 3, "widget", "1", "1")).await;
    assert!(matches!(again, Err(AppendError::DuplicateDatatype { .. })));
    assert!(after.value(&ns, data_id(20)).await.unwrap().is_some());
    let referring = after.records_of_value(&ns, data_id(20), Sequence::MAX, ALL);
    assert_eq!(referring.await.unwrap().len(), 1);
}

fn enclosing(make: impl FnOnce(&mut Enclosure)) -> Arc<Enclosure> {
    let mut enclosed = Enclosure::default();
    make(&mut enclosed);
    Arc::new(enclosed)
}

/// A record that brings data with these numbers, each with its number as its value.
fn bringing(namespace: &Namespace, numbers: &[u64]) -> NewRecord {
    let mut record = record(namespace, 0, &["t"], &[]);
    record.enclosed = Some(enclosing(|enclosed| {
        let data = numbers
            .iter()
            .map(|number| data(namespace, *number, &number.to_string()));
        enclosed.data = data.collect::<Vec<Data>>();
    }));
    record
}

/// A record that announces a datatype with this schema.
fn defining(
    namespace: &Namespace,
    number: u64,
    name: &str,
    version: &str,
    schema: &str,
) -> NewRecord {
    let mut record = record(namespace, number, &["t"], &[]);
    let mut datatype = Datatype::new(
        message(number),
        namespace.clone(),
        name.to_owned(),
        version.to_owned(),
        hash(1),
        RawValue::from_string(schema.to_owned()).unwrap(),
    );
    datatype.created = Timestamp::from_nanos(5);
    record.enclosed = Some(enclosing(|enclosed| enclosed.datatype = Some(datatype)));
    record
}

async fn found(
    store: &dyn Store,
    namespace: &Namespace,
    name: &str,
    version: &str,
) -> Option<MessageId> {
    let found = store.datatype(namespace, name, version).await.unwrap();
    found.map(|datatype| datatype.id)
}

fn text(datatype: &Datatype) -> String {
    serde_json::to_string(datatype).unwrap()
}

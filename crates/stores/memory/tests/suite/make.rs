//! What do the tests publish?

use bytes::Bytes;
use photinus_contract::data::{DataRef, Hash, RecordValue, Validator};
use photinus_contract::filter::SubscriptionFilter;
use photinus_contract::id::MessageId;
use photinus_contract::options::SubscriptionOptions;
use photinus_contract::record::{NewRecord, RecordContent, RecordEvent};
use photinus_contract::store::{AppendError, Appended, NamespaceInfo, ReadLimit, Store};
use photinus_contract::{EventType, Namespace, Sequence, Subscription, SubscriptionId, Timestamp};
use uuid::Uuid;

/// No limit.
pub const ALL: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// No sequences.
pub const NONE: [i64; 0] = [];

pub fn namespace(name: &str) -> Namespace {
    Namespace::new(name)
}

/// Creates the namespace.
pub async fn with_namespace(store: &dyn Store, name: &str) -> Namespace {
    let info = NamespaceInfo::new(namespace(name), "for a test", Timestamp::from_nanos(1));
    store.create_namespace(info).await.unwrap();
    namespace(name)
}

/// The id of the message with this number.
pub fn message(number: u64) -> MessageId {
    let first = 0x0190_0000_0000_7000_8000_0000_0000_0000;
    MessageId::from_v7(Uuid::from_u128(first | u128::from(number) << 12))
}

pub fn subscription_id(number: u64) -> SubscriptionId {
    SubscriptionId(Uuid::from_u128(u128::from(number) | 1 << 100))
}

pub fn hash(seed: usize) -> Hash {
    Hash([seed as u8 + 1; 32])
}

/// A record as an engine makes it, with these topics and values.
pub fn record(namespace: &Namespace, number: u64, topics: &[&str], values: &[&str]) -> NewRecord {
    let id = message(number);
    let references: Vec<DataRef> = (0..values.len())
        .map(|part| DataRef {
            id: id.value(part),
            hash: hash(part),
        })
        .collect();
    let references = serde_json::to_string(&references).unwrap();
    let text = format!(r#"{{"header":{{"id":"{id}"}},"data":{references}}}"#);
    let mut range = 0..0;
    let events = topics.iter().enumerate().map(|(index, topic)| {
        let open = format!(
            r#"{{"id":"{}","topic":"{topic}","message":"#,
            id.event(index)
        );
        if index == 0 {
            range = open.len()..open.len() + text.len();
        }
        RecordEvent {
            topic: (*topic).into(),
            json: format!("{open}{text}").into(),
        }
    });
    let events = events.collect();
    let created = Timestamp::from_nanos(1_000 + number as i64);
    let mut content = RecordContent::new(
        id,
        namespace.clone(),
        EventType::MessageConfirmed,
        created,
        events,
        range,
    );
    content.values = values
        .iter()
        .map(|value| RecordValue {
            validator: Validator::Json,
            json: Some(Bytes::copy_from_slice(value.as_bytes())),
        })
        .collect();
    NewRecord::new(content)
}

/// A record with one event and a key.
pub fn keyed(namespace: &Namespace, number: u64, key: &str) -> NewRecord {
    let mut record = record(namespace, number, &["t"], &[]);
    record.content.idempotency_key = Some(key.into());
    record
}

/// Appends records with one event each, numbered from `first`.
pub async fn fill(store: &dyn Store, namespace: &Namespace, first: u64, count: u64) {
    let records = (first..first + count).map(|number| record(namespace, number, &["t"], &["1"]));
    for answer in store.append(records.collect()).await {
        answer.unwrap();
    }
}

pub async fn append_one(store: &dyn Store, record: NewRecord) -> Result<Sequence, AppendError> {
    let mut answers = store.append(vec![record]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0).map(|Appended { last, .. }| last)
}

/// The sequences of the records after `after`.
pub async fn sequences(store: &dyn Store, namespace: &Namespace, after: i64) -> Vec<i64> {
    let page = store.read(namespace, Sequence(after), ALL).await.unwrap();
    assert!(!page.more);
    page.records.iter().map(|record| record.last.0).collect()
}

pub fn subscription(namespace: &Namespace, number: u64, name: &str) -> Subscription {
    let mut options = SubscriptionOptions::default();
    options.first_event = Some("newest".to_owned());
    options.other.insert("url".to_owned(), "http://a".into());
    Subscription::new(
        subscription_id(number),
        namespace.clone(),
        name,
        "webhooks",
        SubscriptionFilter::default(),
        options,
        Timestamp::from_nanos(7),
    )
}

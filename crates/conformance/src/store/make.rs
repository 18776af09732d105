//! What do the rules publish, and how do they look at what came of it?

use std::fmt::Debug;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use photinus_contract::data::{DataRef, Hash, RecordValue, Validator};
use photinus_contract::filter::SubscriptionFilter;
use photinus_contract::id::MessageId;
use photinus_contract::options::SubscriptionOptions;
use photinus_contract::record::{NewRecord, RecordContent, RecordEvent, ReplyKey};
use photinus_contract::store::{
    AppendError, Appended, NamespaceInfo, OffsetError, OffsetRecord, OffsetWrite, ParkedEntry,
    ReadLimit, Start, Store,
};
use photinus_contract::{
    BoxFuture, Data, DataId, EventType, Namespace, Secrets, Sequence, Subscription, SubscriptionId,
    Timestamp,
};
use serde_json::value::RawValue;
use uuid::Uuid;

/// No limit.
pub const ALL: ReadLimit = ReadLimit {
    records: usize::MAX,
    bytes: usize::MAX,
};

/// No sequences.
pub const NONE: [i64; 0] = [];

/// A value too large for most stores to keep with its record.
pub fn large_value(seed: u64) -> String {
    format!("\"{seed}{}\"", "x".repeat(100_000))
}

/// The namespace with this name.
pub fn namespace(name: &str) -> Namespace {
    Namespace::new(name)
}

/// How [`with_namespace`] describes a namespace.
pub fn namespace_info(name: &str) -> NamespaceInfo {
    NamespaceInfo::new(namespace(name), "for a test", Timestamp::from_nanos(1))
}

/// Creates the namespace.
pub async fn with_namespace(store: &dyn Store, name: &str) -> Namespace {
    store.create_namespace(namespace_info(name)).await.unwrap();
    namespace(name)
}

/// The id of the message with this number.
pub fn message(number: u64) -> MessageId {
    let first = 0x0190_0000_0000_7000_8000_0000_0000_0000;
    MessageId::from_v7(Uuid::from_u128(first | u128::from(number) << 12))
}

/// The id of the stored data with this number.
pub fn data_id(number: u64) -> DataId {
    DataId(message(number).0)
}

/// Data as an engine stores it, with this value.
pub fn data(namespace: &Namespace, number: u64, json: &str) -> Data {
    Data::new(
        data_id(number),
        Validator::Json,
        namespace.clone(),
        hash(1),
        Timestamp::from_nanos(7),
        RawValue::from_string(json.to_owned()).unwrap(),
    )
}

/// The id of the subscription with this number.
pub fn subscription_id(number: u64) -> SubscriptionId {
    SubscriptionId(Uuid::from_u128(u128::from(number) | 1 << 100))
}

/// Some hash.
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
    let values = values.iter().map(|value| RecordValue {
        validator: Validator::Json,
        json: Some(Bytes::copy_from_slice(value.as_bytes())),
    });
    content.edit(|parts| parts.values = values.collect());
    NewRecord::new(content)
}

/// A record with one event and a key.
pub fn keyed(namespace: &Namespace, number: u64, key: &str) -> NewRecord {
    let mut record = record(namespace, number, &["t"], &[]);
    record
        .content
        .edit(|parts| parts.idempotency_key = Some(key.to_owned()));
    record
}

/// A record that replies to an event of a subscription.
pub fn reply(
    namespace: &Namespace,
    number: u64,
    subscription: SubscriptionId,
    generation: u64,
    event: i64,
    epoch: Option<u64>,
) -> NewRecord {
    let mut record = record(namespace, number, &["reply"], &["1"]);
    record.reply = Some(ReplyKey {
        subscription,
        generation,
        event: Sequence(event),
        epoch,
    });
    record
}

/// Appends records with one event each, numbered from `first`, in one call. Returns their sequences.
pub async fn fill(store: &dyn Store, namespace: &Namespace, first: u64, count: u64) -> Vec<i64> {
    let records = (first..first + count).map(|number| record(namespace, number, &["t"], &["1"]));
    lasts(store.append(records.collect()).await)
}

/// The topics of a record's events, and their JSON.
pub fn events(record: &RecordContent) -> Vec<(&str, &[u8])> {
    (0..record.events_len())
        .map(|index| (record.topic(index), record.event_json(index)))
        .collect()
}

/// The last sequences of records that were all appended.
pub fn lasts(answers: Vec<Result<Appended, AppendError>>) -> Vec<i64> {
    let answers = answers.into_iter();
    answers.map(|answer| answer.unwrap().last.0).collect()
}

/// Appends one record.
pub async fn append_one(store: &dyn Store, record: NewRecord) -> Result<Sequence, AppendError> {
    let mut answers = store.append(vec![record]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0).map(|Appended { last, .. }| last)
}

/// The last sequences of the records after `after`.
pub async fn sequences(store: &dyn Store, namespace: &Namespace, after: i64) -> Vec<i64> {
    let page = store.read(namespace, Sequence(after), ALL).await.unwrap();
    assert!(!page.more);
    page.records.iter().map(|record| record.last.0).collect()
}

/// The numbers of the messages in the log, in order; for records made with [`record`].
pub async fn numbers(store: &dyn Store, namespace: &Namespace) -> Vec<u64> {
    let page = store.read(namespace, Sequence(0), ALL).await.unwrap();
    let ids = page.records.iter().map(|record| record.content.id);
    ids.map(number_of).collect()
}

/// The reverse of [`message`].
pub fn number_of(id: MessageId) -> u64 {
    ((id.0.as_u128() >> 12) as u64) & 0xFFFF_FFFF
}

/// A subscription with options and a secret.
pub fn subscription(namespace: &Namespace, number: u64, name: &str) -> Subscription {
    let mut options = SubscriptionOptions::default();
    options.first_event = Some("newest".to_owned());
    options.other.insert("url".to_owned(), "http://a".into());
    options.other.insert("token".to_owned(), "***".into());
    let mut subscription = Subscription::new(
        subscription_id(number),
        namespace.clone(),
        name,
        "webhooks",
        SubscriptionFilter::default(),
        options,
        Timestamp::from_nanos(7),
    );
    subscription.secrets = Secrets::from_stored(&format!(r#"{{"/token":"s{number}"}}"#)).unwrap();
    subscription
}

/// Says in which fields a subscription is not as it should be, where two long texts would hide it; and of secrets,
/// which do not show what they are.
pub fn assert_same(found: &Subscription, expected: &Subscription) {
    let mut wrong = Vec::new();
    let mut compare = |field: &str, found: &dyn Debug, expected: &dyn Debug| {
        let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
        if found != expected {
            wrong.push(format!("{field}: {found} instead of {expected}"));
        }
    };
    macro_rules! fields {
        ($($field:ident)*) => {
            $(compare(stringify!($field), &found.$field, &expected.$field);)*
        };
    }
    fields!(id namespace name transport filter options ephemeral created updated);
    let secrets = |of: &Subscription| of.secrets.to_stored();
    compare("secrets", &secrets(found), &secrets(expected));
    let name = &expected.name;
    assert!(
        wrong.is_empty(),
        "subscription '{name}': {}",
        wrong.join("; ")
    );
    // What the fields do not show.
    assert_eq!(found, expected);
}

/// [`assert_same`] for each of them.
pub fn assert_all_same(found: &[Subscription], expected: &[Subscription]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_same(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "subscriptions: {found:?}");
}

/// A namespace with records of one event each and a subscription to it, claimed once.
pub struct Subscribed {
    /// The namespace `ns`.
    pub namespace: Namespace,
    /// Subscription number 1, `app`.
    pub id: SubscriptionId,
    /// What the claim returned.
    pub claimed: OffsetRecord,
    lasts: Vec<i64>,
}

/// Ten records, and a subscription that starts at the oldest.
pub async fn subscribed(store: &dyn Store) -> Subscribed {
    let namespace = with_namespace(store, "ns").await;
    let lasts = fill(store, &namespace, 1, 10).await;
    let wanted = subscription(&namespace, 1, "app");
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let id = created.unwrap().id;
    let claimed = store.claim(id).await.unwrap().unwrap();
    Subscribed {
        namespace,
        id,
        claimed,
        lasts,
    }
}

impl Subscribed {
    /// The sequence of the record with this number, from 1.
    pub fn at(&self, number: usize) -> i64 {
        self.lasts[number - 1]
    }

    /// A position at the record with this number, with the claimed epoch.
    pub fn write(&self, number: usize) -> OffsetWrite {
        OffsetWrite::new(self.id, self.claimed.epoch, Sequence(self.at(number)))
    }

    /// A parked entry for the event of the record with this number.
    pub fn entry(&self, epoch: u64, number: usize, reason: &str) -> ParkedEntry {
        ParkedEntry::new(
            self.id,
            (epoch, self.claimed.generation),
            (Sequence(self.at(number)), message(number as u64).event(0)),
            Timestamp::from_nanos(9),
        )
        .because(3, reason.to_owned(), None)
    }

    /// A reply to the event of the record with this number, in the claimed generation.
    pub fn reply(&self, message: u64, number: usize, epoch: Option<u64>) -> NewRecord {
        let generation = self.claimed.generation;
        let event = self.at(number);
        reply(&self.namespace, message, self.id, generation, event, epoch)
    }
}

/// The position of a subscription that is there.
pub async fn position(store: &dyn Store, id: SubscriptionId) -> OffsetRecord {
    store.offset(id).await.unwrap().unwrap()
}

/// Writes one position.
pub async fn commit(store: &dyn Store, write: OffsetWrite) -> Result<(), OffsetError> {
    let mut answers = store.commit(vec![write]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// The answer, if it is there; asks once.
pub fn answered<T>(wait: &mut BoxFuture<'static, T>) -> Option<T> {
    match wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

//! What stands in the data directory of these targets, and how is all of it read?

use std::path::Path;

use bytes::Bytes;
use photinus_contract::data::{DataRef, Hash, RecordValue, Validator};
use photinus_contract::record::{RecordContent, RecordEvent, ReplyKey};
use photinus_contract::store::{
    Failures, Group, Log, NamespaceInfo, Namespaces, OffsetWrite, Offsets, Parked, ParkedEntry,
    ReadLimit, Selection, Start, Store, StoreError, StoreErrorKind, Subscriptions,
};
use photinus_contract::{
    EventType, MessageId, Namespace, NewRecord, Sequence, Subscription, SubscriptionFilter,
    SubscriptionId, SubscriptionOptions, Timestamp,
};
use photinus_store_sqlite::{Config, SqliteStore, Synchronous};
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// The file in a data directory.
pub(crate) const FILE: &str = "photinus.db";
/// Messages in the log, one after the other with an event more.
const RECORDS: u128 = 3;
const HASH: Hash = Hash([7; 32]);

/// What a store was asked, and the tokio runtime to wait for it.
pub(crate) struct Opened {
    pub(crate) store: SqliteStore,
    runtime: Runtime,
}

impl Opened {
    /// Opens the data in this directory.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let mut config = Config::default();
        config.synchronous = Synchronous::Normal;
        config.inline_value_max = 64;
        config.readers = std::num::NonZeroUsize::MIN;
        Ok(Self {
            store: SqliteStore::open(directory, config)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap(),
        })
    }

    /// Puts something of everything into an empty store.
    pub(crate) fn fill(&self) {
        let (store, wait) = (&self.store, &self.runtime);
        let info = NamespaceInfo::new(namespace(), "Default", time());
        wait.block_on(store.create_namespace(info)).unwrap();
        let definition = RawValue::from_string(r#"{"name":"g","members":[]}"#.into()).unwrap();
        let group = Group::new(namespace(), HASH, definition, time());
        wait.block_on(store.put_group(group)).unwrap();
        let subscription = Subscription::new(
            subscription(),
            namespace(),
            "app",
            "websockets",
            SubscriptionFilter::default(),
            SubscriptionOptions::default(),
            time(),
        );
        wait.block_on(store.create_subscription(subscription, Start::Oldest))
            .unwrap();
        let epoch = wait
            .block_on(store.claim(self::subscription()))
            .unwrap()
            .unwrap()
            .epoch;
        let mut records: Vec<NewRecord> = (1..=RECORDS).map(record).collect();
        records[2].reply = Some(ReplyKey {
            subscription: self::subscription(),
            generation: 0,
            event: Sequence(3),
            epoch: Some(epoch),
        });
        for appended in wait.block_on(store.append(records)) {
            appended.unwrap();
        }
        let mut write = OffsetWrite::new(self::subscription(), epoch, Sequence(1));
        write.settled = vec![3..=4, 6..=6];
        write.failures = vec![Failures::new(Sequence(2), 2, Some(time()))];
        let entry = ParkedEntry::new(
            self::subscription(),
            (epoch, 0),
            (Sequence(3), message(2).event(0)),
            time(),
        )
        .because(5, "no".to_owned(), Some("why".to_owned()));
        for written in wait.block_on(store.park(vec![entry])) {
            written.unwrap();
        }
        for written in wait.block_on(store.commit(vec![write])) {
            written.unwrap();
        }
    }

    /// Asks everything that a server asks, and changes what it changes. What cannot be read has to be an error.
    pub(crate) fn ask(&self) -> Vec<StoreError> {
        let (store, wait) = (&self.store, &self.runtime);
        let mut errors = Vec::new();
        let mut note = |error: StoreError| errors.push(error);
        let namespaces = wait
            .block_on(store.namespaces())
            .map_err(&mut note)
            .unwrap_or_default();
        for info in &namespaces {
            assert!(!info.created.to_string().is_empty());
        }
        let limit = ReadLimit {
            records: 100,
            bytes: 1 << 20,
        };
        let namespace = namespace();
        let mut records = Vec::new();
        match wait.block_on(store.read(&namespace, Sequence::OLDEST, limit)) {
            Ok(page) => records.extend(page.records),
            Err(error) => note(error),
        }
        match wait.block_on(store.read_back(&namespace, Sequence::MAX, limit)) {
            Ok(found) => records.extend(found),
            Err(error) => note(error),
        }
        let head = wait.block_on(store.head(&namespace));
        let head = head.map_err(&mut note).unwrap_or_default();
        for number in 1..=RECORDS {
            match wait.block_on(store.record(&namespace, message(number).event(0).0)) {
                Ok(found) => records.extend(found),
                Err(error) => note(error),
            }
            for value in 0..2 {
                let id = message(number).value(value);
                match wait.block_on(store.value(&namespace, id)) {
                    Ok(Some(value)) => assert!(!value.value.get().is_empty()),
                    Ok(None) => {}
                    Err(error) => note(error),
                }
            }
        }
        for record in records {
            assert!(record.content.events_len() > 0);
            assert!(record.first() <= record.last);
            let _ = (record.content.message_json(), record.content.data_refs());
            for event in photinus_contract::Event::all(&record) {
                let mut out = Vec::new();
                event.write_delivery(reference(), &mut out);
            }
        }
        if let Err(error) = wait.block_on(store.group(&namespace, HASH)) {
            note(error);
        }
        match wait.block_on(store.subscriptions()) {
            Ok(found) => assert!(found.len() <= 1),
            Err(error) => note(error),
        }
        match wait.block_on(store.offset(subscription())) {
            Ok(Some(record)) => is_position(&record),
            Ok(None) => {}
            Err(error) => note(error),
        }
        for entries in [
            wait.block_on(store.parked(subscription(), Sequence::OLDEST, 100)),
            wait.block_on(store.replays(subscription(), Sequence::OLDEST, 100)),
        ] {
            match entries {
                Ok(entries) => assert!(entries.len() <= 100),
                Err(error) => note(error),
            }
        }
        // What is there has to stay there for the next one.
        let nothing = Selection::Range(Sequence(900), Sequence(901));
        for error in [
            wait.block_on(store.replay(subscription(), Selection::All))
                .err(),
            wait.block_on(store.parked_event(subscription(), message(2).event(0)))
                .err(),
            wait.block_on(store.parked_count(subscription())).err(),
            wait.block_on(store.discard(subscription(), nothing)).err(),
        ] {
            error.into_iter().for_each(&mut note);
        }
        let _ = head;
        for error in &errors {
            assert!(!error.to_string().is_empty());
            assert!(
                !matches!(
                    error.kind(),
                    StoreErrorKind::Newer | StoreErrorKind::InUse | StoreErrorKind::Closed
                ),
                "{error}"
            );
        }
        errors
    }

    /// Changes what a server changes.
    pub(crate) fn change(&self) {
        let (store, wait) = (&self.store, &self.runtime);
        // Whatever becomes of them, they have to be answered.
        let answers = wait.block_on(store.append(vec![record(RECORDS + 1)]));
        assert_eq!(answers.len(), 1);
        if let Ok(Some(claimed)) = wait.block_on(store.claim(subscription())) {
            let write = OffsetWrite::new(subscription(), claimed.epoch, Sequence(2));
            assert_eq!(wait.block_on(store.commit(vec![write])).len(), 1);
        }
        let _ = wait.block_on(store.seek(subscription(), Start::Oldest));
        let _ = wait.block_on(store.delete_subscription(subscription()));
    }

    pub(crate) fn close(self) {
        // The threads of the store have to be there for it, whatever they found.
        let closed = self.runtime.block_on(self.store.close());
        assert!(closed.is_ok(), "{closed:?}");
    }
}

/// The rule of the contract: ranges above the offset, in order, not overlapping.
fn is_position(record: &photinus_contract::store::OffsetRecord) {
    let mut end = record.offset.0;
    for range in &record.settled {
        assert!(
            end < *range.start() && range.start() <= range.end(),
            "settled ranges out of order: {record:?}"
        );
        end = *range.end();
    }
    for failures in &record.failures {
        assert!(
            failures.sequence > record.offset,
            "a failure below the offset: {record:?}"
        );
    }
}

pub(crate) fn subscription() -> SubscriptionId {
    SubscriptionId(Uuid::from_u128(0xABC))
}

fn reference() -> photinus_contract::SubscriptionRef<'static> {
    photinus_contract::SubscriptionRef {
        id: subscription(),
        namespace: "default",
        name: "app",
    }
}

fn namespace() -> Namespace {
    Namespace::new("default")
}

fn time() -> Timestamp {
    Timestamp::from_nanos(1_700_000_000_000_000_000)
}

fn message(number: u128) -> MessageId {
    MessageId::from_v7(Uuid::from_u128(number << 12))
}

/// A message with as many topics as its number, and two values, of which the second is kept apart.
fn record(number: u128) -> NewRecord {
    let id = message(number);
    let refs: Vec<DataRef> = (0..2)
        .map(|index| DataRef {
            id: id.value(index),
            hash: HASH,
        })
        .collect();
    let shown = format!(r#"{{"data":{}}}"#, serde_json::to_string(&refs).unwrap());
    let head = format!(r#"{{"id":"{}","message":"#, id.event(0));
    let json: Bytes = format!("{head}{shown}").into();
    let events = (0..number).map(|topic| RecordEvent {
        topic: format!("t{topic}").into(),
        json: json.clone(),
    });
    let mut content = RecordContent::new(
        id,
        namespace(),
        EventType::MessageConfirmed,
        time(),
        events.collect(),
        head.len()..head.len() + shown.len(),
    );
    content.correlator = Some(Uuid::from_u128(5));
    let value = |json: String, validator| RecordValue {
        validator,
        json: Some(json.into()),
    };
    content.edit(|parts| {
        parts.tag = "tag".to_owned();
        parts.idempotency_key = Some(format!("key {number}"));
        parts.values = vec![
            value("1.0".to_owned(), Validator::Json),
            value(format!("\"{}\"", "x".repeat(100)), Validator::None),
        ];
    });
    NewRecord::new(content)
}

/// A directory in which a filled store was closed.
pub(crate) fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let opened = Opened::open(directory.path()).unwrap();
    opened.fill();
    assert_eq!(opened.ask(), [], "what was just written can be read");
    opened.close();
    directory
}

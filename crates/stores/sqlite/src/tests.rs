//! Does the store hold when the disk does not, and does the write-ahead file stay short?

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use photinus_contract::data::{RecordValue, Validator};
use photinus_contract::record::{NewRecord, RecordContent, RecordEvent};
use photinus_contract::store::{
    AppendError, Log, NamespaceInfo, Namespaces, ReadLimit, Store, StoreErrorKind,
};
use photinus_contract::{EventType, MessageId, Namespace, Sequence, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use crate::queue::Op;
use crate::row::position;
use crate::schema::{self, Place};
use crate::{Config, SqliteStore};

async fn open(config: Config) -> (SqliteStore, Namespace, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), config).unwrap();
    let ns = Namespace::new("ns");
    let info = NamespaceInfo::new(ns.clone(), "", Timestamp::from_nanos(1));
    store.create_namespace(info).await.unwrap();
    (store, ns, directory)
}

fn record(namespace: &Namespace, number: u64, bytes: usize) -> NewRecord {
    let id = MessageId::from_v7(Uuid::from_u128(u128::from(number) << 12));
    let event = RecordEvent {
        topic: "t".into(),
        json: vec![b'x'; bytes].into(),
    };
    NewRecord::new(RecordContent::new(
        id,
        namespace.clone(),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(1),
        vec![event],
        0..0,
    ))
}

fn kind<T: std::fmt::Debug>(answer: &Result<T, AppendError>) -> StoreErrorKind {
    match answer {
        Err(AppendError::Store(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_group_and_nothing_else() {
    let (store, ns, _directory) = open(Config::default()).await;
    store.append(vec![record(&ns, 1, 500)]).await;
    store.queue.0.send(Op::LimitPages(1)).unwrap();
    // The last two share a transaction with the large one, or come after it; both ways they are refused or
    // stored whole, and in order.
    let refused = store.append(vec![record(&ns, 2, 100), record(&ns, 3, 1_000_000)]);
    let refused = refused.await;
    assert_eq!(kind(&refused[0]), StoreErrorKind::Full);
    assert_eq!(kind(&refused[1]), StoreErrorKind::Full);
    assert_eq!(store.head(&ns).await, Ok(Sequence(1)));
    let created = NamespaceInfo::new(
        Namespace::new("b"),
        "x".repeat(9_000),
        Timestamp::from_nanos(1),
    );
    assert!(store.create_namespace(created.clone()).await.is_err());

    store.queue.0.send(Op::LimitPages(1 << 30)).unwrap();
    // A namespace that was rolled back is not there, and can be created.
    let early = store.append(vec![record(&created.name, 9, 10)]).await;
    assert_eq!(early[0], Err(AppendError::UnknownNamespace));
    assert_eq!(store.create_namespace(created).await, Ok(()));
    let again = store.append(vec![record(&ns, 2, 100), record(&ns, 3, 1_000_000)]);
    let lasts: Vec<i64> = again
        .await
        .iter()
        .map(|a| a.as_ref().unwrap().last.0)
        .collect();
    assert_eq!(lasts, [2, 3]);
    let all = ReadLimit {
        records: 9,
        bytes: usize::MAX,
    };
    let page = store.read(&ns, Sequence(0), all).await.unwrap();
    assert_eq!(page.records.len(), 3);
}

#[tokio::test]
async fn a_record_whose_second_statement_fails_leaves_nothing() {
    let (store, ns, directory) = open(Config::default()).await;
    // Something stands where the large value of record 2 belongs.
    Connection::open(directory.path().join(schema::FILE))
        .unwrap()
        .execute(
            "INSERT INTO large_values (pos, part, json) VALUES (?1, 0, x'31')",
            [position(1, 2)],
        )
        .unwrap();
    let mut large = record(&ns, 2, 10);
    large.content.edit(|parts| {
        parts.idempotency_key = Some("k".to_owned());
        parts.values = vec![RecordValue {
            validator: Validator::Json,
            json: Some(vec![b'1'; 10_000].into()),
        }];
    });
    let mut keyed = record(&ns, 3, 10);
    keyed
        .content
        .edit(|parts| parts.idempotency_key = Some("k".to_owned()));
    let answers = store.append(vec![record(&ns, 1, 10), large, keyed]).await;
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(1));
    assert_eq!(kind(&answers[1]), StoreErrorKind::Other);
    // Neither the sequence nor the key is taken.
    assert_eq!(answers[2].as_ref().unwrap().last, Sequence(2));
}

#[tokio::test]
async fn the_write_ahead_file_stays_short_under_load() {
    let config = Config {
        checkpoint_pages: NonZeroU32::new(64).unwrap(),
        group_records_max: NonZeroUsize::new(8).unwrap(),
        ..Config::default()
    };
    let (store, ns, directory) = open(config).await;
    let wal = directory.path().join(format!("{}-wal", schema::FILE));
    let store = Arc::new(store);
    let reading = {
        let (store, ns) = (store.clone(), ns.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let limit = ReadLimit {
                    records: 100,
                    bytes: usize::MAX,
                };
                while store.head(&ns).await.unwrap() < Sequence(12_000) {
                    let page = store.read(&ns, Sequence(0), limit).await.unwrap();
                    let whole = page.records.iter().zip(1..);
                    assert!(whole.into_iter().all(|(record, n)| record.last.0 == n));
                }
            });
        })
    };
    let mut longest = 0;
    for group in 0..1_500 {
        let records = (0..8).map(|n| record(&ns, group * 8 + n, 1_000)).collect();
        for answer in store.append(records).await {
            answer.unwrap();
        }
        longest = longest.max(std::fs::metadata(&wal).unwrap().len());
    }
    reading.join().unwrap();
    // Eight times the threshold and a group; some 30 MB were written through it.
    assert!(longest < 3_000_000, "{longest} bytes");
}

#[test]
fn every_search_has_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::make(directory.path(), &Config::default()).unwrap();
    place.prepare().unwrap();
    let connection = place.writing().unwrap();
    for (sql, index) in [
        (
            "SELECT id FROM log WHERE pos >> 40 = 1 AND key = 'k'",
            "log_key",
        ),
        ("SELECT * FROM log WHERE id = x'00'", "log_id"),
        (
            "SELECT * FROM log WHERE pos > 1 AND pos <= 2 ORDER BY pos",
            "PRIMARY KEY",
        ),
        (
            "SELECT max(pos) FROM log WHERE pos > 1 AND pos <= 2",
            "PRIMARY KEY",
        ),
        (
            "SELECT * FROM parked INDEXED BY parked_event WHERE subscription = x'00' AND event = x'00'",
            "parked_event",
        ),
        (
            "SELECT * FROM parked INDEXED BY parked_replay \
             WHERE replay IS NOT NULL AND subscription = x'00' AND sequence > 1 ORDER BY sequence LIMIT 9",
            "parked_replay",
        ),
        (
            "UPDATE parked SET replay = 0 \
             WHERE subscription = x'00' AND sequence BETWEEN 1 AND 2 AND replay IS NULL",
            "PRIMARY KEY",
        ),
        (
            "DELETE FROM parked WHERE subscription = x'00' AND sequence BETWEEN 1 AND 2",
            "PRIMARY KEY",
        ),
    ] {
        let plan = plan(&connection, sql);
        assert!(
            plan.starts_with("SEARCH") && plan.contains(index),
            "{sql}: {plan}"
        );
    }
}

fn plan(connection: &Connection, sql: &str) -> String {
    connection
        .query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3))
        .unwrap()
}

#[tokio::test]
async fn a_trial_says_whether_there_is_room_and_leaves_nothing() {
    let (store, ns, directory) = open(Config::default()).await;
    store.append(vec![record(&ns, 1, 500)]).await;
    assert_eq!(store.trial_write().await, Ok(()));
    store.queue.0.send(Op::LimitPages(1)).unwrap();
    let error = store.trial_write().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full, "{error}");
    store.queue.0.send(Op::LimitPages(1 << 30)).unwrap();
    assert_eq!(store.trial_write().await, Ok(()));
    let limit = ReadLimit {
        records: 9,
        bytes: 1 << 20,
    };
    let page = store.read(&ns, Sequence(0), limit).await.unwrap();
    assert_eq!(page.records.len(), 1);
    let names = std::fs::read_dir(directory.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| name != "photinus.trial"));
    // The layout is what it was.
    drop(store);
    let again = SqliteStore::open(directory.path(), Config::default()).unwrap();
    assert_eq!(again.head(&ns).await, Ok(Sequence(1)));
}

#[tokio::test]
async fn the_figures_tell_what_was_done() {
    let (store, ns, _directory) = open(Config::default()).await;
    let before = store.figures().transactions.unwrap();
    for number in 1..=5 {
        store.append(vec![record(&ns, number, 500)]).await;
    }
    // The answer of the last may come before it is counted.
    store.trial_write().await.unwrap();
    let figures = store.figures();
    let done = figures.transactions.unwrap();
    assert!(
        (5..=6).contains(&(done.count - before.count)),
        "{figures:?}"
    );
    assert!(done.time >= figures.commits.unwrap(), "{figures:?}");
    assert!(figures.database_bytes.unwrap() > 0 && figures.write_ahead_bytes.unwrap() > 0);
}

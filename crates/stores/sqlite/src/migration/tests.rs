//! Is everything of an older layout found in the newest?

use photinus_contract::record::NewRecord;
use photinus_contract::store::{
    AppendError, Failures, Log, OffsetRecord, OffsetWrite, Offsets, Parked, ParkedEntry, ReadLimit,
    Replay, Selection,
};
use photinus_contract::{EventType, MessageId, Sequence, SubscriptionId};
use rusqlite::params;
use tempfile::TempDir;

use super::*;
use crate::{Config, SqliteStore, schema};

fn id(number: u128) -> MessageId {
    MessageId::from_v7(Uuid::from_u128(number << 12))
}

/// A database of the second layout, with this row and one with two events and three values.
fn older(first_topics: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join(schema::FILE)).unwrap();
    connection.execute_batch(&MIGRATIONS[..2].concat()).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 2; \
             INSERT INTO namespaces VALUES (3, 'ns', '', 1)"
        ))
        .unwrap();
    let insert = "INSERT INTO log VALUES \
                  (?1, ?2, ?3, ?4, ?5, ?6, 'author', ?7, ?8, ?9, 2, 4, ?10, ?11, ?12)";
    let none = rusqlite::types::Null;
    let (first, second, correlator) = (id(1).0, id(2).0, Uuid::from_u128(7));
    let plain = params![
        3_i64 << 40 | 1,
        first.as_bytes(),
        0,
        11,
        first_topics,
        "",
        "",
        none,
        none,
        b"{\"a\":1",
        none,
        none,
    ];
    connection.execute(insert, plain).unwrap();
    let full = params![
        3_i64 << 40 | 3,
        second.as_bytes(),
        1,
        12,
        "a,b",
        "tag",
        "0a0b",
        correlator.as_bytes(),
        "key",
        b"{\"b\":1\n{\"b\":22",
        b"1\n\n[2]",
        "jnd",
    ];
    connection.execute(insert, full).unwrap();
    connection
        .execute(
            "INSERT INTO large_values VALUES (?1, 1, x'2231')",
            [3_i64 << 40 | 3],
        )
        .unwrap();
    directory
}

#[tokio::test]
async fn a_log_in_columns_is_read_as_it_was_written() {
    let directory = older("t");
    let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
    let ns = Namespace::new("ns");
    let all = ReadLimit {
        records: 9,
        bytes: usize::MAX,
    };
    let page = store.read(&ns, Sequence(0), all).await.unwrap();
    let [plain, full] = &page.records[..] else {
        panic!("{page:?}");
    };
    assert_eq!((plain.last, plain.content.id), (Sequence(1), id(1)));
    assert_eq!(plain.content.kind, EventType::MessageConfirmed);
    assert_eq!(plain.content.created, Timestamp::from_nanos(11));
    let texts = |record: &photinus_contract::Record| {
        let content = &record.content;
        let texts = [content.tag(), content.author(), content.group()];
        texts.map(str::to_owned)
    };
    assert_eq!(texts(plain), ["", "author", ""]);
    assert_eq!(
        (plain.content.topic(0), plain.content.events_len()),
        ("t", 1)
    );
    assert_eq!(plain.content.event_json(0), b"{\"a\":1");
    assert_eq!(plain.content.message_json(), b"a\":1");
    assert_eq!(plain.content.correlator, None);
    assert_eq!(plain.content.idempotency_key(), None);
    assert_eq!(plain.content.values_len(), 0);

    let content = &full.content;
    assert_eq!((full.last, content.id), (Sequence(3), id(2)));
    assert_eq!(content.kind, EventType::MessageRejected);
    assert_eq!(texts(full), ["tag", "author", "0a0b"]);
    assert_eq!(content.correlator, Some(Uuid::from_u128(7)));
    assert_eq!(content.idempotency_key(), Some("key"));
    assert_eq!([content.topic(0), content.topic(1)], ["a", "b"]);
    assert_eq!(content.event_json(0), b"{\"b\":1");
    assert_eq!(content.event_json(1), b"{\"b\":22");
    let values: Vec<_> = content
        .values()
        .map(|value| (value.validator, value.json))
        .collect();
    let expected: [(Validator, Option<&[u8]>); 3] = [
        (Validator::Json, Some(b"1")),
        (Validator::None, None),
        (Validator::Definition, Some(b"[2]")),
    ];
    assert_eq!(values, expected);

    // The log goes on, and its keys and ids are still taken.
    assert_eq!(
        store
            .record(&ns, id(2).event(1).0)
            .await
            .unwrap()
            .unwrap()
            .last,
        Sequence(3)
    );
    let mut again = content.clone();
    again.id = id(3);
    again.edit(|parts| parts.values.clear());
    let answers = store.append(vec![NewRecord::new(again.clone())]).await;
    assert_eq!(answers, [Err(AppendError::DuplicateKey { holder: id(2) })]);
    again.edit(|parts| parts.idempotency_key = None);
    let answers = store.append(vec![NewRecord::new(again)]).await;
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(5));
}

#[tokio::test]
async fn an_older_database_with_a_damaged_row_is_refused_and_left_as_it_is() {
    let directory = older("a,b");
    for _ in 0..2 {
        let refused = SqliteStore::open(directory.path(), Config::default()).map(|_| ());
        let error = refused.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a row of the log has another number"),
            "{error}"
        );
    }
    let connection = Connection::open(directory.path().join(schema::FILE)).unwrap();
    let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    assert_eq!(version, Ok(2));
    let rows = connection.query_row("SELECT count(*) FROM log WHERE topics <> ''", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(rows, Ok(2));
}

#[tokio::test]
async fn what_messages_of_an_older_log_refer_to_leads_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open(directory.path().join(schema::FILE)).unwrap();
    let flags = FunctionFlags::SQLITE_UTF8;
    connection
        .create_scalar_function("packed_record", 13, flags, packed_record)
        .unwrap();
    connection.execute_batch(&MIGRATIONS[..3].concat()).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 3; \
             INSERT INTO namespaces VALUES (3, 'ns', '', 1)"
        ))
        .unwrap();
    let ns = Namespace::new("ns");
    let own = id(1).value(0);
    for (number, references) in [
        (1, vec![own]),
        (2, vec![own, id(2).value(0), own]),
        (3, vec![]),
    ] {
        let references = references
            .iter()
            .map(|id| format!(r#"{{"id":"{id}","hash":"{}"}}"#, "ab".repeat(32)));
        let references: Vec<_> = references.collect();
        let message = format!(r#"{{"data":[{}]}}"#, references.join(","));
        let mut writer = RecordWriter::new(100);
        writer.head("", "", "", None);
        writer.topics(&["t"]);
        writer.event(|json| json.extend_from_slice(message.as_bytes()));
        let (kind, now) = (EventType::MessageConfirmed, Timestamp::from_nanos(1));
        let content = writer.finish(id(number), ns.clone(), kind, now, 0..message.len());
        let mut packed = Vec::new();
        content.pack(&mut packed);
        connection
            .execute(
                "INSERT INTO log (pos, id, record) VALUES (?1, ?2, ?3)",
                params![3_i64 << 40 | number as i64, id(number).0.as_bytes(), packed],
            )
            .unwrap();
    }
    drop(connection);
    let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
    let all = ReadLimit {
        records: 9,
        bytes: usize::MAX,
    };
    let found = store
        .records_of_value(&ns, own, Sequence::MAX, all)
        .await
        .unwrap();
    // The first has no value in its record, so it did not bring it.
    let found: Vec<_> = found.iter().map(|record| record.content.id).collect();
    assert_eq!(found, [id(2)]);
}

/// The fifth layout knows neither marks nor errors, and of failures not since when. A position in it stays where it is.
#[tokio::test]
async fn positions_and_parked_events_of_the_fifth_layout_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(schema::FILE);
    let connection = Connection::open(&file).unwrap();
    let flags = FunctionFlags::SQLITE_UTF8;
    for (name, arguments) in [("packed_record", 13), ("references_of", 2)] {
        let function = |row: &Context<'_>| row.get::<Vec<u8>>(0);
        connection
            .create_scalar_function(name, arguments, flags, function)
            .unwrap();
    }
    connection.execute_batch(&MIGRATIONS[..5].concat()).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 5; \
             INSERT INTO namespaces VALUES (3, 'ns', '', 1)"
        ))
        .unwrap();
    let subscription = SubscriptionId(Uuid::from_u128(9));
    let key = subscription.0.as_bytes();
    connection
        .execute(
            "INSERT INTO offsets VALUES (?1, 3, 10, 7, 2, '2+1,3', '1:4,5:1')",
            [key],
        )
        .unwrap();
    for (sequence, generation) in [(4, 1), (12, 2), (16, 1)] {
        let event = id(sequence).event(0).0;
        connection
            .execute(
                "INSERT INTO parked VALUES (?1, ?2, ?3, 6, ?4, 8, 'the reason', 99)",
                params![key, sequence as i64, event.as_bytes(), generation],
            )
            .unwrap();
    }
    for (generation, event) in [(1, 4), (2, 12)] {
        connection
            .execute(
                "INSERT INTO replies VALUES (?1, ?2, ?3, ?4)",
                params![key, generation, event, id(50).0.as_bytes()],
            )
            .unwrap();
    }
    drop(connection);

    let mut record = OffsetRecord::new(Sequence(10), 7, 2);
    record.settled = vec![12..=13, 16..=16];
    record.failures = [(11, 4), (15, 1)]
        .map(|(event, count)| Failures::new(Sequence(event), count, None))
        .into();
    let parked = [(4, 1), (12, 2), (16, 1)].map(|(sequence, generation)| {
        let event = id(sequence).event(0);
        let place = (Sequence(sequence as i64), event);
        let created = Timestamp::from_nanos(99);
        let entry = ParkedEntry::new(subscription, (6, generation), place, created);
        entry.because(8, "the reason".to_owned(), None)
    });
    for _ in 0..2 {
        let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
        let found = store.offset(subscription).await.unwrap();
        assert_eq!(found.as_ref(), Some(&record));
        let found = store.parked(subscription, Sequence::OLDEST, 9).await;
        assert_eq!(found.unwrap(), parked);
        let replays = store.replays(subscription, Sequence::OLDEST, 9).await;
        assert_eq!(replays.unwrap(), []);
        let found = store.parked_event(subscription, parked[1].event).await;
        assert_eq!(found.unwrap().as_ref(), Some(&parked[1]));
    }
    let connection = Connection::open(&file).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    assert_eq!(count("SELECT count(*) FROM replies"), Ok(2));
    assert_eq!(count("PRAGMA user_version"), Ok(NEWEST as i64));
    drop(connection);

    // And goes on: what was parked then is marked, fails, and is settled now.
    let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
    let marked = store.replay(subscription, Selection::All).await;
    assert_eq!(marked, Ok(3));
    let since = Some(Timestamp::from_nanos(123));
    let mut write = OffsetWrite::new(subscription, 7, Sequence(10));
    write.settled = record.settled;
    write.failures = vec![Failures::new(Sequence(11), 5, since)];
    write.replays = vec![Failures::new(Sequence(12), 1, since)];
    write.unparked = vec![Sequence(4)];
    let failures = write.failures.clone();
    assert_eq!(store.commit(vec![write]).await, [Ok(())]);
    let found = store.offset(subscription).await.unwrap().unwrap();
    assert_eq!((found.offset, found.failures), (Sequence(10), failures));
    let replays = store.replays(subscription, Sequence::OLDEST, 9).await;
    let replays = replays.unwrap();
    let marks: Vec<_> = replays
        .iter()
        .map(|entry| (entry.sequence.0, entry.replay.unwrap()))
        .collect();
    let failed = Replay { failures: 1, since };
    assert_eq!(marks, [(12, failed), (16, Replay::default())]);
}

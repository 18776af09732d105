//! Is the data directory opened, refused and found again as it should be?
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use photinus_conformance::store::make::*;
use photinus_contract::store::{
    AppendError, Log, Namespaces, OffsetWrite, Offsets, Parked, ParkedEntry, Selection, Start,
    Store, StoreErrorKind, Subscriptions,
};
use photinus_contract::{Secrets, Sequence, Timestamp};
use photinus_store_sqlite::{Config, SqliteStore, Synchronous};

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory, Config::default()).unwrap()
}

/// Why the directory is refused.
fn refusal(directory: &Path) -> (StoreErrorKind, String) {
    match SqliteStore::open(directory, Config::default()) {
        Ok(_) => panic!("{} was opened", directory.display()),
        Err(error) => (error.kind(), error.to_string()),
    }
}

/// Something of everything.
async fn furnish(store: &SqliteStore) {
    let ns = with_namespace(store, "ns").await;
    fill(store, &ns, 1, 5).await;
    append_one(store, keyed(&ns, 6, "k")).await.unwrap();
    let large = serde_json::to_string(&"x".repeat(50_000)).unwrap();
    let record = record(&ns, 7, &["a", "b"], &[&large]);
    append_one(store, record).await.unwrap();
    let wanted = subscription(&ns, 1, "app");
    store
        .create_subscription(wanted, Start::Oldest)
        .await
        .unwrap();
    let id = subscription_id(1);
    let epoch = store.claim(id).await.unwrap().unwrap().epoch;
    let mut write = OffsetWrite::new(id, epoch, Sequence(3));
    write.settled = vec![5..=6];
    store.commit(vec![write]).await.remove(0).unwrap();
    let (event, reason) = (message(2).event(0), "why".to_owned());
    let time = Timestamp::from_nanos(3);
    let entry = ParkedEntry::new(id, (epoch, 0), (Sequence(2), event), time);
    let entry = entry.because(1, reason, None);
    store.park(vec![entry]).await.remove(0).unwrap();
}

/// All of it is there, and the store goes on.
async fn inspect(store: &SqliteStore) {
    let ns = namespace("ns");
    assert_eq!(sequences(store, &ns, 0).await, [1, 2, 3, 4, 5, 6, 8]);
    let data = store.value(&ns, message(7).value(0)).await.unwrap();
    assert_eq!(data.unwrap().value.get().len(), 50_002);
    let id = subscription_id(1);
    let record = store.claim(id).await.unwrap().unwrap();
    assert_eq!((record.offset, record.settled), (Sequence(3), vec![5..=6]));
    assert_eq!(store.parked(id, Sequence(0), 9).await.unwrap().len(), 1);
    assert_eq!(store.subscriptions().await.unwrap().len(), 1);
    let holder = message(6);
    assert_eq!(
        append_one(store, keyed(&ns, 8, "k")).await,
        Err(AppendError::DuplicateKey { holder })
    );
    let next = append_one(store, keyed(&ns, 9, "l")).await;
    assert_eq!(next, Ok(Sequence(9)));
}

#[tokio::test]
async fn what_was_stored_is_found_after_a_close() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("made/for/it");
    let store = open(&place);
    assert_eq!(store.name(), "sqlite");
    assert_eq!(
        store.location(),
        place.join("photinus.db").display().to_string()
    );
    furnish(&store).await;
    store.close().await.unwrap();
    // The write-ahead file has gone into the database.
    assert!(!place.join("photinus.db-wal").exists());
    inspect(&open(&place)).await;
}

#[cfg(unix)]
#[test]
fn a_new_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("data");
    let _store = open(&place);
    let mode = fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_secret_that_was_removed_is_not_left_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let ns = with_namespace(&store, "ns").await;
    let mut wanted = subscription(&ns, 1, "app");
    wanted.secrets = Secrets::from_stored(r#"{"/key":"s3cr3t-marker"}"#).unwrap();
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let mut changed = created.unwrap();
    changed.secrets = Secrets::default();
    assert!(store.update_subscription(changed).await.unwrap());
    store.close().await.unwrap();
    for file in fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(13).any(|window| window == b"s3cr3t-marker");
        assert!(!found, "it is in {}", path.display());
    }
}

#[tokio::test]
async fn what_was_stored_is_found_after_a_drop() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    furnish(&store).await;
    drop(store);
    inspect(&open(directory.path())).await;
}

#[tokio::test]
async fn what_was_answered_is_found_after_a_crash() {
    for synchronous in [Synchronous::Full, Synchronous::Normal] {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.synchronous = synchronous;
        let store = SqliteStore::open(directory.path(), config).unwrap();
        furnish(&store).await;
        // What a process leaves that ends here and now.
        let left = tempfile::tempdir().unwrap();
        for file in ["photinus.db", "photinus.db-wal"] {
            fs::copy(directory.path().join(file), left.path().join(file)).unwrap();
        }
        inspect(&open(left.path())).await;
    }
}

#[tokio::test]
async fn a_torn_write_takes_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let ns = with_namespace(&store, "ns").await;
    let mut sizes = Vec::new();
    for number in 1..=20 {
        fill(&store, &ns, number, 1).await;
        let wal = directory.path().join("photinus.db-wal");
        sizes.push(fs::metadata(wal).unwrap().len());
    }
    let (whole, last) = (sizes[18], sizes[19]);
    for cut in [whole, whole + 1, (whole + last) / 2, last - 1, last] {
        let left = tempfile::tempdir().unwrap();
        for file in ["photinus.db", "photinus.db-wal"] {
            fs::copy(directory.path().join(file), left.path().join(file)).unwrap();
        }
        let wal = left.path().join("photinus.db-wal");
        fs::File::options()
            .write(true)
            .open(wal)
            .unwrap()
            .set_len(cut)
            .unwrap();
        let expected = if cut == last { 20 } else { 19 };
        let found = sequences(&open(left.path()), &ns, 0).await;
        assert_eq!(found, (1..=expected).collect::<Vec<_>>(), "cut at {cut}");
    }
}

/// A power cut in the midst of the write that settles a replay, or of the one that discards an event.
#[tokio::test]
async fn a_torn_write_leaves_an_entry_and_its_position_together() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let s = subscribed(&store).await;
    let entries = [3, 7].map(|number| s.entry(s.claimed.epoch, number, "why"));
    for parked in store.park(entries.into()).await {
        parked.unwrap();
    }
    commit(&store, s.write(3)).await.unwrap();
    let wal = directory.path().join("photinus.db-wal");
    let size = || fs::metadata(&wal).unwrap().len();
    let mut sizes = vec![size()];
    let mut write = s.write(5);
    write.unparked = vec![Sequence(3)];
    commit(&store, write).await.unwrap();
    sizes.push(size());
    store.discard(s.id, Selection::All).await.unwrap();
    sizes.push(size());

    let mut seen = BTreeSet::new();
    // Frame after frame, and within them.
    for cut in (sizes[0]..=sizes[2]).step_by(1_030).chain(sizes.clone()) {
        let left = tempfile::tempdir().unwrap();
        for file in ["photinus.db", "photinus.db-wal"] {
            fs::copy(directory.path().join(file), left.path().join(file)).unwrap();
        }
        let torn = left.path().join("photinus.db-wal");
        let torn = fs::File::options().write(true).open(torn).unwrap();
        torn.set_len(cut).unwrap();
        let store = open(left.path());
        let record = position(&store, s.id).await;
        let parked = store.parked(s.id, Sequence::OLDEST, 9).await.unwrap();
        let parked: Vec<_> = parked.iter().map(|entry| entry.sequence.0).collect();
        let whole = sizes[1..].iter().filter(|size| **size <= cut).count();
        let expected = [
            (3, vec![], vec![3, 7]),
            (5, vec![], vec![7]),
            (5, vec![7..=7], vec![]),
        ];
        let found = (record.offset.0, record.settled, parked);
        assert_eq!(found, expected[whole], "cut at {cut} of {sizes:?}");
        seen.insert(whole);
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_directory_belongs_to_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (kind, text) = refusal(directory.path());
    assert_eq!(kind, StoreErrorKind::InUse);
    assert!(
        text.contains(&directory.path().display().to_string()),
        "{text}"
    );
    // The one that has it is not disturbed.
    with_namespace(&store, "ns").await;
    store.close().await.unwrap();
    let next = open(directory.path());
    assert_eq!(next.namespaces().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_layout_is_refused_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    furnish(&store).await;
    // As a later version leaves it when it crashes: with a write-ahead file.
    let newer = tempfile::tempdir().unwrap();
    {
        let connection = rusqlite::Connection::open(directory.path().join("photinus.db")).unwrap();
        connection.pragma_update(None, "user_version", 7).unwrap();
        for file in ["photinus.db", "photinus.db-wal"] {
            fs::copy(directory.path().join(file), newer.path().join(file)).unwrap();
        }
    }
    let read = |file| fs::read(newer.path().join(file)).unwrap();
    let before = ["photinus.db", "photinus.db-wal"].map(read);
    let (kind, text) = refusal(newer.path());
    assert_eq!(kind, StoreErrorKind::Newer);
    assert!(
        text.contains("layout 7") && text.contains("up to 6"),
        "{text}"
    );
    assert!(["photinus.db", "photinus.db-wal"].map(read) == before);
}

#[tokio::test]
async fn a_newer_layout_that_was_closed_gets_no_files_beside_it() {
    let directory = tempfile::Builder::new().prefix("a b?c%").tempdir().unwrap();
    let store = open(directory.path());
    furnish(&store).await;
    store.close().await.unwrap();
    drop(store);
    let file = directory.path().join("photinus.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), fs::read(&file).unwrap());
    assert_eq!(refusal(directory.path()).0, StoreErrorKind::Newer);
    assert!((names(), fs::read(&file).unwrap()) == before);
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_not_touched() {
    let garbage: Vec<u8> = (0..20_000u32).map(|i| (i * 31 % 251) as u8).collect();
    let mut half = b"SQLite format 3\0".to_vec();
    half.extend_from_slice(&garbage);
    for content in [&garbage[..], &garbage[..10], &half] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("photinus.db");
        fs::write(&file, content).unwrap();
        let (kind, text) = refusal(directory.path());
        assert_eq!(kind, StoreErrorKind::Corrupt, "{text}");
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("photinus.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE somebody_elses (a)")
        .unwrap();
    let (kind, text) = refusal(directory.path());
    assert_eq!(kind, StoreErrorKind::Corrupt);
    assert!(text.contains("not one of Photinus"), "{text}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    // A file where a directory is needed stops everybody, also who may write everywhere.
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        let (kind, text) = refusal(&place);
        assert_eq!(kind, StoreErrorKind::Inaccessible, "{text}");
        assert!(text.contains(&place.display().to_string()), "{text}");
    }

    let sealed = directory.path().join("sealed");
    fs::create_dir(&sealed).unwrap();
    let mut rights = fs::metadata(&sealed).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(&sealed, rights).unwrap();
    // Rights do not bind the superuser; then there is nothing to see here.
    if fs::write(sealed.join("probe"), "").is_err() {
        let (kind, text) = refusal(&sealed);
        assert_eq!(kind, StoreErrorKind::Inaccessible, "{text}");
    }
}

#[tokio::test]
async fn a_damaged_row_is_named_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    furnish(&store).await;
    store.close().await.unwrap();
    rusqlite::Connection::open(directory.path().join("photinus.db"))
        .unwrap()
        .execute_batch(
            "UPDATE log SET record = x'0100' WHERE pos & 0xff = 8; UPDATE offsets SET settled = 'x'",
        )
        .unwrap();
    let store = open(directory.path());
    let ns = namespace("ns");
    let error = store.read(&ns, Sequence(6), ALL).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(
        error
            .to_string()
            .contains("the record at 8 of namespace ns"),
        "{error}"
    );
    let error = store.claim(subscription_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let answers = store.append(vec![record(&ns, 9, &["t"], &[])]).await;
    assert!(answers[0].is_ok());
    assert_eq!(
        store.record(&ns, message(1).0).await.unwrap().unwrap().last,
        Sequence(1)
    );
}

#[tokio::test]
async fn a_limit_on_the_database_is_a_full_disk_until_it_is_raised() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.database_bytes_max = NonZeroU64::new(400_000);
    let store = SqliteStore::open(directory.path(), config.clone()).unwrap();
    let ns = with_namespace(&store, "ns").await;
    let value = serde_json::to_string(&"x".repeat(3_000)).unwrap();
    let mut number = 0;
    let error = loop {
        number += 1;
        match append_one(&store, record(&ns, number, &["t"], &[&value])).await {
            Ok(last) => assert_eq!(last, Sequence(number as i64)),
            Err(AppendError::Store(error)) => break error,
            Err(other) => panic!("{other}"),
        }
        assert!(number < 200, "the limit does nothing");
    };
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert!(error.is_retryable());
    store.close().await.unwrap();
    config.database_bytes_max = None;
    let store = SqliteStore::open(directory.path(), config).unwrap();
    assert_eq!(store.head(&ns).await, Ok(Sequence(number as i64 - 1)));
    let again = append_one(&store, record(&ns, number, &["t"], &[&value])).await;
    assert_eq!(again, Ok(Sequence(number as i64)));
}

#[tokio::test]
async fn keys_of_ephemeral_replies_end_with_the_process() {
    use photinus_contract::record::ReplyKey;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let ns = with_namespace(&store, "ns").await;
    let wanted = subscription(&ns, 1, "app");
    store
        .create_subscription(wanted, Start::Oldest)
        .await
        .unwrap();
    let reply = |number, id| {
        let mut record = record(&ns, number, &["t"], &[]);
        record.reply = Some(ReplyKey {
            subscription: id,
            generation: 0,
            event: Sequence(5),
            epoch: None,
        });
        record
    };
    let (stored, ephemeral) = (subscription_id(1), subscription_id(2));
    for (number, id) in [(1, stored), (2, ephemeral)] {
        assert!(append_one(&store, reply(number, id)).await.is_ok());
    }
    drop(store);
    let store = open(directory.path());
    assert!(append_one(&store, reply(3, stored)).await.is_err());
    assert!(append_one(&store, reply(4, ephemeral)).await.is_ok());
}

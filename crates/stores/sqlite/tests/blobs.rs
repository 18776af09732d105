//! What is in the directory of blobs, and how much may be?
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use photinus_conformance::store::make::*;
use photinus_contract::data::Blob;
use photinus_contract::store::{Blobs, Store, StoreErrorKind, StoredData};
use photinus_contract::{Data, Namespace};
use photinus_store_sqlite::{Config, SqliteStore};
use rusqlite::{Connection, params};

fn data_with_blob(ns: &Namespace, number: u64, size: u64) -> Data {
    let mut data = data(ns, number, "null");
    data.blob = Some(Blob {
        hash: hash(1),
        size,
        name: String::new(),
        path: None,
    });
    data
}

async fn write(store: &SqliteStore, data: Data, bytes: &'static [u8]) {
    let mut writer = store.begin_blob(data.id).await.unwrap();
    writer.write(Bytes::from_static(bytes)).await.unwrap();
    writer.finish(data).await.unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Waits for what is removed when nobody waits for it.
async fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to that");
}

#[tokio::test]
async fn there_is_a_file_for_each_blob_and_none_else() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = directory.path().join("blobs");
    let store = SqliteStore::open(directory.path(), Config::default()).unwrap();
    let ns = with_namespace(&store, "ns").await;
    assert!(!blobs.exists());
    write(&store, data_with_blob(&ns, 1, 3), b"abc").await;
    assert_eq!(names(&blobs), [data_id(1).to_string()]);
    assert_eq!(
        fs::read(blobs.join(data_id(1).to_string())).unwrap(),
        b"abc"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&blobs).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    let begun = store.begin_blob(data_id(2)).await.unwrap();
    assert_eq!(names(&blobs).len(), 2);
    drop(begun);
    until(|| names(&blobs).len() == 1).await;
    store.delete_data(&ns, data_id(1)).await.unwrap();
    until(|| names(&blobs).is_empty()).await;
    drop(store);
    drop(SqliteStore::open(directory.path(), Config::default()).unwrap());
    let rows: i64 = Connection::open(directory.path().join("photinus.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM moving_blobs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn all_blobs_have_at_most_as_many_bytes_as_are_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.blobs_bytes_max = NonZeroU64::new(10);
    let store = SqliteStore::open(directory.path(), config.clone()).unwrap();
    let ns = with_namespace(&store, "ns").await;
    write(&store, data_with_blob(&ns, 1, 6), b"abcdef").await;
    assert_eq!(store.figures().blob_bytes, Some(6));
    let mut writer = store.begin_blob(data_id(2)).await.unwrap();
    writer.write(Bytes::from_static(b"abcd")).await.unwrap();
    let full = writer.write(Bytes::from_static(b"e")).await.unwrap_err();
    assert_eq!(full.kind(), StoreErrorKind::Full);
    let text = full.to_string();
    assert!(text.contains("blobs_bytes_max"), "{text}");
    // After an error it cannot be finished.
    assert!(writer.finish(data_with_blob(&ns, 2, 4)).await.is_err());
    until(|| store.figures().blob_bytes == Some(6)).await;
    let shared = store.share_blob(data_id(1), data_with_blob(&ns, 3, 6));
    assert_eq!(shared.await.unwrap_err().kind(), StoreErrorKind::Full);
    write(&store, data_with_blob(&ns, 4, 4), b"abcd").await;
    drop(store);

    let store = SqliteStore::open(directory.path(), config).unwrap();
    assert_eq!(store.figures().blob_bytes, Some(10));
    store.delete_data(&ns, data_id(1)).await.unwrap();
    assert_eq!(store.figures().blob_bytes, Some(4));
    write(&store, data_with_blob(&ns, 5, 6), b"abcdef").await;
}

#[tokio::test]
async fn what_a_crash_has_left_goes_with_the_next_start_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let blobs = elsewhere.path().join("a/b");
    let mut config = Config::default();
    config.blobs = Some(blobs.clone());
    let store = SqliteStore::open(directory.path(), config.clone()).unwrap();
    let ns = with_namespace(&store, "ns").await;
    write(&store, data_with_blob(&ns, 1, 3), b"abc").await;
    drop(store);
    assert!(!directory.path().join("blobs").exists());

    // Before there was a file, while it was written, before the data came, and after the data went.
    let connection = Connection::open(directory.path().join("photinus.db")).unwrap();
    for number in 2..=5 {
        connection
            .execute(
                "INSERT INTO moving_blobs (id) VALUES (?1)",
                params![data_id(number).0.as_bytes()],
            )
            .unwrap();
    }
    drop(connection);
    let kept = [
        data_id(1).to_string(),
        data_id(9).to_string(),
        "notes".to_owned(),
    ];
    for name in [
        format!("{}.part", data_id(3)),
        data_id(4).to_string(),
        data_id(5).to_string(),
        kept[1].clone(),
        kept[2].clone(),
    ] {
        fs::write(blobs.join(name), b"x").unwrap();
    }
    let store = SqliteStore::open(directory.path(), config).unwrap();
    assert_eq!(names(&blobs), kept);
    let read = store.read_blob(data_id(1), 0, 9).await.unwrap().unwrap();
    assert_eq!(&read[..], b"abc");
    for number in 2..=5 {
        assert!(store.begin_blob(data_id(number)).await.is_ok(), "{number}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_refuses_the_blob() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.blobs = Some(directory.path().join("photinus.db"));
    let store = SqliteStore::open(directory.path(), config).unwrap();
    let ns = with_namespace(&store, "ns").await;
    let refused = store.begin_blob(data_id(1)).await.err().unwrap();
    assert_eq!(refused.kind(), StoreErrorKind::Inaccessible, "{refused}");
    store.put_data(data(&ns, 1, "1")).await.unwrap();
}

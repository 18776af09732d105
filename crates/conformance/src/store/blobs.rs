//! Do blobs come and go with the data that names them?

use bytes::Bytes;
use photinus_contract::data::Blob;
use photinus_contract::store::Store;
use photinus_contract::{Data, Namespace};

use super::Rig;
use super::make::*;

/// What is read of a blob is what was written, from any place on and whatever the pieces in which it came.
pub async fn a_blob_is_read_as_it_was_written(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let large: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    for (number, pieces) in [
        (1, vec![&large[..]]),
        (2, vec![&large[..1], &large[1..70_000], &large[70_000..]]),
        (3, vec![]),
        (4, vec![&large[..5]]),
    ] {
        let written = pieces.concat();
        let data = data_with_blob(&ns, number, written.len(), "a");
        write(store, data.clone(), &pieces).await;
        let found = store.value(&ns, data.id).await.unwrap().unwrap();
        assert_eq!(found.blob, data.blob);
        for (offset, length) in [
            (0, 7),
            (0, 400_000),
            (69_999, 3),
            (299_999, 9),
            (300_000, 9),
        ] {
            let mut read = Vec::new();
            while read.len() < length {
                let at = (offset + read.len()) as u64;
                let piece = store.read_blob(data.id, at, length - read.len()).await;
                let piece = piece.unwrap().unwrap();
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            let from = offset.min(written.len());
            let to = (offset + length).min(written.len()).max(from);
            assert_eq!(read, written[from..to], "{length} bytes from {offset} on");
        }
    }
    assert_eq!(store.read_blob(data_id(5), 0, 9).await, Ok(None));
    store.put_data(data(&ns, 6, "1")).await.unwrap();
    assert_eq!(store.read_blob(data_id(6), 0, 9).await, Ok(None));
}

/// There is no blob before its data, nothing of one that was given up or refused, and none without its data.
pub async fn a_blob_comes_and_goes_with_its_data(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let blob = data_with_blob(&ns, 1, 3, "a");
    assert!(store.put_data(blob.clone()).await.is_err());
    let mut given_up = store.begin_blob(blob.id).await.unwrap();
    given_up.write(Bytes::from_static(b"abc")).await.unwrap();
    assert_eq!(store.read_blob(blob.id, 0, 9).await, Ok(None));
    drop(given_up);
    assert!(store.value(&ns, blob.id).await.unwrap().is_none());

    let refused = data_with_blob(&namespace("nowhere"), 2, 3, "a");
    let mut writer = store.begin_blob(refused.id).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    assert!(writer.finish(refused.clone()).await.is_err());
    let without = data(&ns, 3, "1");
    let writer = store.begin_blob(without.id).await.unwrap();
    assert!(writer.finish(without).await.is_err());
    assert!(store.stored_data(&ns, None, ALL).await.unwrap().is_empty());

    let kept = data_with_blob(&ns, 4, 3, "a");
    write(store, kept.clone(), &[b"abc"]).await;
    assert!(store.begin_blob(kept.id).await.is_err());
    assert!(store.begin_blob(message(5).value(0)).await.is_err());
    assert_eq!(read(store, &kept).await, &b"abc"[..]);
    assert_eq!(store.delete_data(&ns, kept.id).await, Ok(true));
    // It may take a moment until it is gone.
    while store.read_blob(kept.id, 0, 9).await.unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(store.value(&ns, kept.id).await.unwrap().is_none());
}

/// Data is found by the hash of its blob, and the paths of blobs are listed in order, each once.
pub async fn data_is_found_by_what_is_known_of_its_blob(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    for (number, path) in [
        (1, "b"),
        (2, "a"),
        (3, "b"),
        (4, "a/c"),
        (5, "ab"),
        (6, "a%"),
    ] {
        write(
            store,
            data_with_blob(&ns, number, number as usize, path),
            &[],
        )
        .await;
    }
    write(store, data_with_blob(&other, 7, 7, "x"), &[]).await;
    let mut nameless = data_with_blob(&ns, 8, 8, "");
    nameless.blob.iter_mut().for_each(|blob| blob.path = None);
    write(store, nameless, &[]).await;
    store.put_data(data(&ns, 9, "1")).await.unwrap();
    for (ns, number, expected) in [
        (&ns, 3, Some(data_id(3))),
        (&ns, 8, Some(data_id(8))),
        (&ns, 7, None),
        (&other, 7, Some(data_id(7))),
        (&ns, 30, None),
    ] {
        let found = store.data_of_blob(ns, hash(number)).await.unwrap();
        assert_eq!(found.map(|data| data.id), expected, "{number}");
    }
    for (prefix, after, limit, expected) in [
        ("", None, 9, &["/a", "/a%", "/a/c", "/ab", "/b"][..]),
        ("/", None, 2, &["/a", "/a%"]),
        ("/", Some("/a%"), 2, &["/a/c", "/ab"]),
        ("/", Some("/b"), 2, &[]),
        ("/a", None, 9, &["/a", "/a%", "/a/c", "/ab"]),
        ("/a/", None, 9, &["/a/c"]),
        ("/a/", Some("/a/c"), 9, &[]),
        ("/a/", Some("/A"), 9, &["/a/c"]),
        ("/a%", None, 9, &["/a%"]),
        ("/c", None, 9, &[]),
    ] {
        let paths = store.blob_paths(&ns, prefix, after, limit).await.unwrap();
        assert_eq!(paths, expected, "{prefix} after {after:?}");
    }
    let nowhere = store.blob_paths(&namespace("nowhere"), "", None, 9).await;
    assert_eq!(nowhere, Ok(Vec::new()));
}

/// Two that share their bytes are deleted apart.
pub async fn a_shared_blob_outlives_the_other(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let first = data_with_blob(&ns, 1, 3, "a");
    write(store, first.clone(), &[b"abc"]).await;
    let second = data_with_blob(&ns, 2, 3, "b");
    assert_eq!(store.share_blob(first.id, second.clone()).await, Ok(true));
    let third = data_with_blob(&ns, 3, 3, "c");
    assert_eq!(store.share_blob(data_id(9), third.clone()).await, Ok(false));
    assert!(store.value(&ns, third.id).await.unwrap().is_none());
    let nowhere = data_with_blob(&namespace("nowhere"), 3, 3, "c");
    assert!(store.share_blob(first.id, nowhere).await.is_err());
    assert!(store.share_blob(first.id, second.clone()).await.is_err());
    assert_eq!(read(store, &second).await, &b"abc"[..]);
    assert_eq!(store.delete_data(&ns, first.id).await, Ok(true));
    while store.read_blob(first.id, 0, 9).await.unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(read(store, &second).await, &b"abc"[..]);
}

/// A blob that was answered is whole after a crash, and one that was not finished is gone: its id can be used again.
pub async fn a_blob_is_whole_or_gone_after_a_crash(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let (kept, begun) = (
        data_with_blob(&ns, 1, 3, "a"),
        data_with_blob(&ns, 2, 3, "b"),
    );
    let (deleted, shared) = (
        data_with_blob(&ns, 3, 3, "c"),
        data_with_blob(&ns, 4, 3, "d"),
    );
    write(&*store, kept.clone(), &[b"abc"]).await;
    write(&*store, deleted.clone(), &[b"def"]).await;
    assert_eq!(store.share_blob(deleted.id, shared.clone()).await, Ok(true));
    assert_eq!(store.delete_data(&ns, deleted.id).await, Ok(true));
    let mut writer = store.begin_blob(begun.id).await.unwrap();
    writer.write(Bytes::from_static(b"ghi")).await.unwrap();
    let Some(after) = super::crash_and_open(rig, "blobs::a_blob_is_whole_or_gone_after_a_crash")
    else {
        return;
    };
    // It is of the store that was.
    std::mem::forget(writer);
    assert_eq!(read(&*after, &kept).await, &b"abc"[..]);
    assert_eq!(read(&*after, &shared).await, &b"def"[..]);
    for gone in [&begun, &deleted] {
        assert_eq!(after.read_blob(gone.id, 0, 9).await, Ok(None));
        assert!(after.value(&ns, gone.id).await.unwrap().is_none());
    }
    write(&*after, begun.clone(), &[b"jkl"]).await;
    assert_eq!(read(&*after, &begun).await, &b"jkl"[..]);
}

/// Data as an engine stores it, with a blob of so many bytes under this path. The hash follows from the number.
fn data_with_blob(namespace: &Namespace, number: u64, size: usize, path: &str) -> Data {
    let mut data = data(namespace, number, "null");
    data.blob = Some(Blob {
        hash: hash(number as usize),
        size: size as u64,
        name: format!("{path}/name"),
        path: Some(format!("/{path}")),
    });
    data
}

async fn write(store: &dyn Store, data: Data, pieces: &[&[u8]]) {
    let mut writer = store.begin_blob(data.id).await.unwrap();
    for piece in pieces {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish(data).await.unwrap();
}

async fn read(store: &dyn Store, data: &Data) -> Bytes {
    store.read_blob(data.id, 0, 9).await.unwrap().unwrap()
}

//! Does a crash lose what was not durable, and nothing else?
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use photinus_conformance::store::make::*;
use photinus_contract::Sequence;
use photinus_contract::store::{
    AppendError, Failures, Log, Namespaces, OffsetWrite, Offsets, Parked, Replay, Selection, Start,
    Store, StoreError, StoreErrorKind, Subscriptions,
};
use photinus_store_memory::MemoryStore;

#[tokio::test]
async fn a_held_write_is_neither_visible_nor_answered() {
    let store = MemoryStore::new();
    let ns = with_namespace(&store, "ns").await;
    store.hold_writes();
    let mut first = store.append(vec![record(&ns, 1, &["t"], &[])]);
    let mut second = store.append(vec![
        record(&ns, 2, &["t"], &[]),
        record(&ns, 3, &["t"], &[]),
    ]);
    assert_eq!(store.held_writes(), 3);
    assert!(answered(&mut first).is_none());
    assert_eq!(sequences(&store, &ns, 0).await, NONE);
    assert_eq!(store.release(2), 2);
    assert!(answered(&mut first).is_some());
    assert!(
        answered(&mut second).is_none(),
        "one of its records is held"
    );
    assert_eq!(sequences(&store, &ns, 0).await, [1, 2]);
    store.release_all();
    assert!(answered(&mut second).is_some());
    fill(&store, &ns, 4, 1).await;
    assert_eq!(sequences(&store, &ns, 0).await, [1, 2, 3, 4]);
    assert_eq!(store.release(9), 0);
}

#[tokio::test]
async fn a_crash_keeps_what_was_durable() {
    let store = MemoryStore::new();
    let ns = with_namespace(&store, "ns").await;
    fill(&store, &ns, 1, 2).await;
    store.hold_writes();
    let lost = store.append(vec![record(&ns, 3, &["t"], &[])]);
    let after = store.crash();
    let Err(AppendError::Store(error)) = lost.await.remove(0) else {
        panic!("a lost write was answered");
    };
    assert_eq!(error.kind(), StoreErrorKind::Closed);
    assert_eq!(sequences(&after, &ns, 0).await, [1, 2]);
    // What still runs on the old handle reaches nothing.
    let zombie = store.append(vec![record(&ns, 4, &["t"], &[])]).await;
    assert!(zombie[0].is_err());
    assert!(store.head(&ns).await.is_err());
    fill(&after, &ns, 5, 1).await;
    assert_eq!(sequences(&after, &ns, 0).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_crash_can_come_between_the_write_and_its_answer() {
    let store = MemoryStore::new();
    let ns = with_namespace(&store, "ns").await;
    store.hold_writes();
    let untold = store.append(vec![keyed(&ns, 1, "k"), keyed(&ns, 2, "l")]);
    let after = store.crash_after(1);
    assert!(untold.await.iter().all(Result::is_err));
    let holder = message(1);
    assert_eq!(
        append_one(&after, keyed(&ns, 3, "k")).await,
        Err(AppendError::DuplicateKey { holder })
    );
    assert_eq!(
        append_one(&after, keyed(&ns, 4, "l")).await,
        Ok(Sequence(2))
    );
}

#[tokio::test]
async fn engines_that_share_a_store_fence_each_other() {
    let store = MemoryStore::new();
    let other = store.clone();
    let ns = with_namespace(&store, "ns").await;
    fill(&store, &ns, 1, 5).await;
    let wanted = subscription(&ns, 1, "app");
    store
        .create_subscription(wanted, Start::Oldest)
        .await
        .unwrap();
    let id = subscription_id(1);
    let first = store.claim(id).await.unwrap().unwrap();
    let second = other.claim(id).await.unwrap().unwrap();
    let write = |epoch| vec![OffsetWrite::new(id, epoch, Sequence(3))];
    assert!(store.commit(write(first.epoch)).await[0].is_err());
    assert!(other.commit(write(second.epoch)).await[0].is_ok());
    // One of them may end without the other.
    store.close().await.unwrap();
    assert!(store.head(&ns).await.is_err());
    assert_eq!(other.head(&ns).await, Ok(Sequence(5)));
}

#[tokio::test]
async fn failing_writes_do_nothing_and_end() {
    let store = MemoryStore::new();
    let ns = with_namespace(&store, "ns").await;
    let full = StoreError::new(StoreErrorKind::Full, "as the test asked");
    store.fail_writes(Some(full.clone()));
    let refused = append_one(&store, record(&ns, 1, &["t"], &[])).await;
    assert_eq!(refused, Err(AppendError::Store(full)));
    assert_eq!(store.namespaces().await.unwrap().len(), 1);
    store.fail_writes(None);
    fill(&store, &ns, 1, 1).await;
    assert_eq!(sequences(&store, &ns, 0).await, [1]);
}

/// A replay from its mark to its settlement, and another event that is discarded. Whichever of the writes is the last
/// that became durable: an entry is there until the position says that its event is settled, and not after.
#[tokio::test]
async fn a_crash_at_any_point_of_a_replay_leaves_entry_and_position_together() {
    for durable in 0..=5 {
        let store = MemoryStore::new();
        let s = subscribed(&store).await;
        let epoch = s.claimed.epoch;
        store.hold_writes();
        let parked = store.park(vec![s.entry(epoch, 2, "a"), s.entry(epoch, 4, "b")]);
        let marked = store.replay(s.id, Selection::Events(vec![message(2).event(0)]));
        let mut write = s.write(3);
        write.replays = vec![Failures::new(Sequence(2), 1, None)];
        let failed = store.commit(vec![write.clone()]);
        write.unparked = vec![Sequence(2)];
        let settled = store.commit(vec![write]);
        let discarded = store.discard(s.id, Selection::All);
        let after = store.crash_after(durable);
        assert!(parked.await.iter().all(Result::is_err));
        assert!(marked.await.is_err() && discarded.await.is_err());
        assert!(failed.await[0].is_err() && settled.await[0].is_err());

        let listed = after.parked(s.id, Sequence::OLDEST, 9).await.unwrap();
        let found: Vec<_> = listed
            .iter()
            .map(|entry| (entry.sequence.0, entry.replay))
            .collect();
        let marked = |failures| {
            Some(Replay {
                failures,
                since: None,
            })
        };
        let expected = match durable {
            0 => vec![],
            1 => vec![(2, None)],
            2 => vec![(2, None), (4, None)],
            3 => vec![(2, marked(0)), (4, None)],
            4 => vec![(2, marked(1)), (4, None)],
            _ => vec![(4, None)],
        };
        assert_eq!(found, expected, "after {durable} writes");
        let record = position(&after, s.id).await;
        let offset = if durable < 4 { -1 } else { 3 };
        assert_eq!(record.offset, Sequence(offset), "after {durable} writes");
        // The discard is the sixth: not even that changes the epoch, so the owner goes on.
        after.discard(s.id, Selection::All).await.unwrap();
        let next = position(&after, s.id).await;
        assert_eq!(next.epoch, epoch);
        let settled = expected.iter().map(|(event, _)| *event);
        let above: Vec<_> = settled.filter(|event| *event > offset).collect();
        let noted: Vec<_> = next.settled.into_iter().flatten().collect();
        assert_eq!(noted, above, "after {durable} writes");
    }
}

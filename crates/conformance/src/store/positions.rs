//! Who may move a position, and what becomes of a write that comes too late?

use std::collections::BTreeSet;
use std::sync::Arc;

use photinus_contract::store::{Failures, OffsetError, OffsetRecord, OffsetWrite, Start};
use photinus_contract::{Sequence, Timestamp};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Rig;
use super::make::*;

/// A claim raises the epoch; from then on, who has an older one changes nothing.
pub async fn a_claim_fences_whoever_claimed_before(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let second = store.claim(s.id).await.unwrap().unwrap();
    assert!(second.epoch > s.claimed.epoch);
    let mut expected = s.claimed.clone();
    expected.epoch = second.epoch;
    assert_eq!(second, expected);
    let mut stale = s.write(4);
    stale.settled = vec![s.at(6)..=s.at(6)];
    stale.failures = vec![Failures::new(Sequence(s.at(7)), 1, None)];
    assert_eq!(commit(store, stale).await, Err(OffsetError::Fenced));
    // Nor one that nobody has claimed yet.
    let early = OffsetWrite::new(s.id, second.epoch + 1, Sequence(s.at(4)));
    assert_eq!(commit(store, early).await, Err(OffsetError::Fenced));
    assert_eq!(position(store, s.id).await, second);
    let current = OffsetWrite::new(s.id, second.epoch, Sequence(s.at(4)));
    assert_eq!(commit(store, current).await, Ok(()));
    assert_eq!(position(store, s.id).await.offset, Sequence(s.at(4)));
    assert_eq!(store.claim(subscription_id(9)).await, Ok(None));
}

/// All who claim at the same time get an epoch of their own, and of their commits exactly one is taken.
pub async fn of_many_who_claim_at_once_one_can_commit(rig: &mut dyn Rig) {
    const CLAIMANTS: usize = 12;
    let store = rig.open();
    let s = subscribed(&*store).await;
    for _ in 0..8 {
        let all_claimed = Arc::new(Barrier::new(CLAIMANTS));
        let mut tasks = JoinSet::new();
        for claimant in 0..CLAIMANTS {
            let (store, id) = (store.clone(), s.id);
            let all_claimed = all_claimed.clone();
            // What tells them apart: the failures that they write.
            let failures = vec![Failures::new(Sequence(s.at(5)), claimant as u32, None)];
            tasks.spawn(async move {
                let claimed = store.claim(id).await.unwrap().unwrap();
                all_claimed.wait().await;
                let mut write = OffsetWrite::new(id, claimed.epoch, claimed.offset);
                write.failures = failures.clone();
                (claimed.epoch, failures, commit(&*store, write).await)
            });
        }
        let answers = tasks.join_all().await;
        let epochs: BTreeSet<_> = answers.iter().map(|(epoch, ..)| *epoch).collect();
        assert_eq!(epochs.len(), CLAIMANTS, "two have the same epoch");
        let now = position(&*store, s.id).await;
        assert_eq!(epochs.last(), Some(&now.epoch));
        for (epoch, failures, answer) in answers {
            if epoch == now.epoch {
                assert_eq!(answer, Ok(()));
                assert_eq!(now.failures, failures);
            } else {
                assert_eq!(answer, Err(OffsetError::Fenced), "{epoch}");
            }
        }
    }
}

/// Offset, settled ranges and failures are written together, each replaces what was there, and the next owner finds
/// them.
pub async fn a_commit_is_read_back_whole(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let mut write = s.write(2);
    write.settled = vec![s.at(4)..=s.at(4), s.at(6)..=s.at(9)];
    write.failures = vec![
        Failures::new(Sequence(s.at(3)), 2, Some(Timestamp::from_nanos(7))),
        Failures::new(Sequence(s.at(5)), u32::MAX, None),
    ];
    assert_eq!(commit(store, write.clone()).await, Ok(()));
    let mut expected = s.claimed.clone();
    expected.offset = write.offset;
    expected.settled = write.settled;
    expected.failures = write.failures;
    assert_eq!(position(store, s.id).await, expected);
    let next = store.claim(s.id).await.unwrap().unwrap();
    expected.epoch = next.epoch;
    assert_eq!(next, expected);
    let write = OffsetWrite::new(s.id, next.epoch, Sequence(s.at(9)));
    assert_eq!(commit(store, write).await, Ok(()));
    let plain = OffsetRecord::new(Sequence(s.at(9)), next.epoch, next.generation);
    assert_eq!(position(store, s.id).await, plain);
}

/// A refused write harms no other of its call, and the answers stand in the order of the writes.
pub async fn each_commit_is_answered_for_itself(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let wanted = subscription(&s.namespace, 2, "second");
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let second = created.unwrap().id;
    let epoch = position(store, second).await.epoch;
    let answers = store
        .commit(vec![
            s.write(1),
            OffsetWrite::new(second, epoch + 1, Sequence(s.at(2))),
            OffsetWrite::new(subscription_id(9), 0, Sequence(s.at(3))),
            s.write(4),
        ])
        .await;
    let fenced = Err(OffsetError::Fenced);
    assert_eq!(answers, [Ok(()), fenced.clone(), fenced, Ok(())]);
    assert_eq!(position(store, s.id).await.offset, Sequence(s.at(4)));
    assert_eq!(position(store, second).await.offset, Sequence::OLDEST);
    assert_eq!(store.commit(Vec::new()).await, []);
}

/// What is settled and what has failed rises above the offset, or the position is refused and the old one stays.
pub async fn a_position_that_nobody_could_go_on_from_is_refused(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let with = |settled: &[(usize, usize)], failures: &[usize]| {
        let mut write = s.write(3);
        write.settled = settled.iter().map(|(a, b)| s.at(*a)..=s.at(*b)).collect();
        write.failures = failures
            .iter()
            .map(|n| Failures::new(Sequence(s.at(*n)), 1, None))
            .collect();
        write
    };
    for wrong in [
        with(&[(3, 3)], &[]),
        with(&[(1, 2)], &[]),
        with(&[(5, 4)], &[]),
        with(&[(5, 7), (7, 8)], &[]),
        with(&[(7, 8), (5, 5)], &[]),
        with(&[], &[3]),
        with(&[], &[6, 5]),
        with(&[], &[5, 5]),
    ] {
        let refused = commit(store, wrong.clone()).await;
        assert!(matches!(refused, Err(OffsetError::Store(_))), "{wrong:?}");
        assert_eq!(position(store, s.id).await, s.claimed, "{wrong:?}");
    }
    let right = with(&[(4, 4), (6, 8), (9, 9)], &[5, 10]);
    assert_eq!(commit(store, right.clone()).await, Ok(()));
    let read = position(store, s.id).await;
    assert_eq!(
        (read.settled, read.failures),
        (right.settled, right.failures)
    );
}

/// Only a seek moves an offset back, and nothing moves it beyond the newest event.
pub async fn an_offset_moves_only_forwards_and_within_the_log(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    assert_eq!(commit(store, s.write(5)).await, Ok(()));
    let to = |offset| OffsetWrite::new(s.id, s.claimed.epoch, Sequence(offset));
    for offset in [s.at(4), Sequence::OLDEST.0, s.at(10) + 1] {
        let refused = commit(store, to(offset)).await;
        assert!(matches!(refused, Err(OffsetError::Store(_))), "{offset}");
        assert_eq!(position(store, s.id).await.offset, Sequence(s.at(5)));
    }
    for number in [5, 10] {
        assert_eq!(commit(store, s.write(number)).await, Ok(()), "{number}");
    }
    // One that begins in the future stays there until the log has come so far.
    let wanted = subscription(&s.namespace, 2, "future");
    let future = Sequence(s.at(10) + 100);
    let created = store
        .create_subscription(wanted, Start::After(future))
        .await;
    let id = created.unwrap().id;
    let epoch = store.claim(id).await.unwrap().unwrap().epoch;
    let write = OffsetWrite::new(id, epoch, future);
    assert_eq!(commit(store, write).await, Ok(()));
}

/// A seek sets the position, forgets what was settled above it, begins a new generation, and fences every write
/// that was claimed before.
pub async fn a_seek_raises_epoch_and_generation(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let mut write = s.write(5);
    write.settled = vec![s.at(7)..=s.at(8)];
    write.failures = vec![Failures::new(Sequence(s.at(6)), 1, None)];
    assert_eq!(commit(store, write).await, Ok(()));
    let mut before = s.claimed.clone();
    for (to, expected) in [
        (Start::After(Sequence(s.at(2))), s.at(2)),
        (Start::Oldest, -1),
        (Start::Newest, s.at(10)),
    ] {
        let record = store.seek(s.id, to).await.unwrap().unwrap();
        assert!(record.epoch > before.epoch, "the epoch");
        assert!(record.generation > before.generation, "the generation");
        let plain = OffsetRecord::new(Sequence(expected), record.epoch, record.generation);
        assert_eq!(record, plain);
        assert_eq!(position(store, s.id).await, plain);
        let stale = OffsetWrite::new(s.id, before.epoch, Sequence(s.at(10)));
        assert_eq!(commit(store, stale).await, Err(OffsetError::Fenced));
        assert_eq!(position(store, s.id).await, plain);
        before = record;
    }
    assert_eq!(
        store.seek(subscription_id(9), Start::Oldest).await,
        Ok(None)
    );
}

/// An update of a subscription leaves its position where it is, and fences every write that was claimed before.
pub async fn an_update_keeps_the_offset_and_fences(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let mut write = s.write(5);
    write.settled = vec![s.at(7)..=s.at(8)];
    write.failures = vec![Failures::new(Sequence(s.at(6)), 1, None)];
    assert_eq!(commit(store, write).await, Ok(()));
    let mut expected = position(store, s.id).await;
    let mut changed = store.subscriptions().await.unwrap().remove(0);
    changed.updated = Some(Timestamp::from_nanos(99));
    changed.options.first_event = Some("oldest".to_owned());
    assert_eq!(store.update_subscription(changed).await, Ok(true));
    let after = position(store, s.id).await;
    assert!(after.epoch > s.claimed.epoch);
    expected.epoch = after.epoch;
    assert_eq!(after, expected);
    assert_eq!(commit(store, s.write(9)).await, Err(OffsetError::Fenced));
    assert_eq!(position(store, s.id).await, expected);
}

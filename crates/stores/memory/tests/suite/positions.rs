//! What must hold for subscriptions, their positions, parked events and replies?

use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{
    AppendError, CreateSubscriptionError, OffsetError, OffsetRecord, OffsetWrite, ParkedEntry,
    Start, Store,
};
use photinus_contract::{Namespace, Sequence, SubscriptionId, Timestamp};

use super::make::*;

/// A namespace with ten events and a subscription to it, claimed once.
async fn subscribed(store: &dyn Store) -> (Namespace, SubscriptionId, OffsetRecord) {
    let ns = with_namespace(store, "ns").await;
    fill(store, &ns, 1, 10).await;
    let wanted = subscription(&ns, 1, "app");
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let id = created.unwrap().id;
    let claimed = store.claim(id).await.unwrap().unwrap();
    (ns, id, claimed)
}

async fn position(store: &dyn Store, id: SubscriptionId) -> OffsetRecord {
    store.offset(id).await.unwrap().unwrap()
}

async fn commit(store: &dyn Store, write: OffsetWrite) -> Result<(), OffsetError> {
    store.commit(vec![write]).await.remove(0)
}

fn entry(id: SubscriptionId, epoch: u64, sequence: i64, reason: &str) -> ParkedEntry {
    ParkedEntry::new(
        id,
        epoch,
        2,
        Sequence(sequence),
        message(sequence as u64).event(0),
        3,
        reason.to_owned(),
        Timestamp::from_nanos(9),
    )
}

fn reply(
    ns: &Namespace,
    number: u64,
    id: SubscriptionId,
    generation: u64,
    event: i64,
    epoch: Option<u64>,
) -> NewRecord {
    let mut record = record(ns, number, &["reply"], &["1"]);
    record.reply = Some(ReplyKey {
        subscription: id,
        generation,
        event: Sequence(event),
        epoch,
    });
    record
}

pub async fn a_subscription_starts_where_it_was_asked_to(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    let empty = with_namespace(store, "empty").await;
    fill(store, &ns, 1, 5).await;
    for (number, namespace, start, expected) in [
        (1, &ns, Start::Newest, 5),
        (2, &ns, Start::Oldest, -1),
        (3, &ns, Start::After(Sequence(3)), 3),
        (4, &ns, Start::After(Sequence(1000)), 1000),
        (5, &empty, Start::Newest, -1),
    ] {
        let wanted = subscription(namespace, number, &format!("s{number}"));
        let created = store
            .create_subscription(wanted.clone(), start)
            .await
            .unwrap();
        let mut expected_options = wanted.options.clone();
        expected_options.first_event = Some(expected.to_string());
        assert_eq!(created.options, expected_options);
        let offset = position(store, created.id).await;
        assert_eq!(
            offset,
            OffsetRecord::new(Sequence(expected), offset.epoch, 0)
        );
        assert!(store.subscriptions().await.unwrap().contains(&created));
    }
    // An event published in the same breath is on one side or the other: here it was called before.
    let append = store.append(vec![record(&ns, 6, &["t"], &[])]);
    let create = store.create_subscription(subscription(&ns, 6, "s6"), Start::Newest);
    let after = store.append(vec![record(&ns, 7, &["t"], &[])]);
    let first = create.await.unwrap().options.first_event;
    assert_eq!(first.as_deref(), Some("6"));
    assert!(append.await[0].is_ok() && after.await[0].is_ok());
}

pub async fn names_of_subscriptions_are_unique_in_their_namespace(store: &dyn Store) {
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    let create = |wanted| store.create_subscription(wanted, Start::Oldest);
    assert!(create(subscription(&a, 1, "app")).await.is_ok());
    assert_eq!(
        create(subscription(&a, 2, "app")).await,
        Err(CreateSubscriptionError::Exists)
    );
    assert!(create(subscription(&b, 3, "app")).await.is_ok());
    assert_eq!(
        create(subscription(&namespace("nowhere"), 4, "app")).await,
        Err(CreateSubscriptionError::UnknownNamespace)
    );
    assert_eq!(store.offset(subscription_id(2)).await, Ok(None));
    assert!(store.delete_subscription(subscription_id(1)).await.unwrap());
    assert!(create(subscription(&a, 2, "app")).await.is_ok());
}

pub async fn subscriptions_are_listed_in_the_order_of_creation(store: &dyn Store) {
    let ns = with_namespace(store, "ns").await;
    for number in [3, 1, 2] {
        let wanted = subscription(&ns, number, &format!("s{number}"));
        store
            .create_subscription(wanted, Start::Oldest)
            .await
            .unwrap();
    }
    let listed = store.subscriptions().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|subscription| subscription.id).collect();
    assert_eq!(ids, [3, 1, 2].map(subscription_id));
}

pub async fn a_claim_fences_whoever_claimed_before(store: &dyn Store) {
    let (_, id, first) = subscribed(store).await;
    let second = store.claim(id).await.unwrap().unwrap();
    assert!(second.epoch > first.epoch);
    let stale = OffsetWrite::new(id, first.epoch, Sequence(4));
    assert_eq!(commit(store, stale).await, Err(OffsetError::Fenced));
    let parked = store.park(vec![entry(id, first.epoch, 3, "stale")]).await;
    assert_eq!(parked, [Err(OffsetError::Fenced)]);
    assert_eq!(position(store, id).await, second);
    assert_eq!(store.parked(id, Sequence(0), 9).await, Ok(vec![]));
    let current = OffsetWrite::new(id, second.epoch, Sequence(4));
    assert_eq!(commit(store, current).await, Ok(()));
    assert_eq!(position(store, id).await.offset, Sequence(4));
    assert_eq!(store.claim(subscription_id(9)).await, Ok(None));
}

pub async fn a_commit_is_read_back_whole(store: &dyn Store) {
    let (_, id, claimed) = subscribed(store).await;
    let mut write = OffsetWrite::new(id, claimed.epoch, Sequence(2));
    write.settled = vec![4..=4, 6..=9];
    write.failures = vec![(Sequence(3), 2), (Sequence(5), u32::MAX)];
    assert_eq!(commit(store, write.clone()).await, Ok(()));
    let mut expected = OffsetRecord::new(Sequence(2), claimed.epoch, claimed.generation);
    expected.settled = write.settled;
    expected.failures = write.failures;
    assert_eq!(position(store, id).await, expected);
    // A new owner finds it all.
    let next = store.claim(id).await.unwrap().unwrap();
    expected.epoch = next.epoch;
    assert_eq!(next, expected);
    let write = OffsetWrite::new(id, next.epoch, Sequence(9));
    assert_eq!(commit(store, write).await, Ok(()));
    let plain = OffsetRecord::new(Sequence(9), next.epoch, next.generation);
    assert_eq!(position(store, id).await, plain);
}

pub async fn each_commit_is_answered_for_itself(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let wanted = subscription(&ns, 2, "second");
    store
        .create_subscription(wanted, Start::Oldest)
        .await
        .unwrap();
    let second = subscription_id(2);
    let epoch = position(store, second).await.epoch;
    let answers = store
        .commit(vec![
            OffsetWrite::new(id, claimed.epoch, Sequence(1)),
            OffsetWrite::new(second, epoch + 1, Sequence(2)),
            OffsetWrite::new(subscription_id(9), 0, Sequence(3)),
            OffsetWrite::new(id, claimed.epoch, Sequence(4)),
        ])
        .await;
    let fenced = Err(OffsetError::Fenced);
    assert_eq!(answers, [Ok(()), fenced.clone(), fenced, Ok(())]);
    assert_eq!(position(store, id).await.offset, Sequence(4));
    assert_eq!(position(store, second).await.offset, Sequence::OLDEST);
}

pub async fn an_offset_moves_only_forwards_and_within_the_log(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let write = |offset| OffsetWrite::new(id, claimed.epoch, Sequence(offset));
    assert_eq!(commit(store, write(5)).await, Ok(()));
    for offset in [4, 11] {
        let refused = commit(store, write(offset)).await;
        assert!(matches!(refused, Err(OffsetError::Store(_))), "{offset}");
        assert_eq!(position(store, id).await.offset, Sequence(5));
    }
    for offset in [5, 10] {
        assert_eq!(commit(store, write(offset)).await, Ok(()), "{offset}");
    }
    // One that begins in the future stays there until the log has come so far.
    let wanted = subscription(&ns, 2, "future");
    let start = Start::After(Sequence(100));
    store.create_subscription(wanted, start).await.unwrap();
    let id = subscription_id(2);
    let epoch = store.claim(id).await.unwrap().unwrap().epoch;
    let write = OffsetWrite::new(id, epoch, Sequence(100));
    assert_eq!(commit(store, write).await, Ok(()));
}

pub async fn a_seek_raises_epoch_and_generation(store: &dyn Store) {
    let (_, id, claimed) = subscribed(store).await;
    let mut write = OffsetWrite::new(id, claimed.epoch, Sequence(5));
    write.settled = vec![7..=8];
    assert_eq!(commit(store, write).await, Ok(()));
    let mut before = claimed;
    for (to, expected) in [
        (Start::After(Sequence(2)), 2),
        (Start::Oldest, -1),
        (Start::Newest, 10),
    ] {
        let record = store.seek(id, to).await.unwrap().unwrap();
        assert!(record.epoch > before.epoch);
        assert_eq!(record.generation, before.generation + 1);
        let plain = OffsetRecord::new(Sequence(expected), record.epoch, record.generation);
        assert_eq!(record, plain);
        assert_eq!(position(store, id).await, plain);
        let stale = OffsetWrite::new(id, before.epoch, Sequence(10));
        assert_eq!(commit(store, stale).await, Err(OffsetError::Fenced));
        before = record;
    }
    assert_eq!(
        store.seek(subscription_id(9), Start::Oldest).await,
        Ok(None)
    );
}

pub async fn an_update_keeps_the_offset_and_fences(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let write = OffsetWrite::new(id, claimed.epoch, Sequence(5));
    assert_eq!(commit(store, write.clone()).await, Ok(()));
    let mut changed = store.subscriptions().await.unwrap().remove(0);
    changed.updated = Some(Timestamp::from_nanos(99));
    changed.options.with_data = Some(true);
    assert_eq!(store.update_subscription(changed.clone()).await, Ok(true));
    assert_eq!(store.subscriptions().await, Ok(vec![changed]));
    let after = position(store, id).await;
    assert!(after.epoch > claimed.epoch);
    let same = OffsetRecord::new(Sequence(5), after.epoch, claimed.generation);
    assert_eq!(after, same);
    assert_eq!(commit(store, write).await, Err(OffsetError::Fenced));
    let unknown = subscription(&ns, 9, "unknown");
    assert_eq!(store.update_subscription(unknown).await, Ok(false));
}

pub async fn parked_entries_are_listed_in_order_and_replaced(store: &dyn Store) {
    let (_, id, claimed) = subscribed(store).await;
    let epoch = claimed.epoch;
    let answers = store
        .park(vec![
            entry(id, epoch, 7, "seven"),
            entry(id, epoch + 1, 8, "stale"),
            entry(id, epoch, 3, "three"),
            entry(subscription_id(9), epoch, 3, "unknown"),
            entry(id, epoch, 5, "five"),
        ])
        .await;
    let fenced = || Err(OffsetError::Fenced);
    assert_eq!(answers, [Ok(()), fenced(), Ok(()), fenced(), Ok(())]);
    let again = entry(id, epoch, 5, "five again");
    assert_eq!(store.park(vec![again]).await, [Ok(())]);
    let all = [
        entry(id, epoch, 3, "three"),
        entry(id, epoch, 5, "five again"),
        entry(id, epoch, 7, "seven"),
    ];
    let listed = |after, limit| store.parked(id, Sequence(after), limit);
    assert_eq!(listed(0, 9).await.unwrap(), all);
    assert_eq!(listed(0, 2).await.unwrap(), all[..2]);
    assert_eq!(listed(3, 9).await.unwrap(), all[1..]);
    assert_eq!(listed(7, 9).await.unwrap(), []);
    // They outlive a seek and a new owner.
    store.seek(id, Start::Oldest).await.unwrap();
    store.claim(id).await.unwrap();
    assert_eq!(listed(0, 9).await.unwrap(), all);
}

pub async fn an_event_is_answered_once(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let epoch = Some(claimed.epoch);
    let duplicate = |holder| Err(AppendError::DuplicateReply { holder });
    let answers = store
        .append(vec![
            reply(&ns, 20, id, 0, 5, epoch),
            reply(&ns, 21, id, 0, 5, epoch),
            reply(&ns, 22, id, 0, 6, epoch),
        ])
        .await;
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(11));
    assert_eq!(answers[1], duplicate(message(20)));
    assert_eq!(answers[2].as_ref().unwrap().last, Sequence(12));
    // After a takeover the new owner finds the key.
    let next = store.claim(id).await.unwrap().unwrap();
    let again = append_one(store, reply(&ns, 23, id, 0, 5, Some(next.epoch))).await;
    assert_eq!(
        again,
        Err(AppendError::DuplicateReply {
            holder: message(20)
        })
    );
    // A record that is refused for another reason has not taken the key.
    let mut keyed_reply = reply(&ns, 24, id, 0, 7, Some(next.epoch));
    keyed_reply.content.idempotency_key = Some("k".into());
    append_one(store, keyed(&ns, 25, "k")).await.unwrap();
    let refused = append_one(store, keyed_reply).await;
    let holder = message(25);
    assert_eq!(refused, Err(AppendError::DuplicateKey { holder }));
    let taken = append_one(store, reply(&ns, 26, id, 0, 7, Some(next.epoch))).await;
    assert_eq!(taken, Ok(Sequence(14)));
    // After a seek it may be answered anew.
    let sought = store.seek(id, Start::Oldest).await.unwrap().unwrap();
    let anew = reply(&ns, 27, id, sought.generation, 5, Some(sought.epoch));
    assert_eq!(append_one(store, anew).await, Ok(Sequence(15)));
    // An ephemeral subscription has no owner to compare.
    let ephemeral = |number| reply(&ns, number, subscription_id(77), 0, 5, None);
    assert_eq!(append_one(store, ephemeral(28)).await, Ok(Sequence(16)));
    assert!(append_one(store, ephemeral(29)).await.is_err());
}

pub async fn a_reply_of_a_former_owner_is_refused(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let stale = || reply(&ns, 20, id, 0, 5, Some(claimed.epoch));
    let next = store.claim(id).await.unwrap().unwrap();
    assert_eq!(append_one(store, stale()).await, Err(AppendError::Fenced));
    assert_eq!(store.head(&ns).await, Ok(Sequence(10)));
    let current = reply(&ns, 20, id, 0, 5, Some(next.epoch));
    assert_eq!(append_one(store, current).await, Ok(Sequence(11)));
    let unknown = reply(&ns, 21, subscription_id(9), 0, 5, Some(0));
    assert_eq!(append_one(store, unknown).await, Err(AppendError::Fenced));
}

pub async fn the_key_of_a_reply_goes_when_the_offset_has_passed(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let epoch = Some(claimed.epoch);
    for (number, event) in [(20, 5), (21, 6), (22, 8)] {
        let reply = reply(&ns, number, id, 0, event, epoch);
        append_one(store, reply).await.unwrap();
    }
    let parked = store
        .park(vec![entry(id, claimed.epoch, 6, "parked")])
        .await;
    assert_eq!(parked, [Ok(())]);
    let write = OffsetWrite::new(id, claimed.epoch, Sequence(7));
    assert_eq!(commit(store, write).await, Ok(()));
    for (number, event, free) in [(30, 5, true), (31, 6, false), (32, 8, false)] {
        let again = append_one(store, reply(&ns, number, id, 0, event, epoch)).await;
        assert_eq!(again.is_ok(), free, "event {event}: {again:?}");
    }
}

pub async fn a_deletion_forgets_everything(store: &dyn Store) {
    let (ns, id, claimed) = subscribed(store).await;
    let epoch = claimed.epoch;
    let answer = reply(&ns, 20, id, 0, 5, Some(epoch));
    append_one(store, answer).await.unwrap();
    store.park(vec![entry(id, epoch, 3, "x")]).await;
    assert_eq!(store.delete_subscription(id).await, Ok(true));
    assert_eq!(store.delete_subscription(id).await, Ok(false));
    assert_eq!(store.subscriptions().await, Ok(vec![]));
    assert_eq!(store.offset(id).await, Ok(None));
    assert_eq!(store.claim(id).await, Ok(None));
    assert_eq!(store.parked(id, Sequence(0), 9).await, Ok(vec![]));
    let write = OffsetWrite::new(id, epoch, Sequence(4));
    assert_eq!(commit(store, write).await, Err(OffsetError::Fenced));
    // The key is free: the same one, asked for without an owner, is taken.
    let anew = reply(&ns, 21, id, 0, 5, None);
    assert!(append_one(store, anew).await.is_ok());
    let again = subscription(&ns, 1, "app");
    assert!(
        store
            .create_subscription(again, Start::Oldest)
            .await
            .is_ok()
    );
}

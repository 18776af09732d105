//! Are the durable subscriptions kept?

use std::sync::Arc;

use photinus_contract::store::{
    AppendError, CreateSubscriptionError, OffsetError, OffsetRecord, Pause, Selection, Start,
};
use photinus_contract::{Secrets, Sequence, Timestamp};

use super::Rig;
use super::make::*;

/// `start` becomes a sequence in the step that stores the subscription: its first offset, and the `firstEvent` that
/// is shown from then on.
pub async fn a_subscription_starts_where_it_was_asked_to(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let empty = with_namespace(store, "empty").await;
    let all = fill(store, &ns, 1, 5).await;
    for (number, namespace, start, expected) in [
        (1, &ns, Start::Newest, all[4]),
        (2, &ns, Start::Oldest, -1),
        (3, &ns, Start::After(Sequence(all[2])), all[2]),
        (4, &ns, Start::After(Sequence(all[4] + 1000)), all[4] + 1000),
        (5, &empty, Start::Newest, -1),
    ] {
        let wanted = subscription(namespace, number, &format!("s{number}"));
        let mut expected_whole = wanted.clone();
        expected_whole.options.first_event = Some(expected.to_string());
        let created = store.create_subscription(wanted, start).await.unwrap();
        assert_same(&created, &expected_whole);
        let offset = position(store, created.id).await;
        assert_eq!(
            offset,
            OffsetRecord::new(Sequence(expected), offset.epoch, offset.generation)
        );
        assert!(store.subscriptions().await.unwrap().contains(&created));
    }
}

/// Names are unique within a namespace, whether created or changed to, and free again after a deletion.
pub async fn names_are_unique_in_their_namespace(rig: &mut dyn Rig) {
    let store = &*rig.open();
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
    // Nor does an update take a name that is in use.
    assert!(create(subscription(&a, 5, "other")).await.is_ok());
    let before = store.subscriptions().await;
    let taken = store.update_subscription(subscription(&a, 5, "app")).await;
    assert!(taken.is_err(), "{taken:?}");
    assert_eq!(store.subscriptions().await, before);
    assert!(store.delete_subscription(subscription_id(5)).await.unwrap());
    assert!(store.delete_subscription(subscription_id(1)).await.unwrap());
    assert!(create(subscription(&a, 2, "app")).await.is_ok());
    assert_eq!(store.subscriptions().await.unwrap().len(), 2);
}

/// All subscriptions of all namespaces are listed, in the order of their creation.
pub async fn they_are_listed_in_the_order_of_creation(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    for (number, namespace) in [(3, &b), (1, &a), (2, &b)] {
        let wanted = subscription(namespace, number, &format!("s{number}"));
        store
            .create_subscription(wanted, Start::Oldest)
            .await
            .unwrap();
    }
    // A change leaves a subscription in its place.
    let changed = subscription(&b, 3, "s3");
    assert_eq!(store.update_subscription(changed).await, Ok(true));
    let listed = store.subscriptions().await.unwrap();
    let ids: Vec<_> = listed.iter().map(|subscription| subscription.id).collect();
    assert_eq!(ids, [3, 1, 2].map(subscription_id));
}

/// An update replaces all of the subscription, its secrets included, and no other one.
pub async fn an_update_replaces_the_whole(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    for number in [1, 2] {
        let wanted = subscription(&ns, number, &format!("s{number}"));
        let created = store.create_subscription(wanted, Start::Oldest).await;
        created.unwrap();
    }
    let before = store.subscriptions().await.unwrap();
    let mut changed = before[0].clone();
    changed.transport = Arc::from("websockets");
    changed.filter.topic = "^a".into();
    changed.options.read_ahead = Some(7);
    changed.options.other.clear();
    changed.secrets = Secrets::default();
    changed.updated = Some(Timestamp::from_nanos(99));
    assert_eq!(store.update_subscription(changed.clone()).await, Ok(true));
    let expected = vec![changed.clone(), before[1].clone()];
    assert_all_same(&store.subscriptions().await.unwrap(), &expected);
    changed.secrets = Secrets::from_stored(r#"{"/token":"new"}"#).unwrap();
    assert_eq!(store.update_subscription(changed.clone()).await, Ok(true));
    let expected = vec![changed, before[1].clone()];
    assert_all_same(&store.subscriptions().await.unwrap(), &expected);
    let unknown = subscription(&ns, 9, "unknown");
    assert_eq!(store.update_subscription(unknown).await, Ok(false));
    assert_eq!(store.subscriptions().await.unwrap().len(), 2);
}

/// A pause is read back as it was noted, replaces the one before, outlives an update, a seek and a new owner, and
/// changes no position.
pub async fn a_pause_stays_until_it_is_taken_back(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let second = subscription(&s.namespace, 2, "second");
    let second = store.create_subscription(second, Start::Oldest).await;
    let second = second.unwrap();
    assert_eq!(store.pauses().await, Ok(vec![]));
    let before = position(store, s.id).await;
    let for_good = Pause::new(None, "work on the mains");
    let pause = |id, pause| store.pause_subscription(id, pause);
    assert_eq!(pause(s.id, Some(for_good.clone())).await, Ok(true));
    assert_eq!(store.pauses().await, Ok(vec![(s.id, for_good)]));
    let until = Pause::new(Some(Timestamp::from_nanos(1_234_567_891)), "");
    assert_eq!(pause(s.id, Some(until.clone())).await, Ok(true));
    assert_eq!(pause(second.id, Some(until.clone())).await, Ok(true));
    assert_eq!(position(store, s.id).await, before);
    assert_eq!(commit(store, s.write(2)).await, Ok(()), "nobody is fenced");

    assert_eq!(store.update_subscription(second.clone()).await, Ok(true));
    store.claim(s.id).await.unwrap();
    store.seek(s.id, Start::Oldest).await.unwrap();
    let mut expected = vec![(s.id, until.clone()), (second.id, until.clone())];
    expected.sort_by_key(|(id, _)| *id);
    let mut pauses = store.pauses().await.unwrap();
    pauses.sort_by_key(|(id, _)| *id);
    assert_eq!(pauses, expected);

    assert_eq!(pause(s.id, None).await, Ok(true));
    assert_eq!(pause(s.id, None).await, Ok(true));
    assert_eq!(store.pauses().await, Ok(vec![(second.id, until.clone())]));
    assert_eq!(store.delete_subscription(second.id).await, Ok(true));
    assert_eq!(pause(second.id, Some(until)).await, Ok(false));
    assert_eq!(pause(second.id, None).await, Ok(false));
    assert_eq!(store.pauses().await, Ok(vec![]));
}

/// With a subscription go its position, its parked entries and the keys of its replies, and whoever had claimed it
/// is fenced.
pub async fn a_deletion_forgets_everything(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let (id, epoch) = (s.id, s.claimed.epoch);
    append_one(store, s.reply(20, 5, Some(epoch)))
        .await
        .unwrap();
    let parked = store.park(vec![s.entry(epoch, 3, "x")]).await;
    assert_eq!(parked, [Ok(())]);
    assert_eq!(store.delete_subscription(id).await, Ok(true));
    assert_eq!(store.delete_subscription(id).await, Ok(false));
    assert_eq!(store.subscriptions().await, Ok(vec![]));
    assert_eq!(store.offset(id).await, Ok(None));
    assert_eq!(store.claim(id).await, Ok(None));
    assert_eq!(store.seek(id, Start::Oldest).await, Ok(None));
    assert_eq!(store.parked(id, Sequence(0), 9).await, Ok(vec![]));
    assert_eq!(store.parked_count(id).await, Ok(0));
    let event = message(3).event(0);
    assert_eq!(store.parked_event(id, event).await, Ok(None));
    assert_eq!(store.discard(id, Selection::All).await, Ok(vec![]));
    let fenced = Err(OffsetError::Fenced);
    assert_eq!(commit(store, s.write(4)).await, fenced);
    assert_eq!(store.park(vec![s.entry(epoch, 4, "late")]).await, [fenced]);
    let late = append_one(store, s.reply(21, 6, Some(epoch))).await;
    assert_eq!(late, Err(AppendError::Fenced));
    // The key is free: the same one, asked for without an owner, is taken.
    assert!(append_one(store, s.reply(22, 5, None)).await.is_ok());
    // One that is made anew has nothing of the old one.
    let again = subscription(&s.namespace, 1, "app");
    let again = store.create_subscription(again, Start::Oldest).await;
    assert!(again.is_ok());
    assert_eq!(store.parked(id, Sequence(0), 9).await, Ok(vec![]));
    assert_eq!(store.replay(id, Selection::All).await, Ok(0));
    assert_eq!(position(store, id).await.offset, Sequence::OLDEST);
}

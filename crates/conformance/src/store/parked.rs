//! Are events that were set aside kept?

use photinus_contract::Sequence;
use photinus_contract::store::{OffsetError, Start};

use super::Rig;
use super::make::*;

/// Entries are listed by sequence, whatever order they came in; one for an event that is parked already replaces
/// it.
pub async fn entries_are_listed_in_order_and_replaced(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let entry = |number, reason| s.entry(s.claimed.epoch, number, reason);
    let answers = store
        .park(vec![entry(7, "seven"), entry(3, "three"), entry(5, "five")])
        .await;
    assert_eq!(answers, [Ok(()), Ok(()), Ok(())]);
    let again = entry(5, "five, again: \"ü\"\n");
    assert_eq!(store.park(vec![again.clone()]).await, [Ok(())]);
    let all = [entry(3, "three"), again, entry(7, "seven")];
    let listed = |after, limit| store.parked(s.id, Sequence(after), limit);
    assert_eq!(listed(Sequence::OLDEST.0, 9).await.unwrap(), all);
    assert_eq!(listed(0, 2).await.unwrap(), all[..2]);
    assert_eq!(listed(s.at(3), 9).await.unwrap(), all[1..]);
    assert_eq!(listed(s.at(3), 1).await.unwrap(), all[1..2]);
    assert_eq!(listed(s.at(7), 9).await.unwrap(), []);
    // They belong to their subscription.
    let wanted = subscription(&s.namespace, 2, "second");
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let others = store.parked(created.unwrap().id, Sequence(0), 9).await;
    assert_eq!(others, Ok(vec![]));
}

/// Each entry is compared with the epoch for itself; a refused one is not stored and harms no other.
pub async fn each_entry_is_fenced_and_answered_for_itself(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let epoch = s.claimed.epoch;
    let mut unknown = s.entry(epoch, 4, "unknown");
    unknown.subscription = subscription_id(9);
    let answers = store
        .park(vec![
            s.entry(epoch, 2, "good"),
            s.entry(epoch + 1, 3, "stale"),
            unknown,
            s.entry(epoch, 5, "good"),
        ])
        .await;
    let fenced = || Err(OffsetError::Fenced);
    assert_eq!(answers, [Ok(()), fenced(), fenced(), Ok(())]);
    let good = [s.entry(epoch, 2, "good"), s.entry(epoch, 5, "good")];
    assert_eq!(store.parked(s.id, Sequence(0), 9).await.unwrap(), good);
    // A former owner parks nothing, and replaces nothing.
    let next = store.claim(s.id).await.unwrap().unwrap();
    assert!(next.epoch > epoch);
    for number in [2, 6] {
        let answers = store.park(vec![s.entry(epoch, number, "late")]).await;
        assert_eq!(answers, [fenced()]);
    }
    assert_eq!(store.parked(s.id, Sequence(0), 9).await.unwrap(), good);
    assert_eq!(store.park(Vec::new()).await, []);
}

/// Entries stay when the offset passes them, after a seek, an update, and a takeover.
pub async fn entries_outlive_a_seek_and_a_new_owner(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let all = [
        s.entry(s.claimed.epoch, 2, "two"),
        s.entry(s.claimed.epoch, 3, "three"),
    ];
    assert_eq!(store.park(all.to_vec()).await, [Ok(()), Ok(())]);
    let listed = async || store.parked(s.id, Sequence(0), 9).await.unwrap();
    assert_eq!(commit(store, s.write(2)).await, Ok(()));
    assert_eq!(listed().await, all);
    store.claim(s.id).await.unwrap();
    assert_eq!(listed().await, all);
    let same = store.subscriptions().await.unwrap().remove(0);
    assert_eq!(store.update_subscription(same).await, Ok(true));
    assert_eq!(listed().await, all);
    for to in [Start::Oldest, Start::Newest] {
        store.seek(s.id, to).await.unwrap();
        assert_eq!(listed().await, all);
    }
}

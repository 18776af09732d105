//! Are events that were set aside kept?

use photinus_contract::store::{
    AppendError, Failures, OffsetError, OffsetWrite, Replay, Selection, Start,
};
use photinus_contract::{Sequence, Timestamp};

use super::make::*;
use super::{Rig, close_and_open, crash_and_open, crash_or_close, hold};

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

/// Marks are set by place, by event or on all; each entry is found by its event, with its mark, also after a close
/// and a crash. What is parked again is marked no more.
pub async fn marked_entries_are_found_until_they_are_parked_again(rig: &mut dyn Rig) {
    let mut store = rig.open();
    let s = subscribed(&*store).await;
    let numbers = [2, 3, 5, 7, 8];
    let entries = numbers.map(|number| s.entry(s.claimed.epoch, number, "why"));
    for answer in store.park(entries.to_vec()).await {
        assert_eq!(answer, Ok(()));
    }
    assert_eq!(store.parked_count(s.id).await, Ok(5));
    assert_eq!(store.replays(s.id, Sequence::OLDEST, 9).await, Ok(vec![]));
    let range = Selection::Range(Sequence(s.at(3)), Sequence(s.at(7)));
    let marked = store.replay(s.id, range.clone()).await;
    assert_eq!(marked, Ok(3));
    let events = vec![
        message(8).event(0),
        message(99).event(0),
        message(7).event(0),
    ];
    let marked = store.replay(s.id, Selection::Events(events)).await;
    assert_eq!(marked, Ok(2));
    let elsewhere = Selection::Range(Sequence(s.at(9)), Sequence::MAX);
    assert_eq!(store.replay(s.id, elsewhere).await, Ok(0));
    assert_eq!(
        store.replay(subscription_id(9), Selection::All).await,
        Ok(0)
    );
    // One has failed meanwhile; to be marked again takes nothing back.
    let since = Some(Timestamp::from_nanos(77));
    let mut write = s.write(9);
    write.replays = [2, 5]
        .map(|n| Failures::new(Sequence(s.at(n)), 4, since))
        .into();
    assert_eq!(commit(&*store, write).await, Ok(()));
    assert_eq!(store.replay(s.id, range).await, Ok(3));
    let mark = |number: usize| match number {
        2 => None,
        5 => Some(Replay { failures: 4, since }),
        _ => Some(Replay::default()),
    };
    for crash in [false, true] {
        store = match crash {
            true => crash_or_close(rig, store).await,
            false => close_and_open(rig, store).await,
        };
        let all = numbers.map(|number| {
            let mut entry = s.entry(s.claimed.epoch, number, "why");
            entry.replay = mark(number);
            entry
        });
        let listed = store.parked(s.id, Sequence::OLDEST, 9).await.unwrap();
        assert_eq!(listed, all);
        let replays = store.replays(s.id, Sequence::OLDEST, 9).await.unwrap();
        assert_eq!(replays, all[1..]);
        let page = store.replays(s.id, Sequence(s.at(3)), 2).await.unwrap();
        assert_eq!(page, all[2..4]);
        let found = store.parked_event(s.id, message(5).event(0)).await;
        assert_eq!(found, Ok(Some(all[2].clone())));
        let none = store.parked_event(s.id, message(6).event(0)).await;
        assert_eq!(none, Ok(None));
    }
    let mut again = s.entry(s.claimed.epoch, 5, "again");
    again.error = Some("error".to_owned());
    assert_eq!(store.park(vec![again.clone()]).await, [Ok(())]);
    let replays = store.replays(s.id, Sequence::OLDEST, 9).await.unwrap();
    assert_eq!(replays.len(), 3);
    let found = store.parked_event(s.id, message(5).event(0)).await;
    assert_eq!(found, Ok(Some(again)));
}

/// An entry goes in the write of the position that settles its event, and only with that: not if the write is fenced.
/// Its reply key goes with it, once the offset has passed the event.
pub async fn an_entry_goes_with_the_position_that_settles_it(rig: &mut dyn Rig) {
    let mut store = rig.open();
    let s = subscribed(&*store).await;
    let epoch = s.claimed.epoch;
    append_one(&*store, s.reply(20, 3, Some(epoch)))
        .await
        .unwrap();
    let entries = [3, 4, 8].map(|number| s.entry(epoch, number, "why"));
    for answer in store.park(entries.to_vec()).await {
        assert_eq!(answer, Ok(()));
    }
    assert_eq!(commit(&*store, s.write(6)).await, Ok(()));
    let holder = message(20);
    let again = append_one(&*store, s.reply(21, 3, Some(epoch))).await;
    assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    let mut stale = s.write(7);
    stale.epoch += 1;
    stale.unparked = vec![Sequence(s.at(3))];
    assert_eq!(commit(&*store, stale).await, Err(OffsetError::Fenced));
    assert_eq!(store.parked_count(s.id).await, Ok(3));
    // The position need not move for it. What is not parked is no error.
    let mut write = s.write(6);
    write.unparked = [3, 5, 8].map(|number| Sequence(s.at(number))).into();
    write.settled = vec![s.at(8)..=s.at(8)];
    assert_eq!(commit(&*store, write).await, Ok(()));
    store = crash_or_close(rig, store).await;
    let left = store.parked(s.id, Sequence::OLDEST, 9).await.unwrap();
    assert_eq!(left, [entries[1].clone()]);
    let record = position(&*store, s.id).await;
    assert_eq!(record.settled, [s.at(8)..=s.at(8)]);
    let again = append_one(&*store, s.reply(22, 3, Some(epoch))).await;
    assert_eq!(again, Err(AppendError::Passed));
}

/// What is discarded does not come back: an entry above the offset has settled its event, which is noted with it. The
/// owner stays the owner. An entry of before a seek has settled nothing.
pub async fn what_is_discarded_is_settled(rig: &mut dyn Rig) {
    let mut store = rig.open();
    let s = subscribed(&*store).await;
    let epoch = s.claimed.epoch;
    let entries = [3, 6, 7, 9].map(|number| s.entry(epoch, number, "why"));
    for answer in store.park(entries.to_vec()).await {
        assert_eq!(answer, Ok(()));
    }
    let mut write = s.write(4);
    write.failures = [5, 7]
        .map(|n| Failures::new(Sequence(s.at(n)), 1, None))
        .into();
    assert_eq!(commit(&*store, write).await, Ok(()));
    let events = [7, 3, 5].map(|number| message(number).event(0));
    let gone = store.discard(s.id, Selection::Events(events.into())).await;
    assert_eq!(gone, Ok([3, 7].map(|n| Sequence(s.at(n))).into()));
    store = crash_or_close(rig, store).await;
    let record = position(&*store, s.id).await;
    assert_eq!((record.epoch, record.offset), (epoch, Sequence(s.at(4))));
    assert_eq!(record.settled, [s.at(7)..=s.at(7)]);
    assert_eq!(record.failures, [Failures::new(Sequence(s.at(5)), 1, None)]);
    assert_eq!(store.parked_count(s.id).await, Ok(2));
    assert_eq!(commit(&*store, s.write(5)).await, Ok(()));
    let sought = store.seek(s.id, Start::Oldest).await.unwrap().unwrap();
    let gone = store.discard(s.id, Selection::All).await;
    assert_eq!(gone, Ok([6, 9].map(|n| Sequence(s.at(n))).into()));
    assert_eq!(position(&*store, s.id).await, sought);
    assert_eq!(store.parked_count(s.id).await, Ok(0));
    let nobody = store.discard(subscription_id(9), Selection::All).await;
    assert_eq!(nobody, Ok(vec![]));
}

/// A replay after a seek answers under the key of the generation in which the event was parked.
pub async fn a_seek_keeps_the_reply_key_of_a_parked_event(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    for (number, event) in [(20, 3), (21, 4)] {
        let reply = s.reply(number, event, Some(s.claimed.epoch));
        append_one(store, reply).await.unwrap();
    }
    let entry = s.entry(s.claimed.epoch, 3, "why");
    assert_eq!(store.park(vec![entry]).await, [Ok(())]);
    assert_eq!(commit(store, s.write(5)).await, Ok(()));
    let sought = store.seek(s.id, Start::Newest).await.unwrap().unwrap();
    let holder = message(20);
    let again = append_one(store, s.reply(22, 3, Some(sought.epoch))).await;
    assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    let passed = append_one(store, s.reply(23, 4, Some(sought.epoch))).await;
    assert_eq!(passed, Err(AppendError::Passed));
}

/// An entry above the offset keeps the key of its reply when it is discarded, as any event there does. It goes when the
/// offset has passed, as do the keys of all generations in which the event was answered.
pub async fn a_key_goes_with_the_last_entry_of_its_event(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let epoch = s.claimed.epoch;
    for (number, event) in [(20, 3), (21, 8)] {
        append_one(store, s.reply(number, event, Some(epoch)))
            .await
            .unwrap();
    }
    let entries = [3, 8].map(|number| s.entry(epoch, number, "why"));
    assert_eq!(store.park(entries.into()).await, [Ok(()), Ok(())]);
    assert_eq!(commit(store, s.write(5)).await, Ok(()));
    let both = [3, 8].map(|number| Sequence(s.at(number)));
    assert_eq!(store.discard(s.id, Selection::All).await, Ok(both.into()));
    let again = append_one(store, s.reply(22, 3, Some(epoch))).await;
    assert_eq!(again, Err(AppendError::Passed));
    let holder = message(21);
    let again = append_one(store, s.reply(23, 8, Some(epoch))).await;
    assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    // Parked, sought back, and answered once more in the new generation: there are two keys now.
    let entry = s.entry(epoch, 8, "again");
    assert_eq!(store.park(vec![entry]).await, [Ok(())]);
    let sought = store.seek(s.id, Start::Oldest).await.unwrap().unwrap();
    let epoch = Some(sought.epoch);
    let anew = |number, generation| {
        let event = s.at(8);
        reply(&s.namespace, number, s.id, generation, event, epoch)
    };
    append_one(store, anew(24, sought.generation))
        .await
        .unwrap();
    for (generation, holder) in [(s.claimed.generation, 21), (sought.generation, 24)] {
        let holder = message(holder);
        let again = append_one(store, anew(25, generation)).await;
        assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    }
    let mut write = OffsetWrite::new(s.id, sought.epoch, Sequence(s.at(9)));
    write.unparked = vec![Sequence(s.at(8))];
    assert_eq!(commit(store, write).await, Ok(()));
    for generation in [s.claimed.generation, sought.generation] {
        let again = append_one(store, anew(26, generation)).await;
        assert_eq!(again, Err(AppendError::Passed));
    }
}

/// A crash between a replay and its settlement: what nobody was told of is there whole or not at all. An entry goes with
/// the position that settles it, and one that is discarded with the word that its event is settled. Needs
/// [`Rig::hold`] and [`Rig::crash`].
pub async fn an_entry_and_its_position_go_together_in_a_crash(rig: &mut dyn Rig) {
    let rule = "parked::an_entry_and_its_position_go_together_in_a_crash";
    let store = rig.open();
    let s = subscribed(&*store).await;
    let entries = [3, 4, 7].map(|number| s.entry(s.claimed.epoch, number, "why"));
    let parked = store.park(entries.into()).await;
    assert_eq!(parked, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(commit(&*store, s.write(2)).await, Ok(()));
    let first = Selection::Range(Sequence(s.at(3)), Sequence(s.at(4)));
    assert_eq!(store.replay(s.id, first).await, Ok(2));
    let Some(release) = hold(rig, rule) else {
        return;
    };
    let mut write = s.write(5);
    write.unparked = vec![Sequence(s.at(3))];
    write.replays = vec![Failures::new(Sequence(s.at(4)), 1, None)];
    drop(store.commit(vec![write]));
    let last = Selection::Events(vec![message(7).event(0)]);
    drop(store.discard(s.id, last));
    let after = crash_and_open(rig, rule);
    release();
    drop(store);
    let Some(after) = after else { return };

    let record = position(&*after, s.id).await;
    let moved = record.offset == Sequence(s.at(5));
    assert!(moved || record.offset == Sequence(s.at(2)));
    let left = after.parked(s.id, Sequence::OLDEST, 9).await.unwrap();
    let is_left = |number| left.iter().any(|entry| entry.sequence.0 == s.at(number));
    assert_eq!(is_left(3), !moved, "the settled one, with {record:?}");
    let failed = after.parked_event(s.id, message(4).event(0)).await.unwrap();
    let failures = failed.unwrap().replay.unwrap().failures;
    assert_eq!(failures, u32::from(moved), "with {record:?}");
    let settled = record.settled == [s.at(7)..=s.at(7)];
    assert!(settled || record.settled.is_empty(), "{record:?}");
    assert_eq!(is_left(7), !settled, "the discarded one, with {record:?}");
    assert!(moved || !settled, "later came without earlier");
}

//! Is an event answered once, whatever becomes of its owner?

use photinus_contract::Sequence;
use photinus_contract::store::{AppendError, OffsetWrite, Start};
use tokio::task::JoinSet;

use super::Rig;
use super::make::*;

/// The second reply to an event is refused and names the first, in one call, in a later one, and after a takeover.
pub async fn an_event_is_answered_once(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let epoch = Some(s.claimed.epoch);
    let answers = store
        .append(vec![
            s.reply(20, 5, epoch),
            s.reply(21, 5, epoch),
            s.reply(22, 6, epoch),
        ])
        .await;
    let holder = message(20);
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1], Err(AppendError::DuplicateReply { holder }));
    let later = append_one(store, s.reply(23, 5, epoch)).await;
    assert_eq!(later, Err(AppendError::DuplicateReply { holder }));
    let next = Some(store.claim(s.id).await.unwrap().unwrap().epoch);
    let takeover = append_one(store, s.reply(24, 5, next)).await;
    assert_eq!(takeover, Err(AppendError::DuplicateReply { holder }));
    assert!(append_one(store, s.reply(25, 7, next)).await.is_ok());
    assert_eq!(numbers(store, &s.namespace).await[10..], [20, 22, 25]);
}

/// Of many who reply to the same event at the same time one is stored.
pub async fn a_reply_that_many_give_at_once_is_stored_once(rig: &mut dyn Rig) {
    let store = rig.open();
    let s = subscribed(&*store).await;
    for event in 1..=10 {
        let mut tasks = JoinSet::new();
        for number in 0..12 {
            let store = store.clone();
            let reply = s.reply(100 * event + number, event as usize, Some(s.claimed.epoch));
            tasks.spawn(async move { (reply.content.id, append_one(&*store, reply).await) });
        }
        let answers = tasks.join_all().await;
        let mut won = answers.iter().filter(|(_, answer)| answer.is_ok());
        let (holder, _) = *won.next().unwrap();
        assert!(won.next().is_none(), "two replies to one event");
        for (id, answer) in answers {
            if id != holder {
                assert_eq!(answer, Err(AppendError::DuplicateReply { holder }));
            }
        }
    }
    assert_eq!(numbers(&*store, &s.namespace).await.len(), 20);
}

/// A reply is fenced by the epoch of its owner; refused, it is not stored and takes no key.
pub async fn a_reply_of_a_former_owner_is_refused(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let stale = || s.reply(20, 5, Some(s.claimed.epoch));
    let next = store.claim(s.id).await.unwrap().unwrap();
    assert_eq!(append_one(store, stale()).await, Err(AppendError::Fenced));
    assert_eq!(store.head(&s.namespace).await, Ok(Sequence(s.at(10))));
    let current = s.reply(20, 5, Some(next.epoch));
    assert!(append_one(store, current).await.is_ok());
    // Fenced though the key is taken: a former owner learns nothing.
    assert_eq!(append_one(store, stale()).await, Err(AppendError::Fenced));
    let event = s.at(5);
    let unknown = reply(&s.namespace, 21, subscription_id(9), 0, event, Some(0));
    assert_eq!(append_one(store, unknown).await, Err(AppendError::Fenced));
}

/// Two subscriptions answer the same event, each once; and after a seek it is answered anew.
pub async fn a_key_belongs_to_its_subscription_and_generation(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let first = append_one(store, s.reply(20, 5, Some(s.claimed.epoch))).await;
    assert!(first.is_ok());
    let wanted = subscription(&s.namespace, 2, "second");
    let created = store.create_subscription(wanted, Start::Oldest).await;
    let other = store.claim(created.unwrap().id).await.unwrap().unwrap();
    let others = |number| {
        let (id, event) = (subscription_id(2), s.at(5));
        let epoch = Some(other.epoch);
        reply(&s.namespace, number, id, other.generation, event, epoch)
    };
    assert!(append_one(store, others(21)).await.is_ok());
    let holder = message(21);
    assert_eq!(
        append_one(store, others(22)).await,
        Err(AppendError::DuplicateReply { holder })
    );
    let sought = store.seek(s.id, Start::Oldest).await.unwrap().unwrap();
    let anew = |number| {
        let epoch = Some(sought.epoch);
        let event = s.at(5);
        reply(&s.namespace, number, s.id, sought.generation, event, epoch)
    };
    assert!(append_one(store, anew(23)).await.is_ok());
    let holder = message(23);
    assert_eq!(
        append_one(store, anew(24)).await,
        Err(AppendError::DuplicateReply { holder })
    );
    // The seek of one has not touched the other.
    let holder = message(21);
    assert_eq!(
        append_one(store, others(25)).await,
        Err(AppendError::DuplicateReply { holder })
    );
}

/// The key of a reply is kept until the offset has passed the event, and no longer: the data must not grow with every
/// reply ever given. From then on the event cannot be answered, whether or not it was.
pub async fn a_key_goes_when_the_offset_has_passed(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let epoch = Some(s.claimed.epoch);
    for (number, event) in [(20, 4), (21, 5), (22, 8)] {
        append_one(store, s.reply(number, event, epoch))
            .await
            .unwrap();
    }
    // A commit that stays below keeps them all.
    assert_eq!(commit(store, s.write(3)).await, Ok(()));
    let early = append_one(store, s.reply(30, 4, epoch)).await;
    let holder = message(20);
    assert_eq!(early, Err(AppendError::DuplicateReply { holder }));
    assert_eq!(commit(store, s.write(5)).await, Ok(()));
    let holder = message(22);
    for (number, event, refused) in [
        (31, 4, AppendError::Passed),
        (32, 5, AppendError::Passed),
        (33, 3, AppendError::Passed),
        (34, 8, AppendError::DuplicateReply { holder }),
    ] {
        let again = append_one(store, s.reply(number, event, epoch)).await;
        assert_eq!(again, Err(refused), "event {event}");
    }
}

/// While an entry of the event is parked, its replay answers under the same key, though the offset has passed.
pub async fn a_key_stays_while_an_entry_is_parked(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let epoch = Some(s.claimed.epoch);
    append_one(store, s.reply(20, 6, epoch)).await.unwrap();
    let parked = [6, 7].map(|number| s.entry(s.claimed.epoch, number, "parked"));
    assert_eq!(store.park(parked.to_vec()).await, [Ok(()), Ok(())]);
    for number in [7, 9] {
        assert_eq!(commit(store, s.write(number)).await, Ok(()));
        let again = append_one(store, s.reply(30, 6, epoch)).await;
        let holder = message(20);
        assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
    }
    // A replay that answers for the first time takes the key, and keeps it over later commits.
    append_one(store, s.reply(31, 7, epoch)).await.unwrap();
    let next = store.claim(s.id).await.unwrap().unwrap().epoch;
    let write = OffsetWrite::new(s.id, next, Sequence(s.at(10)));
    assert_eq!(commit(store, write).await, Ok(()));
    let again = append_one(store, s.reply(32, 7, Some(next))).await;
    let holder = message(31);
    assert_eq!(again, Err(AppendError::DuplicateReply { holder }));
}

/// An ephemeral subscription has no owner to compare: its replies are stored once all the same.
pub async fn an_ephemeral_subscription_answers_without_an_owner(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let event = s.at(5);
    let ephemeral = |number| reply(&s.namespace, number, subscription_id(77), 0, event, None);
    assert!(append_one(store, ephemeral(20)).await.is_ok());
    let holder = message(20);
    assert_eq!(
        append_one(store, ephemeral(21)).await,
        Err(AppendError::DuplicateReply { holder })
    );
    // Its end frees the key.
    let none = store.delete_subscription(subscription_id(77)).await;
    assert_eq!(none, Ok(false));
    assert!(append_one(store, ephemeral(22)).await.is_ok());
}

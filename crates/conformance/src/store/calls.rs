//! When does a call take effect, and what becomes of it when nobody waits, or the store is closed?

use photinus_contract::store::{
    AppendError, CreateNamespaceError, CreateSubscriptionError, Group, OffsetError, Selection,
    Start, StoreError, StoreErrorKind,
};
use photinus_contract::{Namespace, Sequence, Timestamp};
use serde_json::value::RawValue;

use super::Rig;
use super::make::*;

/// Appends stand in the log in the order in which they were called, whatever order they are waited for, and
/// whether they are waited for at all.
pub async fn writes_take_effect_in_the_order_of_the_calls(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let all = 1..=200;
    let mut waits: Vec<_> = all
        .clone()
        .map(|number| store.append(vec![record(&ns, number, &["t"], &[])]))
        .collect();
    // Waited for in the reverse order, and every second one not at all.
    let mut number = *all.end();
    let mut later = i64::MAX;
    while let Some(wait) = waits.pop() {
        if number.is_multiple_of(2) {
            let last = lasts(wait.await)[0];
            assert!(last < later);
            later = last;
        }
        number -= 1;
    }
    assert_eq!(numbers(store, &ns).await, all.collect::<Vec<_>>());
}

/// "Write the last position, change the subscription, claim it again" needs no waiting in between: each sees what
/// was called before, and none of the first is ever polled.
pub async fn positions_are_written_in_the_order_of_the_calls(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let mut changed = store.subscriptions().await.unwrap().remove(0);
    changed.updated = Some(Timestamp::from_nanos(99));
    drop(store.append(vec![record(&s.namespace, 11, &["t"], &[])]));
    drop(store.park(vec![s.entry(s.claimed.epoch, 2, "before")]));
    drop(store.commit(vec![s.write(4)]));
    drop(store.update_subscription(changed.clone()));
    // Too late: the update has fenced them.
    let late = store.commit(vec![s.write(6)]);
    let late_entry = store.park(vec![s.entry(s.claimed.epoch, 5, "late")]);
    let claim = store.claim(s.id);
    let claimed = claim.await.unwrap().unwrap();
    assert_eq!(claimed.offset, Sequence(s.at(4)));
    assert_eq!(late.await, [Err(OffsetError::Fenced)]);
    assert_eq!(late_entry.await, [Err(OffsetError::Fenced)]);
    assert_eq!(store.subscriptions().await, Ok(vec![changed]));
    assert_eq!(position(store, s.id).await, claimed);
    let parked = store.parked(s.id, Sequence(0), 9).await.unwrap();
    assert_eq!(parked.len(), 1);

    // A subscription begins at what was called before it, and not at what was called after.
    let before = store.append(vec![record(&s.namespace, 12, &["t"], &[])]);
    let wanted = subscription(&s.namespace, 2, "second");
    let created = store.create_subscription(wanted, Start::Newest);
    let after = store.append(vec![record(&s.namespace, 13, &["t"], &[])]);
    let first = created.await.unwrap().options.first_event;
    assert!(after.await[0].is_ok());
    let before = lasts(before.await)[0];
    assert_eq!(first, Some(before.to_string()));
}

/// A write of any kind happens though its future is dropped before it was ever polled.
pub async fn a_write_happens_though_its_future_is_dropped(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let s = subscribed(store).await;
    let ns = &s.namespace;
    // Whatever comes after, and is waited for, sees what came before.
    let settle = async || store.create_namespace(namespace_info("new")).await;
    drop(store.create_namespace(namespace_info("new")));
    assert_eq!(settle().await, Err(CreateNamespaceError::Exists));
    let settle = async || {
        let exists = settle().await;
        assert_eq!(exists, Err(CreateNamespaceError::Exists));
    };

    drop(store.append(vec![record(ns, 20, &["t"], &["1"]), keyed(ns, 21, "k")]));
    settle().await;
    assert_eq!(numbers(store, ns).await[10..], [20, 21]);

    let definition = RawValue::from_string("{}".to_owned()).unwrap();
    let created = Timestamp::from_nanos(5);
    drop(store.put_group(Group::new(ns.clone(), hash(1), definition, created)));
    settle().await;
    assert!(store.group(ns, hash(1)).await.unwrap().is_some());

    drop(store.put_data(data(ns, 40, "1")));
    settle().await;
    assert!(store.value(ns, data_id(40)).await.unwrap().is_some());
    drop(store.delete_data(ns, data_id(40)));
    settle().await;
    assert!(store.value(ns, data_id(40)).await.unwrap().is_none());

    drop(store.create_subscription(subscription(ns, 2, "second"), Start::Oldest));
    settle().await;
    assert_eq!(store.subscriptions().await.unwrap().len(), 2);

    drop(store.delete_subscription(subscription_id(2)));
    settle().await;
    assert_eq!(store.subscriptions().await.unwrap().len(), 1);

    drop(store.commit(vec![s.write(3)]));
    settle().await;
    assert_eq!(position(store, s.id).await.offset, Sequence(s.at(3)));

    drop(store.park(vec![s.entry(s.claimed.epoch, 4, "why")]));
    settle().await;
    assert_eq!(store.parked(s.id, Sequence(0), 9).await.unwrap().len(), 1);

    drop(store.replay(s.id, Selection::All));
    settle().await;
    assert_eq!(store.replays(s.id, Sequence(0), 9).await.unwrap().len(), 1);

    drop(store.discard(s.id, Selection::All));
    settle().await;
    assert_eq!(store.parked_count(s.id).await, Ok(0));

    let epoch = position(store, s.id).await.epoch;
    drop(store.claim(s.id));
    settle().await;
    let claimed = position(store, s.id).await.epoch;
    assert!(claimed > epoch, "the claim");

    let mut changed = store.subscriptions().await.unwrap().remove(0);
    changed.options.with_data = Some(true);
    drop(store.update_subscription(changed.clone()));
    settle().await;
    assert_eq!(store.subscriptions().await, Ok(vec![changed]));

    drop(store.seek(s.id, Start::Oldest));
    settle().await;
    assert_eq!(position(store, s.id).await.offset, Sequence::OLDEST);
}

/// Closing waits for what was called before, reads included, and all of it is answered.
pub async fn a_closed_store_answers_what_came_before(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let before: Vec<_> = (1..=50)
        .map(|number| store.append(vec![record(&ns, number, &["t"], &[])]))
        .collect();
    let read = store.head(&ns);
    store.close().await.unwrap();
    for wait in before {
        assert!(wait.await[0].is_ok());
    }
    assert!(read.await.is_ok());
    drop(store);
    let store = rig.open();
    assert_eq!(numbers(&*store, &ns).await, (1..=50).collect::<Vec<_>>());
}

/// Every call after the close is refused, as closed, and nothing that could come right by trying again.
pub async fn a_closed_store_refuses_everything_as_closed(rig: &mut dyn Rig) {
    let store = rig.open();
    let s = subscribed(&*store).await;
    let (ns, id) = (&s.namespace, s.id);
    let known = store.subscriptions().await.unwrap().remove(0);
    store.close().await.unwrap();

    let mut errors: Vec<(&str, Option<StoreError>)> = Vec::new();
    let Err(AppendError::Store(error)) = append_one(&*store, record(ns, 99, &["t"], &[])).await
    else {
        panic!("appended to a closed store");
    };
    errors.push(("append", Some(error)));
    let Err(OffsetError::Store(error)) = commit(&*store, s.write(3)).await else {
        panic!("committed to a closed store");
    };
    errors.push(("commit", Some(error)));
    let entry = s.entry(s.claimed.epoch, 3, "late");
    let Err(OffsetError::Store(error)) = store.park(vec![entry]).await.remove(0) else {
        panic!("parked in a closed store");
    };
    errors.push(("park", Some(error)));
    let Err(CreateNamespaceError::Store(error)) =
        store.create_namespace(namespace_info("late")).await
    else {
        panic!("created a namespace in a closed store");
    };
    errors.push(("create_namespace", Some(error)));
    let wanted = subscription(ns, 2, "late");
    let Err(CreateSubscriptionError::Store(error)) =
        store.create_subscription(wanted, Start::Oldest).await
    else {
        panic!("created a subscription in a closed store");
    };
    errors.push(("create_subscription", Some(error)));
    let definition = RawValue::from_string("{}".to_owned()).unwrap();
    let group = Group::new(ns.clone(), hash(1), definition, Timestamp::from_nanos(5));
    let update = store.update_subscription(known).await.err();
    let part = message(1);
    let unknown = Namespace::new("unknown");
    errors.extend([
        ("update_subscription", update),
        ("put_group", store.put_group(group).await.err()),
        ("groups", store.groups(ns, None, ALL).await.err()),
        ("put_data", store.put_data(data(ns, 50, "1")).await.err()),
        ("stored_data", store.stored_data(ns, None, ALL).await.err()),
        (
            "delete_data",
            store.delete_data(ns, data_id(50)).await.err(),
        ),
        ("data_of_blob", store.data_of_blob(ns, hash(1)).await.err()),
        ("blob_paths", store.blob_paths(ns, "", None, 9).await.err()),
        ("datatype", store.datatype(ns, "widget", "1").await.err()),
        ("datatypes", store.datatypes(ns, None, ALL).await.err()),
        (
            "records_of_value",
            store
                .records_of_value(ns, data_id(50), Sequence::MAX, ALL)
                .await
                .err(),
        ),
        ("begin_blob", store.begin_blob(data_id(51)).await.err()),
        (
            "share_blob",
            store.share_blob(data_id(50), data(ns, 51, "1")).await.err(),
        ),
        ("read_blob", store.read_blob(data_id(50), 0, 1).await.err()),
        ("stored value", store.value(ns, data_id(50)).await.err()),
        ("delete", store.delete_subscription(id).await.err()),
        ("claim", store.claim(id).await.err()),
        ("trial_write", store.trial_write().await.err()),
        ("seek", store.seek(id, Start::Oldest).await.err()),
        ("read", store.read(ns, Sequence(0), ALL).await.err()),
        (
            "read_back",
            store.read_back(ns, Sequence::MAX, ALL).await.err(),
        ),
        ("head", store.head(ns).await.err()),
        ("record", store.record(ns, part.0).await.err()),
        ("value", store.value(ns, part.value(0)).await.err()),
        ("head of nothing", store.head(&unknown).await.err()),
        (
            "record of nothing",
            store.record(&unknown, part.0).await.err(),
        ),
        (
            "group of nothing",
            store.group(&unknown, hash(1)).await.err(),
        ),
        ("namespaces", store.namespaces().await.err()),
        ("group", store.group(ns, hash(1)).await.err()),
        ("subscriptions", store.subscriptions().await.err()),
        ("offset", store.offset(id).await.err()),
        ("parked", store.parked(id, Sequence(0), 9).await.err()),
        ("replays", store.replays(id, Sequence(0), 9).await.err()),
        (
            "parked_event",
            store.parked_event(id, part.event(0)).await.err(),
        ),
        ("parked_count", store.parked_count(id).await.err()),
        ("replay", store.replay(id, Selection::All).await.err()),
        ("discard", store.discard(id, Selection::All).await.err()),
    ]);
    for (call, error) in errors {
        let error = error.unwrap_or_else(|| panic!("{call} was served by a closed store"));
        assert_eq!(error.kind(), StoreErrorKind::Closed, "{call}: {error}");
        assert!(!error.is_retryable());
    }
    drop(store);
    // And nothing of it happened.
    let store = rig.open();
    assert_eq!(numbers(&*store, ns).await.len(), 10);
    assert_eq!(position(&*store, id).await.offset, Sequence::OLDEST);
    assert_eq!(store.namespaces().await.unwrap().len(), 1);
}

/// A store that takes writes says so, as often as it is asked and while others write, and nobody can read that it
/// was asked: not in the log, not among the namespaces and subscriptions, not in a position.
pub async fn a_trial_write_is_answered_and_leaves_nothing(rig: &mut dyn Rig) {
    let store = rig.open();
    assert_eq!(store.trial_write().await, Ok(()), "with nothing in it");
    assert_eq!(store.namespaces().await, Ok(Vec::new()));
    let s = subscribed(&*store).await;
    let ns = &s.namespace;
    let before = (
        store.namespaces().await,
        store.subscriptions().await,
        numbers(&*store, ns).await,
        position(&*store, s.id).await,
    );
    for _ in 0..3 {
        assert_eq!(store.trial_write().await, Ok(()));
    }
    let trial = store.trial_write();
    let append = store.append(vec![record(ns, 11, &["t"], &[])]);
    let dropped = store.trial_write();
    drop(dropped);
    assert_eq!(trial.await, Ok(()));
    let previous = append.await.remove(0).unwrap().previous;
    assert_eq!(previous, Sequence(s.at(10)), "a trial is no record");
    store.close().await.unwrap();
    drop(store);
    let store = rig.open();
    let numbers = numbers(&*store, ns).await;
    assert_eq!(numbers.split_last().unwrap(), (&11, &*before.2));
    assert_eq!(store.namespaces().await, before.0);
    assert_eq!(store.subscriptions().await, before.1);
    assert_eq!(position(&*store, s.id).await, before.3);
}

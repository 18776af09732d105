//! Is each record of a call answered for itself, and each key given once?

use std::sync::Arc;

use photinus_contract::Sequence;
use photinus_contract::store::{AppendError, StoreErrorKind};
use tokio::task::JoinSet;

use super::make::*;
use super::{Rig, hold};

/// A bad record harms no other in its call, and the reason is of the right class.
pub async fn each_record_is_answered_for_itself(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let nowhere = namespace("nowhere");
    let mut empty = record(&ns, 3, &["t"], &[]);
    empty.content.edit(|parts| parts.events.clear());
    let answers = store
        .append(vec![
            record(&ns, 1, &["t"], &[]),
            record(&nowhere, 2, &["t"], &[]),
            empty,
            // The id of a message that is there.
            record(&ns, 1, &["t"], &[]),
            record(&ns, 4, &["t"], &[]),
        ])
        .await;
    assert_eq!(answers.len(), 5);
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(AppendError::UnknownNamespace));
    for refused in [&answers[2], &answers[3]] {
        let Err(AppendError::Store(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.kind(), StoreErrorKind::Other);
        assert!(!error.is_retryable());
    }
    assert!(answers[4].is_ok());
    assert_eq!(numbers(store, &ns).await, [1, 4]);
    assert_eq!(sequences(store, &nowhere, 0).await, NONE);
}

/// The answers stand in the order of the records, whatever became of each.
pub async fn answers_come_in_the_order_of_the_records(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    // Every third record has a key of its own, the two after it have the same.
    let call = (0..60).map(|number| keyed(&ns, number, &format!("k{}", number / 3)));
    let answers = store.append(call.collect()).await;
    assert_eq!(answers.len(), 60);
    let stored = store.read(&ns, Sequence(0), ALL).await.unwrap();
    for (number, answer) in (0u64..).zip(answers) {
        let holder = message(number / 3 * 3);
        let record = &stored.records[number as usize / 3];
        assert_eq!(record.content.id, holder);
        match answer {
            Ok(appended) => {
                assert_eq!(message(number), holder);
                assert_eq!(appended.last, record.last);
            }
            Err(error) => assert_eq!(error, AppendError::DuplicateKey { holder }),
        }
    }
}

/// An idempotency key is taken by the first that brings it; a duplicate names it, and is not stored.
pub async fn a_key_is_taken_once_also_within_one_call(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let duplicate = |holder| Err(AppendError::DuplicateKey { holder });
    let answers = store
        .append(vec![
            keyed(&ns, 1, "k"),
            keyed(&ns, 2, "k"),
            keyed(&ns, 3, "other"),
        ])
        .await;
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], duplicate(message(1)));
    assert!(answers[2].is_ok());
    assert_eq!(
        append_one(store, keyed(&ns, 4, "k")).await,
        Err(AppendError::DuplicateKey { holder: message(1) })
    );
    assert_eq!(numbers(store, &ns).await, [1, 3]);
    assert_eq!(store.record(&ns, message(2).0).await, Ok(None));
    // The publisher that repeats itself, id and all, learns that it was stored.
    assert_eq!(
        append_one(store, keyed(&ns, 1, "k")).await,
        Err(AppendError::DuplicateKey { holder: message(1) })
    );
}

/// The same key is free in another namespace.
pub async fn a_key_belongs_to_its_namespace(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    assert!(append_one(store, keyed(&a, 1, "k")).await.is_ok());
    assert!(append_one(store, keyed(&b, 2, "k")).await.is_ok());
    for (namespace, holder) in [(&a, 1), (&b, 2)] {
        let holder = message(holder);
        assert_eq!(
            append_one(store, keyed(namespace, 3, "k")).await,
            Err(AppendError::DuplicateKey { holder })
        );
    }
}

/// Of many who bring a key at the same time one gets it, and the others are told who.
pub async fn a_key_that_many_want_at_once_has_one_holder(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    for round in 0..10u64 {
        let mut tasks = JoinSet::new();
        for number in round * 100..round * 100 + 16 {
            let (store, wanted) = (Arc::clone(&store), keyed(&ns, number, &round.to_string()));
            tasks.spawn(async move { (message(number), append_one(&*store, wanted).await) });
        }
        let answers = tasks.join_all().await;
        let won: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| answer.is_ok())
            .collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        let (holder, _) = *won[0];
        for (id, answer) in answers {
            if id != holder {
                assert_eq!(answer, Err(AppendError::DuplicateKey { holder }));
            }
        }
    }
    assert_eq!(numbers(&*store, &ns).await.len(), 10);
}

/// Who is told "that was published already" may rely on it: the answer waits until the holder of the key is
/// durable. Needs [`Rig::hold`].
pub async fn a_duplicate_is_answered_only_when_its_holder_is_durable(rig: &mut dyn Rig) {
    let store = rig.open();
    let ns = with_namespace(&*store, "ns").await;
    let Some(release) = hold(
        rig,
        "answers::a_duplicate_is_answered_only_when_its_holder_is_durable",
    ) else {
        return;
    };
    let mut holder = store.append(vec![keyed(&ns, 1, "k")]);
    let mut duplicate = store.append(vec![keyed(&ns, 2, "k")]);
    let mut within = store.append(vec![keyed(&ns, 3, "l"), keyed(&ns, 4, "l")]);
    for _ in 0..500 {
        for wait in [&mut holder, &mut duplicate, &mut within] {
            let early = answered(wait);
            assert_eq!(early, None, "answered before anything was durable");
        }
        tokio::task::yield_now().await;
    }
    release();
    assert!(holder.await[0].is_ok());
    let holder = message(1);
    assert_eq!(duplicate.await, [Err(AppendError::DuplicateKey { holder })]);
    let within = within.await;
    assert!(within[0].is_ok());
    let holder = message(3);
    assert_eq!(within[1], Err(AppendError::DuplicateKey { holder }));
    assert_eq!(numbers(&*store, &ns).await, [1, 3]);
}

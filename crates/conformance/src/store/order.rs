//! In which order does the log stand, and how is it read?

use photinus_contract::Sequence;
use photinus_contract::store::ReadLimit;

use super::Rig;
use super::make::*;

/// The records of a namespace get rising sequences, in the order of the calls and within a call; the events of
/// one record stand side by side. Gaps are allowed.
pub async fn sequences_rise_in_the_order_of_the_calls(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    assert_eq!(store.head(&ns).await, Ok(Sequence(0)));
    assert_eq!(sequences(store, &ns, 0).await, NONE);
    let group = vec![
        record(&ns, 1, &["a", "b"], &[]),
        record(&ns, 2, &["c"], &[]),
    ];
    let mut all = lasts(store.append(group).await);
    let last = append_one(store, record(&ns, 3, &["d", "e", "f"], &[])).await;
    all.push(last.unwrap().0);
    let events = [2, 1, 3];
    let mut newest = 0;
    for (last, events) in all.iter().zip(events) {
        assert!(*last >= newest + events, "{all:?} for {events:?} events");
        newest = *last;
    }
    assert!(newest <= Sequence::MAX.0);
    assert_eq!(store.head(&ns).await, Ok(Sequence(newest)));
    assert_eq!(sequences(store, &ns, 0).await, all);
    assert_eq!(numbers(store, &ns).await, [1, 2, 3]);
    assert!(store.append(Vec::new()).await.is_empty());
}

/// A page has every record that ends after the border, also one that begins before it, in order.
pub async fn reads_see_what_ends_after_the_border_in_order(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let group = vec![
        record(&ns, 1, &["a", "b"], &[]),
        record(&ns, 2, &["c"], &[]),
        record(&ns, 3, &["d", "e", "f"], &[]),
    ];
    let all = lasts(store.append(group).await);
    for (after, skipped) in [
        (Sequence::OLDEST.0, 0),
        (0, 0),
        (all[0] - 1, 0),
        (all[0], 1),
        (all[1], 2),
        (all[2] - 2, 2),
        (all[2] - 1, 2),
        (all[2], 3),
        (all[2] + 1, 3),
        (i64::MAX, 3),
    ] {
        assert_eq!(
            sequences(store, &ns, after).await,
            all[skipped..],
            "after {after}"
        );
    }
    let nowhere = namespace("nowhere");
    assert_eq!(sequences(store, &nowhere, 0).await, NONE);
    assert_eq!(store.head(&nowhere).await, Ok(Sequence(0)));
}

/// [`Appended::previous`](photinus_contract::store::Appended::previous) is the newest sequence before the record,
/// within one call, across calls and in each namespace for itself; a refused record is not counted.
pub async fn an_answer_names_the_newest_sequence_before_the_record(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    let mut newest = [Sequence(0), Sequence(0)];
    let mut number = 0;
    let mut next = |namespace, topics: &[&str]| {
        number += 1;
        record(namespace, number, topics, &[])
    };
    let calls = [
        vec![next(&a, &["t", "u"]), next(&b, &["t"]), next(&a, &["t"])],
        vec![next(&b, &["t", "u", "v"])],
        vec![next(&a, &["t"]), next(&a, &[]), next(&a, &["t", "u"])],
        vec![next(&b, &["t"]), next(&a, &["t"])],
    ];
    for call in calls {
        let owners: Vec<_> = call
            .iter()
            .map(|record| usize::from(record.content.namespace == b))
            .collect();
        let answers = store.append(call).await;
        assert_eq!(answers.len(), owners.len());
        for (answer, owner) in answers.into_iter().zip(owners) {
            let Ok(appended) = answer else { continue };
            assert_eq!(appended.previous, newest[owner], "{appended:?}");
            newest[owner] = appended.last;
        }
    }
    assert_eq!(numbers(store, &a).await, [1, 3, 5, 7, 9]);
    assert_eq!(store.head(&b).await, Ok(newest[1]));
}

/// Each namespace has its own log, also if one call appends to several.
pub async fn namespaces_do_not_mix(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let (a, b) = (
        with_namespace(store, "a").await,
        with_namespace(store, "b").await,
    );
    let group = vec![
        record(&a, 1, &["t"], &[]),
        record(&b, 2, &["t", "u", "v", "w"], &["1"]),
        record(&a, 3, &["t"], &[]),
    ];
    let all = lasts(store.append(group).await);
    assert!(all[2] > all[0]);
    assert_eq!(sequences(store, &a, 0).await, [all[0], all[2]]);
    assert_eq!(sequences(store, &b, 0).await, [all[1]]);
    assert_eq!(store.head(&a).await, Ok(Sequence(all[2])));
    assert_eq!(store.head(&b).await, Ok(Sequence(all[1])));
    assert_eq!(store.record(&a, message(2).0).await, Ok(None));
    assert!(store.record(&b, message(2).0).await.unwrap().is_some());
    let value = message(2).value(0);
    assert!(store.value(&a, value).await.unwrap().is_none());
    assert!(store.value(&b, value).await.unwrap().is_some());
    let back = store.read_back(&a, Sequence::MAX, ALL).await.unwrap();
    assert_eq!(back.len(), 2);
    let back = store.read_back(&b, Sequence::MAX, ALL).await.unwrap();
    assert_eq!(back.len(), 1);
}

/// A page stops at each of its limits, has at least one record if there is one, and says whether the log may go
/// on: if not, this was all.
pub async fn reads_stop_at_their_limits_and_say_so(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let all = fill(store, &ns, 1, 10).await;
    let size = store.read(&ns, Sequence(0), ALL).await.unwrap().records[0]
        .content
        .size();
    let cases: [(usize, usize, usize, usize, bool); 10] = [
        (0, 3, usize::MAX, 3, true),
        (0, 10, usize::MAX, 10, false),
        (7, 3, usize::MAX, 3, false),
        (7, 2, usize::MAX, 2, true),
        // At least one, if there is one.
        (0, 0, 0, 1, true),
        (9, 0, 0, 1, false),
        (10, 0, 0, 0, false),
        (0, usize::MAX, size * 4, 4, true),
        (0, usize::MAX, size * 4 - 1, 3, true),
        (0, usize::MAX, size * 10, 10, false),
    ];
    for (skipped, records, bytes, expected, more) in cases {
        let after = skipped.checked_sub(1).map_or(0, |newest| all[newest]);
        let limit = ReadLimit { records, bytes };
        let page = store.read(&ns, Sequence(after), limit).await.unwrap();
        let case = (skipped, records, bytes);
        let read: Vec<i64> = page.records.iter().map(|record| record.last.0).collect();
        assert_eq!(read, all[skipped..skipped + expected], "{case:?}");
        // A store may say "perhaps" where nothing follows, never "no" where something does.
        assert!(page.more || !more, "{case:?}");
    }
    assert!(!store.read(&ns, Sequence(0), ALL).await.unwrap().more);
}

/// Reading back begins with the newest record that begins below the border, and stops at each of its limits.
pub async fn reading_back_begins_below_the_border(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let group = vec![
        record(&ns, 1, &["a"], &[]),
        record(&ns, 2, &["b", "c", "d"], &[]),
        record(&ns, 3, &["e"], &[]),
    ];
    let all = lasts(store.append(group).await);
    let [one, two, three] = all[..] else {
        panic!("{all:?}")
    };
    for (before, limit, expected) in [
        (i64::MAX, 9, vec![three, two, one]),
        (three + 1, 9, vec![three, two, one]),
        (three + 1, 2, vec![three, two]),
        (three, 9, vec![two, one]),
        (two, 9, vec![two, one]),
        (two - 1, 9, vec![two, one]),
        (two - 1, 1, vec![two]),
        // At least one, if there is one.
        (two - 1, 0, vec![two]),
        (one, 0, vec![]),
        (two - 2, 9, vec![one]),
        (one, 9, vec![]),
        (0, 9, vec![]),
        (Sequence::OLDEST.0, 9, vec![]),
    ] {
        let records = ReadLimit::records(limit);
        let records = store.read_back(&ns, Sequence(before), records).await;
        let records = records.unwrap();
        let lasts: Vec<i64> = records.iter().map(|record| record.last.0).collect();
        assert_eq!(lasts, expected, "before {before}, at most {limit}");
    }
    let all = store.read_back(&ns, Sequence::MAX, ALL).await.unwrap();
    let sizes = all.iter().map(|record| record.content.size());
    let [newest, middle, oldest] = sizes.collect::<Vec<_>>()[..] else {
        panic!("{all:?}")
    };
    for (before, bytes, expected) in [
        (i64::MAX, 0, 1),
        (i64::MAX, newest + middle - 1, 1),
        (i64::MAX, newest + middle, 2),
        (i64::MAX, newest + middle + oldest - 1, 2),
        (i64::MAX, newest + middle + oldest, 3),
        (two - 1, 0, 1),
        (two - 1, middle + oldest - 1, 1),
        (two - 1, middle + oldest, 2),
    ] {
        let records = usize::MAX;
        let limit = ReadLimit { records, bytes };
        let records = store.read_back(&ns, Sequence(before), limit).await;
        let count = records.unwrap().len();
        assert_eq!(count, expected, "before {before}, at most {bytes} bytes");
    }
}

//! Does a store hold what the model says?

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_contract::store::{ParkedEntry, ReadLimit, Store};
use photinus_contract::{Namespace, Record, Sequence};

use super::{Model, id};
use crate::store::make::assert_all_same;

impl Model {
    /// All of the store is as it should be.
    pub(in crate::store) async fn compare(&self, store: &dyn Store) {
        let listed = store.namespaces().await.unwrap();
        let names: Vec<_> = listed.into_iter().map(|info| info.name).collect();
        assert_eq!(names, self.logs.keys().cloned().collect::<Vec<_>>());
        for (namespace, log) in &self.logs {
            self.compare_log(store, namespace, log).await;
        }
        assert_all_same(&store.subscriptions().await.unwrap(), &self.subscriptions);
        let pauses: BTreeMap<_, _> = store.pauses().await.unwrap().into_iter().collect();
        assert_eq!(pauses, self.pauses);
        for number in 0..3 {
            let id = id(number);
            let expected = self.positions.get(&id).cloned();
            assert_eq!(store.offset(id).await.unwrap(), expected);
            let parked = store.parked(id, Sequence(0), usize::MAX).await.unwrap();
            let of_it = self.parked.iter().filter(|((other, _), _)| *other == id);
            let expected: Vec<_> = of_it.map(|(_, entry)| entry.clone()).collect();
            assert_eq!(parked, expected);
            let count = expected.len() as u64;
            assert_eq!(store.parked_count(id).await, Ok(count));
            for entry in &expected {
                let found = store.parked_event(id, entry.event).await;
                assert_eq!(found, Ok(Some(entry.clone())));
            }
            let marked = expected.into_iter().filter(|entry| entry.replay.is_some());
            let marked: Vec<_> = marked.collect();
            // In pages of two.
            let mut replays = Vec::new();
            loop {
                let after = replays
                    .last()
                    .map_or(Sequence::OLDEST, |last: &ParkedEntry| last.sequence);
                let page = store.replays(id, after, 2).await.unwrap();
                let full = page.len() == 2;
                replays.extend(page);
                if !full {
                    break;
                }
            }
            assert_eq!(replays, marked);
        }
    }

    async fn compare_log(&self, store: &dyn Store, namespace: &Namespace, log: &[Record]) {
        assert_eq!(store.head(namespace).await, Ok(self.head(namespace)));
        // In pages of two.
        let mut read: Vec<Arc<Record>> = Vec::new();
        loop {
            let after = read.last().map_or(Sequence(0), |record| record.last);
            let limit = ReadLimit {
                records: 2,
                bytes: usize::MAX,
            };
            let page = store.read(namespace, after, limit).await.unwrap();
            read.extend(page.records);
            if !page.more {
                break;
            }
        }
        let mut back = store
            .read_back(namespace, Sequence::MAX, ReadLimit::records(log.len() + 1))
            .await
            .unwrap();
        back.reverse();
        assert_eq!(back, read);
        assert_eq!(read.len(), log.len());
        for (read, expected) in read.iter().zip(log) {
            let mut read = Record::clone(read);
            let id = read.content.id;
            let mut values = Vec::new();
            for part in 0..read.content.values_len() {
                let apart = store.value(namespace, id.value(part)).await.unwrap();
                values.push(apart.unwrap().value.get().to_owned());
            }
            read.content.edit(|parts| {
                for (value, json) in parts.values.iter_mut().zip(values) {
                    value.json.get_or_insert_with(|| json.into());
                }
            });
            assert_eq!(read, *expected);
            let last = expected.content.events_len() - 1;
            let found = store.record(namespace, id.event(last).0).await.unwrap();
            assert_eq!(found.map(|found| found.last), Some(expected.last));
        }
    }
}

//! What is each call of a store, seen from the link?

use std::sync::Arc;

use bytes::Bytes;
use photinus_contract::data::Hash;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{
    AppendError, Appended, BlobWriter, Blobs, CreateNamespaceError, CreateSubscriptionError,
    Datatypes, Group, Log, NamespaceInfo, Namespaces, OffsetError, OffsetRecord, OffsetWrite,
    Offsets, Page, Parked, ParkedEntry, Pause, ReadLimit, Selection, Start, Store, StoreError,
    StoredData, Subscriptions,
};
use photinus_contract::{
    BoxFuture, Data, DataId, Datatype, EventId, MessageId, Namespace, Record, Sequence,
    Subscription, SubscriptionId, Timestamp,
};
use uuid::Uuid;

use super::{Fate, Link, ready};
use crate::oracle::lock;

impl Store for Link {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn trial_write(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(|_, _, _, fate| match fate {
            Fate::Refused(error) => Err(error),
            _ => Ok(()),
        })
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(|_, _, _, _| Ok(()))
    }
}

impl Log for Link {
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        self.write(move |store, oracle, node, fate| {
            let records = cut(records, &fate);
            let results = match fate {
                Fate::Refused(error) => vec![Err(error.into()); records.len()],
                _ => ready(store.append(records.clone())),
            };
            oracle.appended(node, &records, &results);
            results
        })
    }

    fn read(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Page, StoreError>> {
        self.read(
            |store| store.read(namespace, after, limit),
            |oracle, node, page| oracle.log_read(node, namespace, after, page),
        )
    }

    fn read_back(
        &self,
        namespace: &Namespace,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        self.read(
            |store| store.read_back(namespace, before, limit),
            |_, _, _| (),
        )
    }

    fn head(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Sequence, StoreError>> {
        self.read(|store| store.head(namespace), |_, _, _| ())
    }

    fn record(
        &self,
        namespace: &Namespace,
        part: Uuid,
    ) -> BoxFuture<'static, Result<Option<Arc<Record>>, StoreError>> {
        self.read(|store| store.record(namespace, part), |_, _, _| ())
    }

    fn value(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        self.read(|store| store.value(namespace, id), |_, _, _| ())
    }

    fn records_of_value(
        &self,
        namespace: &Namespace,
        id: DataId,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        self.read(
            |store| store.records_of_value(namespace, id, before, limit),
            |_, _, _| (),
        )
    }
}

impl Datatypes for Link {
    fn datatype(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> BoxFuture<'static, Result<Option<Datatype>, StoreError>> {
        self.read(
            |store| store.datatype(namespace, name, version),
            |_, _, _| (),
        )
    }

    fn datatypes(
        &self,
        namespace: &Namespace,
        before: Option<MessageId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Datatype>, StoreError>> {
        self.read(
            |store| store.datatypes(namespace, before, limit),
            |_, _, _| (),
        )
    }
}

impl Namespaces for Link {
    fn create_namespace(
        &self,
        namespace: NamespaceInfo,
    ) -> BoxFuture<'static, Result<(), CreateNamespaceError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            ready(store.create_namespace(namespace.clone()))?;
            oracle.namespace_created(&namespace.name);
            Ok(())
        })
    }

    fn namespaces(&self) -> BoxFuture<'static, Result<Vec<NamespaceInfo>, StoreError>> {
        self.read(Namespaces::namespaces, |_, _, _| ())
    }

    fn put_group(&self, group: Group) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(move |store, _, _, fate| {
            refused(&fate)?;
            ready(store.put_group(group))
        })
    }

    fn group(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Group>, StoreError>> {
        self.read(|store| store.group(namespace, hash), |_, _, _| ())
    }

    fn groups(
        &self,
        namespace: &Namespace,
        before: Option<(Timestamp, Hash)>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Group>, StoreError>> {
        self.read(|store| store.groups(namespace, before, limit), |_, _, _| ())
    }
}

impl StoredData for Link {
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(move |store, _, _, fate| {
            refused(&fate)?;
            ready(store.put_data(data))
        })
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        self.read(
            |store| store.stored_data(namespace, before, limit),
            |_, _, _| (),
        )
    }

    fn data_of_blob(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        self.read(|store| store.data_of_blob(namespace, hash), |_, _, _| ())
    }

    fn blob_paths(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<String>, StoreError>> {
        self.read(
            |store| store.blob_paths(namespace, prefix, after, limit),
            |_, _, _| (),
        )
    }

    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let namespace = namespace.clone();
        self.write(move |store, _, _, fate| {
            refused(&fate)?;
            ready(store.delete_data(&namespace, id))
        })
    }
}

/// No node of the simulation writes blobs yet: a writer of theirs would outlive its node.
impl Blobs for Link {
    fn begin_blob(&self, _: DataId) -> BoxFuture<'static, Result<Box<dyn BlobWriter>, StoreError>> {
        Box::pin(std::future::ready(Err(super::unavailable())))
    }

    fn share_blob(&self, from: DataId, data: Data) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(move |store, _, _, fate| {
            refused(&fate)?;
            ready(store.share_blob(from, data))
        })
    }

    fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        self.read(|store| store.read_blob(id, offset, length), |_, _, _| ())
    }
}

impl Subscriptions for Link {
    fn create_subscription(
        &self,
        subscription: Subscription,
        start: Start,
    ) -> BoxFuture<'static, Result<Subscription, CreateSubscriptionError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            let created = ready(store.create_subscription(subscription, start))?;
            if let Some(record) = ready(store.offset(created.id))? {
                oracle.created(&created, record);
            }
            Ok(created)
        })
    }

    fn update_subscription(
        &self,
        subscription: Subscription,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(move |store, oracle, node, fate| {
            refused(&fate)?;
            let updated = ready(store.update_subscription(subscription.clone()))?;
            if let Some(record) = ready(store.offset(subscription.id))?.filter(|_| updated) {
                oracle.updated(node, &subscription, &record);
            }
            Ok(updated)
        })
    }

    fn delete_subscription(
        &self,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            let deleted = ready(store.delete_subscription(id))?;
            if deleted {
                oracle.deleted(id);
            }
            Ok(deleted)
        })
    }

    fn pause_subscription(
        &self,
        id: SubscriptionId,
        pause: Option<Pause>,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.write(move |store, oracle, node, fate| {
            refused(&fate)?;
            let noted = ready(store.pause_subscription(id, pause.clone()))?;
            if noted {
                oracle.pause_stored(node, id, pause.as_ref());
            }
            Ok(noted)
        })
    }

    fn pauses(&self) -> BoxFuture<'static, Result<Vec<(SubscriptionId, Pause)>, StoreError>> {
        self.read(Subscriptions::pauses, |oracle, node, found| {
            oracle.pauses_found(node, found);
        })
    }

    fn subscriptions(&self) -> BoxFuture<'static, Result<Vec<Subscription>, StoreError>> {
        self.read(Subscriptions::subscriptions, |_, _, _| ())
    }
}

impl Offsets for Link {
    fn claim(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.write(move |store, oracle, node, fate| {
            refused(&fate)?;
            let claimed = ready(store.claim(subscription))?;
            oracle.claimed(node, subscription, claimed.as_ref());
            Ok(claimed)
        })
    }

    fn commit(&self, writes: Vec<OffsetWrite>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        if !self.is_dead() {
            let mut oracle = lock(&self.inner.oracle);
            let called = writes.iter();
            called.for_each(|write| oracle.commit_called(self.inner.node, write));
        }
        self.write(move |store, oracle, node, fate| {
            let writes = cut(writes, &fate);
            let results = match fate {
                Fate::Refused(error) => vec![Err(error.into()); writes.len()],
                _ => ready(store.commit(writes.clone())),
            };
            for (write, result) in writes.iter().zip(&results) {
                oracle.committed(node, write, result);
            }
            results
        })
    }

    fn seek(
        &self,
        subscription: SubscriptionId,
        to: Start,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            let sought = ready(store.seek(subscription, to))?;
            if let Some(record) = &sought {
                oracle.sought(subscription, record);
            }
            Ok(sought)
        })
    }

    fn offset(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.read(|store| store.offset(subscription), |_, _, _| ())
    }
}

impl Parked for Link {
    fn park(&self, entries: Vec<ParkedEntry>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        if !self.is_dead() {
            let mut oracle = lock(&self.inner.oracle);
            let called = entries.iter();
            called.for_each(|entry| oracle.park_called(self.inner.node, entry));
        }
        self.write(move |store, oracle, _, fate| {
            let entries = cut(entries, &fate);
            let results = match fate {
                Fate::Refused(error) => vec![Err(error.into()); entries.len()],
                _ => ready(store.park(entries.clone())),
            };
            for (entry, result) in entries.iter().zip(&results) {
                oracle.parked(entry, result);
            }
            results
        })
    }

    fn parked(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        self.read(
            |store| store.parked(subscription, after, limit),
            |oracle, node, found| oracle.parked_read(node, subscription, found),
        )
    }

    fn replays(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        self.read(
            |store| store.replays(subscription, after, limit),
            |_, _, _| (),
        )
    }

    fn parked_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> BoxFuture<'static, Result<Option<ParkedEntry>, StoreError>> {
        self.read(
            |store| store.parked_event(subscription, event),
            |_, _, _| (),
        )
    }

    fn parked_count(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.read(|store| store.parked_count(subscription), |_, _, _| ())
    }

    fn replay(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            let marked = ready(store.replay(subscription, selection.clone()))?;
            oracle.marked(subscription, &selection);
            Ok(marked)
        })
    }

    fn discard(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<Vec<Sequence>, StoreError>> {
        self.write(move |store, oracle, _, fate| {
            refused(&fate)?;
            let gone = ready(store.discard(subscription, selection.clone()))?;
            oracle.discarded(subscription, &gone);
            Ok(gone)
        })
    }
}

/// As many parts of a write as become durable.
fn cut<T>(mut parts: Vec<T>, fate: &Fate) -> Vec<T> {
    if let Fate::Cut(count) = fate {
        parts.truncate(*count);
    }
    parts
}

/// A write of one part is refused, or lost when the crash comes before it.
fn refused(fate: &Fate) -> Result<(), StoreError> {
    match fate {
        Fate::Refused(error) => Err(error.clone()),
        Fate::Cut(_) => Err(super::unavailable()),
        Fate::Done => Ok(()),
    }
}

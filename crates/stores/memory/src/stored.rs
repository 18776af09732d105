//! Where is data kept that no message brought?

use std::collections::BTreeSet;
use std::ops::Bound;

use bytes::Bytes;
use photinus_contract::data::Hash;
use photinus_contract::store::{ReadLimit, StoreError, StoreErrorKind, StoredData};
use photinus_contract::{BoxFuture, Data, DataId, Namespace};

use crate::{Durable, MemoryStore};

impl StoredData for MemoryStore {
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(move |durable| durable.put_data(data, None), Err)
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            let below = before.map_or(Bound::Unbounded, Bound::Excluded);
            let newest = log.stored.range((Bound::Unbounded, below)).rev();
            let mut found = Vec::new();
            for (_, data) in newest {
                if !limit.takes(found.is_empty(), data.value.get().len()) {
                    break;
                }
                found.push(data.clone());
            }
            Ok(found)
        })
    }

    fn data_of_blob(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        self.read(|durable| {
            let log = durable.namespaces.get(namespace);
            let has_it = |data: &&Data| data.blob.as_ref().is_some_and(|blob| blob.hash == hash);
            Ok(log.and_then(|log| log.stored.values().find(has_it).cloned()))
        })
    }

    fn blob_paths(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<String>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            let paths = log
                .stored
                .values()
                .filter_map(|data| data.blob.as_ref()?.path.as_deref());
            let asked =
                |path: &&str| path.starts_with(prefix) && after.is_none_or(|after| *path > after);
            let paths: BTreeSet<&str> = paths.filter(asked).collect();
            Ok(paths.into_iter().take(limit).map(str::to_owned).collect())
        })
    }

    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let namespace = namespace.clone();
        self.write(
            move |durable: &mut Durable| {
                let log = durable.namespaces.get_mut(&namespace);
                let deleted = log.is_some_and(|log| log.stored.remove(&id).is_some());
                if deleted {
                    durable.blobs.remove(&id);
                }
                Ok(deleted)
            },
            Err,
        )
    }
}

impl Durable {
    /// Stores data, and the bytes of its blob, if it has one.
    pub(crate) fn put_data(&mut self, data: Data, blob: Option<Bytes>) -> Result<(), StoreError> {
        let refused = |what: &str| {
            let text = format!("data {} of namespace {} {what}", data.id, data.namespace);
            Err(StoreError::new(StoreErrorKind::Other, text))
        };
        if data.id.index().is_some() {
            return refused("has the id of a value in the log");
        }
        if data.blob.is_some() != blob.is_some() {
            return refused("has a blob that was not written, or the reverse");
        }
        if self.has_data(data.id) {
            return refused("is there already");
        }
        let id = data.id;
        match self.namespaces.get_mut(&data.namespace) {
            Some(log) => log.stored.insert(id, data),
            None => return refused("belongs to none that exists"),
        };
        self.blobs.extend(blob.map(|bytes| (id, bytes)));
        Ok(())
    }

    /// Whether there is stored data of this id, wherever.
    pub(crate) fn has_data(&self, id: DataId) -> bool {
        let mut logs = self.namespaces.values();
        logs.any(|log| log.stored.contains_key(&id))
    }
}

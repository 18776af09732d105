//! Where is data kept that no message brought?

use std::ops::Bound;

use photinus_contract::store::{StoreError, StoreErrorKind, StoredData};
use photinus_contract::{BoxFuture, Data, DataId, Namespace};

use crate::{Durable, MemoryStore};

impl StoredData for MemoryStore {
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let refused = |what: &str| {
                    let text = format!("data {} of namespace {} {what}", data.id, data.namespace);
                    Err(StoreError::new(StoreErrorKind::Other, text))
                };
                if data.id.index().is_some() {
                    return refused("has the id of a value in the log");
                }
                let mut logs = durable.namespaces.values();
                if logs.any(|log| log.stored.contains_key(&data.id)) {
                    return refused("is there already");
                }
                match durable.namespaces.get_mut(&data.namespace) {
                    Some(log) => log.stored.insert(data.id, data),
                    None => return refused("belongs to none that exists"),
                };
                Ok(())
            },
            Err,
        )
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            let below = before.map_or(Bound::Unbounded, Bound::Excluded);
            let newest = log.stored.range((Bound::Unbounded, below)).rev();
            Ok(newest.take(limit).map(|(_, data)| data.clone()).collect())
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
                Ok(log.is_some_and(|log| log.stored.remove(&id).is_some()))
            },
            Err,
        )
    }
}

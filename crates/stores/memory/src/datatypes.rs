//! Which datatypes are there?

use photinus_contract::store::{Datatypes, ReadLimit, StoreError};
use photinus_contract::{BoxFuture, Datatype, MessageId, Namespace};

use crate::MemoryStore;

impl Datatypes for MemoryStore {
    fn datatype(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> BoxFuture<'static, Result<Option<Datatype>, StoreError>> {
        self.read(|durable| {
            let log = durable.namespaces.get(namespace);
            let key = (name.to_owned(), version.to_owned());
            Ok(log.and_then(|log| log.datatypes.get(&key).cloned()))
        })
    }

    fn datatypes(
        &self,
        namespace: &Namespace,
        before: Option<MessageId>,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Datatype>, StoreError>> {
        self.read(|durable| {
            let log = durable.namespaces.get(namespace);
            let datatypes = log.map(|log| log.datatypes.values()).into_iter().flatten();
            let asked = |datatype: &&Datatype| before.is_none_or(|before| datatype.id < before);
            let mut all: Vec<&Datatype> = datatypes.filter(asked).collect();
            all.sort_by_key(|datatype| std::cmp::Reverse(datatype.id));
            let mut found = Vec::new();
            for datatype in all {
                if !limit.takes(found.is_empty(), datatype.value.get().len()) {
                    break;
                }
                found.push(datatype.clone());
            }
            Ok(found)
        })
    }
}

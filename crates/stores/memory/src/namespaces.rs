//! Which namespaces are there, and which groups in them?

use photinus_contract::data::Hash;
use photinus_contract::store::{
    CreateNamespaceError, Group, NamespaceInfo, Namespaces, ReadLimit, StoreError, StoreErrorKind,
};
use photinus_contract::{BoxFuture, Namespace, Timestamp};

use crate::log::LogState;
use crate::{Durable, MemoryStore};

impl Namespaces for MemoryStore {
    fn create_namespace(
        &self,
        namespace: NamespaceInfo,
    ) -> BoxFuture<'static, Result<(), CreateNamespaceError>> {
        self.write(
            move |durable: &mut Durable| {
                if durable.namespaces.contains_key(&namespace.name) {
                    return Err(CreateNamespaceError::Exists);
                }
                let name = namespace.name.clone();
                durable.namespaces.insert(name, LogState::new(namespace));
                Ok(())
            },
            |error| Err(error.into()),
        )
    }

    fn namespaces(&self) -> BoxFuture<'static, Result<Vec<NamespaceInfo>, StoreError>> {
        self.read(|durable| {
            let logs = durable.namespaces.values();
            Ok(logs.map(|log| log.info.clone()).collect())
        })
    }

    fn put_group(&self, group: Group) -> BoxFuture<'static, Result<(), StoreError>> {
        self.write(
            move |durable: &mut Durable| {
                let Some(log) = durable.namespaces.get_mut(&group.namespace) else {
                    return Err(StoreError::new(
                        StoreErrorKind::Other,
                        format!(
                            "group {} belongs to namespace {}, which does not exist",
                            group.hash, group.namespace
                        ),
                    ));
                };
                log.groups.entry(group.hash).or_insert(group);
                Ok(())
            },
            Err,
        )
    }

    fn group(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Group>, StoreError>> {
        self.read(|durable| {
            let log = durable.namespaces.get(namespace);
            Ok(log.and_then(|log| log.groups.get(&hash)).cloned())
        })
    }

    fn groups(
        &self,
        namespace: &Namespace,
        before: Option<(Timestamp, Hash)>,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Group>, StoreError>> {
        self.read(|durable| {
            let Some(log) = durable.namespaces.get(namespace) else {
                return Ok(Vec::new());
            };
            let place = |group: &Group| (group.created, group.hash);
            let mut groups: Vec<_> = log.groups.values().collect();
            groups.retain(|group| before.is_none_or(|before| place(group) < before));
            groups.sort_by_key(|group| std::cmp::Reverse(place(group)));
            let mut found = Vec::new();
            for group in groups {
                if !limit.takes(found.is_empty(), group.definition.get().len()) {
                    break;
                }
                found.push(group.clone());
            }
            Ok(found)
        })
    }
}

//! How can namespaces and subscriptions be wrong?

use photinus_contract::data::Hash;
use photinus_contract::store::{
    CreateNamespaceError, CreateSubscriptionError, Group, NamespaceInfo, Namespaces, OffsetWrite,
    Offsets, Parked, Pause, ReadLimit, Start, StoreError, Subscriptions,
};
use photinus_contract::{
    BoxFuture, Namespace, Secrets, Sequence, Subscription, SubscriptionId, Timestamp,
};

use super::{Fault, Wrong, now, then};

impl Namespaces for Wrong {
    fn create_namespace(
        &self,
        namespace: NamespaceInfo,
    ) -> BoxFuture<'static, Result<(), CreateNamespaceError>> {
        let wait = self.inner.create_namespace(namespace);
        match self.fault {
            Fault::TakesANamespaceTwice => then(wait, |answer| match answer {
                Err(CreateNamespaceError::Exists) => Ok(()),
                other => other,
            }),
            _ => wait,
        }
    }

    fn namespaces(&self) -> BoxFuture<'static, Result<Vec<NamespaceInfo>, StoreError>> {
        let backwards = self.is(Fault::ListsNamespacesBackwards);
        then(self.inner.namespaces(), move |listed| {
            listed.map(|mut listed| {
                if backwards {
                    listed.reverse();
                }
                listed
            })
        })
    }

    fn put_group(&self, group: Group) -> BoxFuture<'static, Result<(), StoreError>> {
        if self.is(Fault::ReplacesGroups) {
            self.state().groups.push(group.clone());
        }
        self.inner.put_group(group)
    }

    fn group(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Group>, StoreError>> {
        let newest = self
            .state()
            .groups
            .iter()
            .rfind(|group| group.namespace == *namespace && group.hash == hash)
            .cloned();
        match newest {
            Some(newest) => Box::pin(async { Ok(Some(newest)) }),
            None => self.inner.group(namespace, hash),
        }
    }

    fn groups(
        &self,
        namespace: &Namespace,
        before: Option<(Timestamp, Hash)>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Group>, StoreError>> {
        let backwards = self.is(Fault::ListsGroupsFromTheFirst);
        then(self.inner.groups(namespace, before, limit), move |listed| {
            listed.map(|mut listed| {
                if backwards {
                    listed.reverse();
                }
                listed
            })
        })
    }
}

impl Subscriptions for Wrong {
    fn create_subscription(
        &self,
        mut subscription: Subscription,
        start: Start,
    ) -> BoxFuture<'static, Result<Subscription, CreateSubscriptionError>> {
        let listed = now(self.inner.subscriptions()).unwrap_or_default();
        if self.is(Fault::SharesNamesAmongNamespaces)
            && listed.iter().any(|other| other.name == subscription.name)
        {
            return Box::pin(async { Err(CreateSubscriptionError::Exists) });
        }
        if self.is(Fault::LosesSecrets) {
            subscription.secrets = Secrets::default();
        }
        let start = match (self.fault, start) {
            (Fault::StartsANewestAtTheOldest, Start::Newest) => Start::Oldest,
            (Fault::Gaps, start) => self.start(Some(&subscription.namespace), start),
            (_, start) => start,
        };
        self.inner.create_subscription(subscription, start)
    }

    fn update_subscription(
        &self,
        mut subscription: Subscription,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let id = subscription.id;
        let before = now(self.inner.offset(id)).ok().flatten();
        if self.is(Fault::KeepsOldSecrets) {
            let listed = now(self.inner.subscriptions()).unwrap_or_default();
            let old = listed.into_iter().find(|other| other.id == id);
            subscription.secrets = old.map_or_else(Secrets::default, |old| old.secrets);
        }
        let namespace = subscription.namespace.clone();
        let wait = self.inner.update_subscription(subscription);
        match (self.fault, before) {
            (Fault::MovesTheOffsetInAnUpdate, Some(_)) => {
                let after = now(self.inner.offset(id)).unwrap().unwrap();
                let newest = self.newest(&namespace).max(after.offset);
                let write = OffsetWrite::new(id, after.epoch, newest);
                now(self.inner.commit(vec![write])).remove(0).unwrap();
            }
            (Fault::UpdatesWithoutFencing, Some(before)) => {
                self.state().forgiven.insert(id, before.epoch);
            }
            _ => {}
        }
        wait
    }

    fn delete_subscription(
        &self,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        if self.is(Fault::KeepsParkedEntriesOfTheDeleted) {
            let parked = now(self.inner.parked(id, Sequence(0), usize::MAX));
            let parked = parked.unwrap_or_default();
            if !parked.is_empty() {
                self.state().parked.insert(id, parked);
            }
        }
        self.inner.delete_subscription(id)
    }

    fn pause_subscription(
        &self,
        id: SubscriptionId,
        pause: Option<Pause>,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        match (self.fault, pause) {
            (Fault::ForgetsUntilWhenAPauseIs, Some(mut pause)) => {
                pause.until = None;
                self.inner.pause_subscription(id, Some(pause))
            }
            (_, pause) => self.inner.pause_subscription(id, pause),
        }
    }

    fn pauses(&self) -> BoxFuture<'static, Result<Vec<(SubscriptionId, Pause)>, StoreError>> {
        self.inner.pauses()
    }

    fn subscriptions(&self) -> BoxFuture<'static, Result<Vec<Subscription>, StoreError>> {
        let backwards = self.is(Fault::ListsSubscriptionsBackwards);
        then(self.inner.subscriptions(), move |listed| {
            listed.map(|mut listed| {
                if backwards {
                    listed.reverse();
                }
                listed
            })
        })
    }
}

impl Wrong {
    /// The newest is the newest that is seen.
    pub(super) fn start(&self, namespace: Option<&Namespace>, start: Start) -> Start {
        match (start, namespace.map(|namespace| self.newest(namespace))) {
            (Start::Newest, Some(Sequence(0)) | None) => Start::Oldest,
            (Start::Newest, Some(newest)) => Start::After(newest),
            (other, _) => other,
        }
    }
}

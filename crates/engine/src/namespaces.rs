//! Which namespaces are there, and how far is the log of each?

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use photinus_contract::store::{NamespaceInfo, ReadLimit, Store, StoreError};
use photinus_contract::{CodedError, Namespace, Sequence, Timestamp};

use crate::metrics::NamespaceMetrics;
use crate::tail::Tail;

/// The namespace that always exists.
pub(crate) const DEFAULT: &str = "default";

/// All namespaces that the engine serves.
#[derive(Default)]
pub(crate) struct NamespaceMap {
    known: RwLock<BTreeMap<Namespace, Arc<NamespaceState>>>,
}

/// A namespace and its tail.
#[derive(Debug)]
pub(crate) struct NamespaceState {
    pub(crate) info: NamespaceInfo,
    pub(crate) tail: Tail,
    pub(crate) metrics: NamespaceMetrics,
}

impl NamespaceMap {
    /// The namespace of this name, or `FF10436`.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<NamespaceState>, CodedError> {
        self.find(name)
            .ok_or_else(|| CodedError::not_found("FF10436", format!("Unknown namespace '{name}'")))
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<NamespaceState>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Each with its tail and what is counted for it.
    pub(crate) fn states(&self) -> Vec<Arc<NamespaceState>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<NamespaceInfo> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .values()
            .map(|namespace| namespace.info.clone())
            .collect()
    }

    /// Serves a namespace from the head of its stored log on.
    pub(crate) async fn load(
        &self,
        store: &dyn Store,
        info: NamespaceInfo,
        tail_bytes_max: usize,
    ) -> Result<(), StoreError> {
        let head = store.head(&info.name).await?;
        let newest = store
            .read_back(&info.name, Sequence::MAX, ReadLimit::records(1))
            .await?;
        let newest = newest
            .first()
            .map_or(Timestamp::from_nanos(0), |r| r.content.created);
        let tail = Tail::new(head, newest, tail_bytes_max);
        let name = info.name.clone();
        let state = Arc::new(NamespaceState {
            info,
            tail,
            metrics: NamespaceMetrics::default(),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(name).or_insert(state);
        Ok(())
    }
}

//! What do lists of data and of groups show?
//!
//! Data comes from two places, the log and what was stored by itself. Ids are in time order, in both: so the newest of
//! one comes before the newest of the other if its id is higher.

use std::collections::{BTreeSet, VecDeque};

use photinus_contract::store::{Group, ReadLimit};
use photinus_contract::{CodedError, Data, DataId, Namespace};
use uuid::Uuid;

use super::collector::{Collector, Listed};
use super::query::Query;
use super::walk::{Places, Span, Walk};
use crate::core::Core;
use crate::publish::unavailable;
use crate::values;

/// How many rows are read at once.
const ROWS_MAX: usize = 256;

const DATA: Places = Places {
    sequence: "",
    created: "created",
    id: "id",
    message: "id",
};

impl Core {
    /// Data, newest first unless it is sorted.
    pub(crate) async fn list_data(
        &self,
        namespace: &Namespace,
        query: &Query<Data>,
    ) -> Result<Listed<Data>, CodedError> {
        let mut list = DataList {
            core: self,
            namespace,
            listed: Collector::new(query, self.config.list_bytes_max),
        };
        match query.only_texts("id") {
            Some(ids) => list.offer_all(&ids).await?,
            None => list.walk(query).await?,
        }
        list.finish().await
    }

    /// Groups, those first used last first unless they are sorted.
    pub(crate) async fn list_groups(
        &self,
        namespace: &Namespace,
        query: &Query<Group>,
    ) -> Result<Listed<Group>, CodedError> {
        let mut listed = Collector::new(query, self.config.list_bytes_max);
        let mut before = None;
        while !listed.is_done() {
            tokio::task::yield_now().await;
            let page = self.store.groups(namespace, before, self.rows());
            let page = page.await.map_err(unavailable)?;
            let Some(last) = page.last() else { break };
            before = Some((last.created, last.hash));
            for group in page {
                let bytes = group.definition.get().len();
                listed.offer(group, bytes)?;
            }
        }
        Ok(listed.finish())
    }

    /// How much is read at once.
    pub(crate) fn rows(&self) -> ReadLimit {
        ReadLimit {
            records: ROWS_MAX,
            bytes: self.config.page_bytes_max,
        }
    }
}

/// A list of data in the making.
struct DataList<'a> {
    core: &'a Core,
    namespace: &'a Namespace,
    listed: Collector<'a, Data>,
}

impl DataList<'_> {
    /// Data by its ids.
    async fn offer_all(&mut self, ids: &[&str]) -> Result<(), CodedError> {
        // What is no id is nobody's.
        let ids: BTreeSet<Uuid> = ids.iter().flat_map(|id| id.parse().ok()).collect();
        for id in ids.into_iter().rev() {
            if let Some(data) = self.load(DataId(id)).await? {
                let bytes = bytes(&data);
                self.listed.offer(data, bytes)?;
            }
        }
        Ok(())
    }

    /// All data, of both places.
    async fn walk(&mut self, query: &Query<Data>) -> Result<(), CodedError> {
        let mut stored = Stored::new(self.core, self.namespace);
        let mut walk = Walk::new(self.core, self.namespace, Span::of(query, &DATA));
        let is_about_values = query.asks_for("value");
        while !self.listed.is_done() {
            let records = walk.next(ROWS_MAX).await?;
            if records.is_empty() {
                break;
            }
            for record in records {
                for (mut data, is_apart) in values::published(&record).into_iter().rev() {
                    while let Some(newer) = stored.next_above(Some(data.id)).await? {
                        let bytes = bytes(&newer);
                        self.listed.offer(newer, bytes)?;
                    }
                    if is_apart && is_about_values {
                        match self.load(data.id).await? {
                            Some(whole) => data = whole,
                            None => continue,
                        }
                    }
                    let bytes = bytes(&data);
                    self.listed.offer(data, bytes)?;
                }
            }
        }
        while !self.listed.is_done() {
            let Some(older) = stored.next_above(None).await? else {
                break;
            };
            let bytes = bytes(&older);
            self.listed.offer(older, bytes)?;
        }
        Ok(())
    }

    /// The list, with the values that are kept apart.
    async fn finish(self) -> Result<Listed<Data>, CodedError> {
        let (core, namespace) = (self.core, self.namespace);
        let (mut listed, mut budget) = self.listed.finish_with_budget();
        for data in &mut listed.items {
            // A value that came with a message is never null.
            let is_apart = data.id.index().is_some() && data.value.get() == "null";
            if is_apart && let Some(whole) = load(core, namespace, data.id).await? {
                budget.take(&whole)?;
                *data = whole;
            }
        }
        Ok(listed)
    }

    async fn load(&self, id: DataId) -> Result<Option<Data>, CodedError> {
        load(self.core, self.namespace, id).await
    }
}

async fn load(core: &Core, namespace: &Namespace, id: DataId) -> Result<Option<Data>, CodedError> {
    core.store.value(namespace, id).await.map_err(unavailable)
}

/// About how many bytes it takes.
fn bytes(data: &Data) -> usize {
    size_of::<Data>() + data.value.get().len()
}

/// Data that was stored by itself, newest first.
struct Stored<'a> {
    core: &'a Core,
    namespace: &'a Namespace,
    page: VecDeque<Data>,
    before: Option<DataId>,
    is_over: bool,
}

impl<'a> Stored<'a> {
    fn new(core: &'a Core, namespace: &'a Namespace) -> Self {
        Self {
            core,
            namespace,
            page: VecDeque::new(),
            before: None,
            is_over: false,
        }
    }

    /// The next, if its id is above this one.
    async fn next_above(&mut self, id: Option<DataId>) -> Result<Option<Data>, CodedError> {
        if self.page.is_empty() && !self.is_over {
            tokio::task::yield_now().await;
            let rows = self.core.rows();
            let page = self
                .core
                .store
                .stored_data(self.namespace, self.before, rows);
            self.page = page.await.map_err(unavailable)?.into();
            self.before = self.page.back().map(|data| data.id);
            self.is_over = self.page.is_empty();
        }
        let next = self.page.front();
        match next.is_some_and(|next| id.is_none_or(|id| next.id > id)) {
            true => Ok(self.page.pop_front()),
            false => Ok(None),
        }
    }
}

//! How is data stored that no message brings, and how are it and groups listed?

use std::sync::Arc;

use photinus_contract::data::{Hash, Validator};
use photinus_contract::store::Group;
use photinus_contract::{
    ChangeEvent, ChangeKind, CodedError, Data, DataId, MessageId, Namespace, Timestamp,
};
use serde_json::value::RawValue;

use crate::core::Core;
use crate::handle::{Handle, ListBudget};
use crate::publish::{DataText, normalised, sha256, unavailable, validator_named};

/// How many rows a list reads at once.
const ROWS: usize = 64;

impl Handle {
    /// Stores a value that messages can refer to. `FF00109` if there is none; the other checks are those of a value
    /// that a message brings.
    pub async fn store_data(
        &self,
        namespace: &str,
        input: &DataText<'_>,
    ) -> Result<Data, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let validator = validator_named(&input.validator)?;
        let Some(value) = input.value else {
            return Err(match input.blob {
                Some(_) => CodedError::not_found("FF10239", "Blob not found"),
                None => CodedError::bad_request("FF00109", "Data must have a value or a blob"),
            });
        };
        if validator == Validator::Json && input.datatype.is_some() {
            return Err(CodedError::bad_request("FF10195", "Datatype not found"));
        }
        let json = normalised(value.get().as_bytes());
        let hash = sha256(&json);
        let json = String::from_utf8(json.into_owned()).map_err(CodedError::undecodable)?;
        let json = RawValue::from_string(json).map_err(CodedError::undecodable)?;
        // The id of a message is one without a part number.
        let id = DataId(MessageId::from_v7(core.clock.new_id()).0);
        let data = Data::new(id, validator, namespace, hash, core.clock.now(), json);
        let change = |core: Arc<Core>| async move {
            core.store
                .put_data(data.clone())
                .await
                .map_err(unavailable)?;
            core.changes.changed(|| {
                let namespace = data.namespace.clone();
                ChangeEvent::new("data", ChangeKind::Created, namespace).with_id(id.0)
            });
            Ok(data)
        };
        core.to_the_end(change).await
    }

    /// Removes stored data. `FF10143` if there is none of that id, `PH00435` if it is a value in the log.
    pub async fn delete_data(&self, namespace: &str, id: DataId) -> Result<(), CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let change = |core: Arc<Core>| async move {
            let deleted = core.store.delete_data(&namespace, id).await;
            if deleted.map_err(unavailable)? {
                core.changes.changed(|| {
                    ChangeEvent::new("data", ChangeKind::Deleted, namespace).with_id(id.0)
                });
                return Ok(());
            }
            match core
                .store
                .value(&namespace, id)
                .await
                .map_err(unavailable)?
            {
                Some(_) => Err(CodedError::bad_request(
                    "PH00435",
                    format!("Data '{id}' was published with a message and goes with it"),
                )),
                None => Err(CodedError::not_found("FF10143", "Not found")),
            }
        };
        core.to_the_end(change).await
    }

    /// Stored data, newest first, as far as `budget` goes.
    pub(crate) async fn stored_data(
        &self,
        namespace: &Namespace,
        limit: usize,
        budget: &mut ListBudget,
    ) -> Result<Vec<Data>, CodedError> {
        let mut found: Vec<Data> = Vec::new();
        while found.len() < limit {
            let before = found.last().map(|data| data.id);
            let read = (limit - found.len()).min(ROWS);
            let page = self.core().store.stored_data(namespace, before, read).await;
            let page = page.map_err(unavailable)?;
            if page.is_empty() {
                break;
            }
            for data in page {
                budget.take(&data)?;
                found.push(data);
            }
        }
        Ok(found)
    }

    /// Groups of a namespace, those first used last first.
    pub async fn groups(
        &self,
        namespace: &str,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Group>, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let (mut skip, mut found) = (skip, Vec::new());
        let mut before: Option<(Timestamp, Hash)> = None;
        let mut budget = self.list_budget();
        while found.len() < limit {
            let page = core.store.groups(&namespace, before, ROWS).await;
            let page = page.map_err(unavailable)?;
            let Some(last) = page.last() else { break };
            before = Some((last.created, last.hash));
            for group in page {
                if skip > 0 {
                    skip -= 1;
                } else if found.len() < limit {
                    budget.take_bytes(group.definition.get().len())?;
                    found.push(group);
                }
            }
        }
        Ok(found)
    }

    /// The group with this hash.
    pub async fn group(&self, namespace: &str, hash: Hash) -> Result<Option<Group>, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        core.store
            .group(&namespace, hash)
            .await
            .map_err(unavailable)
    }
}

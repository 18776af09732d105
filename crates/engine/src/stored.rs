//! How is data stored that no message brings, and how are groups shown?

use std::sync::Arc;

use photinus_contract::data::{DatatypeRef, Hash, Validator};
use photinus_contract::object::Object;
use photinus_contract::store::Group;
use photinus_contract::{ChangeEvent, ChangeKind, CodedError, Data, DataId, MessageId, Namespace};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::blobs::described;
use crate::core::Core;
use crate::datatypes::named;
use crate::handle::Handle;
use crate::lists::{Listed, Query};
use crate::publish::{DataText, compact, sha256, unavailable, validator_named};

/// What is said of data that is to be stored, found right.
pub(crate) struct Checked {
    namespace: Namespace,
    validator: Validator,
    datatype: Option<DatatypeRef>,
    /// Normalised; `null` if there is none.
    value: Box<RawValue>,
}

impl Checked {
    pub(crate) async fn new(
        core: &Core,
        namespace: &str,
        input: &DataText<'_>,
    ) -> Result<Self, CodedError> {
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let validator = validator_named(&input.validator)?;
        let value = match input.value {
            Some(value) => compact(value)?,
            None => RawValue::NULL.to_owned(),
        };
        let datatype = input.datatype.map(named).transpose()?;
        if validator != Validator::None
            && let Some(datatype) = &datatype
        {
            let checked = core.check_datatype(&namespace, datatype, value.get());
            checked.await?;
        }
        Ok(Self {
            namespace,
            validator,
            datatype,
            value,
        })
    }

    /// The id of data that is stored now.
    pub(crate) fn new_id(&self, core: &Core) -> DataId {
        // The id of a message is one without a part number.
        DataId(MessageId::from_v7(core.clock.new_id()).0)
    }

    fn is_null(&self) -> bool {
        self.value.get() == "null"
    }

    /// The data, with a hash.
    fn with_hash(self, core: &Core, id: DataId, hash: Hash) -> Data {
        let now = core.clock.now();
        let mut data = Data::new(id, self.validator, self.namespace, hash, now, self.value);
        data.datatype = self.datatype;
        data
    }

    /// The data, with a blob of this hash and size.
    pub(crate) fn with_blob(self, core: &Core, id: DataId, hash: Hash, size: u64) -> Data {
        let whole = match self.is_null() {
            true => hash,
            // Of both, as text, one after the other.
            false => {
                let value = sha256(self.value.get().as_bytes());
                sha256(format!("{value}{hash}").as_bytes())
            }
        };
        let blob = described(&self.value, hash, size);
        let mut data = self.with_hash(core, id, whole);
        data.blob = Some(blob);
        data
    }
}

impl Core {
    /// Tells that data was stored by itself.
    pub(crate) fn data_stored(&self, data: &Data) {
        self.changes.changed(|| {
            let namespace = data.namespace.clone();
            ChangeEvent::new("data", ChangeKind::Created, namespace).with_id(data.id.0)
        });
    }
}

impl Handle {
    /// Stores a value that messages can refer to, or a blob that is stored already, or both. `FF00109` if there is
    /// neither, `FF10239` if there is no such blob; the other checks are those of a value that a message brings.
    pub async fn store_data(
        &self,
        namespace: &str,
        input: &DataText<'_>,
    ) -> Result<Data, CodedError> {
        let core = self.core();
        let checked = Checked::new(core, namespace, input).await?;
        let id = checked.new_id(core);
        if let Some(hash) = blob_named(input)? {
            return self.store_shared(checked, id, hash).await;
        }
        if checked.is_null() {
            let text = "Data must have a value or a blob";
            return Err(CodedError::bad_request("FF00109", text));
        }
        let hash = sha256(checked.value.get().as_bytes());
        let data = checked.with_hash(core, id, hash);
        let change = |core: Arc<Core>| async move {
            let stored = core.store.put_data(data.clone()).await;
            stored.map_err(unavailable)?;
            core.data_stored(&data);
            Ok(data)
        };
        core.to_the_end(change).await
    }

    /// Stores data with a blob that other data has.
    async fn store_shared(
        &self,
        checked: Checked,
        id: DataId,
        hash: Hash,
    ) -> Result<Data, CodedError> {
        let change = |core: Arc<Core>| async move {
            let unknown = || CodedError::not_found("FF10239", format!("Blob '{hash}' not found"));
            let found = core.store.data_of_blob(&checked.namespace, hash).await;
            let Some((from, blob)) = found
                .map_err(unavailable)?
                .and_then(|data| Some((data.id, data.blob?)))
            else {
                return Err(unknown());
            };
            let data = checked.with_blob(&core, id, hash, blob.size);
            let shared = core.store.share_blob(from, data.clone()).await;
            if !shared.map_err(unavailable)? {
                return Err(unknown());
            }
            core.data_stored(&data);
            Ok(data)
        };
        self.core().to_the_end(change).await
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

    /// The groups of a namespace that a query asks for; those first used last first, if it does not say otherwise.
    pub async fn groups(
        &self,
        namespace: &str,
        query: &Query<Group>,
    ) -> Result<Listed<Group>, CodedError> {
        let namespace = self.core().namespaces.get(namespace)?.info.name.clone();
        self.core().list_groups(&namespace, query).await
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

/// The hash of the blob that data is to have.
fn blob_named(input: &DataText<'_>) -> Result<Option<Hash>, CodedError> {
    #[derive(Deserialize)]
    struct Named {
        hash: Option<Hash>,
    }
    let Some(blob) = input.blob else {
        return Ok(None);
    };
    let named: Object<Named> = serde_json::from_str(blob.get()).map_err(CodedError::undecodable)?;
    Ok(named.0.and_then(|named| named.hash))
}

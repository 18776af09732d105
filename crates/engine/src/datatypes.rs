//! What must a value look like that says of which datatype it is?
//!
//! ```text
//!   POST datatypes ─▶ schema compiled ─▶ a record with the event datatype_confirmed; the datatype is enclosed
//!   a value with a datatype ─▶ schemas (kept compiled) ─▶ checked away from the tasks that deliver
//! ```

mod cost;
mod metered;
mod schemas;

use std::borrow::Cow;

use photinus_contract::data::DatatypeRef;
use photinus_contract::name::check_name;
use photinus_contract::object::Object;
use photinus_contract::record::Enclosure;
use photinus_contract::store::AppendError;
use photinus_contract::{CodedError, Datatype, MessageId, MessageKind, Namespace};
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) use self::schemas::Schemas;
use crate::core::Core;
use crate::handle::Handle;
use crate::lists::{Collector, Listed, Query};
use crate::metrics::Origin;
use crate::publish::{Draft, Moment, compact, refused, sha256, text, unavailable};

/// A datatype as an application sends it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DatatypeText<'a> {
    /// What it is called.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Which of that name.
    #[serde(borrow, deserialize_with = "text")]
    pub version: Cow<'a, str>,
    /// How the schema is to be understood: only `json`, which is also meant if it is empty.
    #[serde(borrow, deserialize_with = "text")]
    pub validator: Cow<'a, str>,
    /// The schema.
    #[serde(borrow)]
    pub value: Option<&'a RawValue>,
}

impl Handle {
    /// Defines a datatype: resolves when the event that announces it is committed. `FF10196` if its schema is none,
    /// `FF10193` if there is one of this name and version.
    pub async fn create_datatype(
        &self,
        namespace: &str,
        input: &DatatypeText<'_>,
    ) -> Result<Datatype, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?;
        core.check_open()?;
        if !matches!(&*input.validator, "" | "json") {
            let text = format!("Unknown validator '{}': expected 'json'", input.validator);
            return Err(CodedError::bad_request("FF00108", text));
        }
        check_name(&input.name, "name")?;
        check_name(&input.version, "version")?;
        let invalid = |why: &str| {
            let text = format!("The schema in field 'value' is invalid: {why}");
            CodedError::bad_request("FF10196", text)
        };
        let value = input.value.ok_or_else(|| invalid("there is none"))?;
        let value = compact(value)?;
        let (size, max) = (value.get().len(), core.config.message_bytes_max);
        if size > max {
            let text = format!("Schema size {size} exceeds the maximum of {max} bytes");
            return Err(CodedError::bad_request("FF10327", text));
        }
        if let Err(why) = core.schemas.try_compile(&core.tasks, &value).await? {
            return Err(invalid(&why));
        }
        let moment = Moment::now(&*core.clock);
        let datatype = Datatype::new(
            MessageId::from_v7(core.clock.new_id()),
            namespace.info.name.clone(),
            input.name.clone().into_owned(),
            input.version.clone().into_owned(),
            sha256(value.get().as_bytes()),
            value,
        );
        let origin = Origin::new(MessageKind::Broadcast, moment.since);
        let draft = Draft::of_datatype(&datatype, origin)?;
        match core.committer.append(namespace, draft, None, None).await {
            Ok(record) => {
                let created = record.content.created;
                Ok(datatype.committed(created))
            }
            Err(AppendError::DuplicateDatatype { .. }) => {
                let Datatype { name, version, .. } = datatype;
                let text =
                    format!("A datatype with name '{name}' and version '{version}' already exists");
                Err(CodedError::new("FF10193", 409, text))
            }
            Err(error) => Err(refused(error, None)),
        }
    }

    /// The datatype of this name and version.
    pub async fn datatype(
        &self,
        namespace: &str,
        name: &str,
        version: &str,
    ) -> Result<Option<Datatype>, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let found = core.store.datatype(&namespace, name, version).await;
        found.map_err(unavailable)
    }

    /// The datatypes of a namespace that a query asks for; newest first, if it does not say otherwise.
    pub async fn datatypes(
        &self,
        namespace: &str,
        query: &Query<Datatype>,
    ) -> Result<Listed<Datatype>, CodedError> {
        let core = self.core();
        let namespace = core.namespaces.get(namespace)?.info.name.clone();
        let mut listed = Collector::new(query, core.config.list_bytes_max);
        let mut before = None;
        while !listed.is_done() {
            tokio::task::yield_now().await;
            let page = core.store.datatypes(&namespace, before, core.rows()).await;
            let page = page.map_err(unavailable)?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            for datatype in page {
                let bytes = datatype.value.get().len();
                listed.offer(datatype, bytes)?;
            }
        }
        Ok(listed.finish())
    }
}

/// Which datatype a value says it is of.
pub(crate) fn named(datatype: &RawValue) -> Result<DatatypeRef, CodedError> {
    let named: Object<DatatypeRef> =
        serde_json::from_str(datatype.get()).map_err(CodedError::undecodable)?;
    Ok(named.0.unwrap_or_default())
}

impl Core {
    /// Whether a value conforms to a datatype. `FF10195` if there is no such datatype, `FF10198` if it does not.
    pub(crate) async fn check_datatype(
        &self,
        namespace: &Namespace,
        datatype: &DatatypeRef,
        value: &str,
    ) -> Result<(), CodedError> {
        let DatatypeRef { name, version } = datatype;
        let schema = match self.schemas.kept(namespace, name, version) {
            Some(schema) => schema,
            None => {
                let found = match name.is_empty() || version.is_empty() {
                    true => None,
                    false => {
                        let found = self.store.datatype(namespace, name, version).await;
                        found.map_err(unavailable)?
                    }
                };
                let Some(found) = found else {
                    let text = format!("Datatype '{name}:{version}' not found");
                    return Err(CodedError::bad_request("FF10195", text));
                };
                self.schemas.keep(&self.tasks, found).await?
            }
        };
        match self.schemas.check(&self.tasks, schema, value).await? {
            Ok(()) => Ok(()),
            Err(why) => {
                let text = format!("Data does not conform to datatype '{name}:{version}': {why}");
                Err(CodedError::bad_request("FF10198", text))
            }
        }
    }
}

/// What a record encloses that announces a datatype.
pub(crate) fn enclosed(datatype: &Datatype) -> Enclosure {
    let mut enclosed = Enclosure::default();
    enclosed.datatype = Some(datatype.clone());
    enclosed
}

//! Which datatypes are there?

use photinus_contract::store::{AppendError, Datatypes, ReadLimit, StoreError};
use photinus_contract::{BoxFuture, Datatype, MessageId, Namespace};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Error;
use crate::step::Step;

impl Datatypes for SqliteStore {
    fn datatype(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> BoxFuture<'static, Result<Option<Datatype>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(None));
        };
        let (name, version) = (name.to_owned(), version.to_owned());
        self.readers.read(move |connection| {
            let definition: Option<String> = connection
                .prepare_cached(
                    "SELECT definition FROM datatypes \
                     WHERE namespace = ?1 AND name = ?2 AND version = ?3",
                )?
                .query_row(params![number, name, version], |row| row.get(0))
                .optional()?;
            definition
                .map(|definition| decoded(&definition))
                .transpose()
        })
    }

    fn datatypes(
        &self,
        namespace: &Namespace,
        before: Option<MessageId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Datatype>, StoreError>> {
        let before = before.map(|id| id.0);
        self.newest("datatypes", namespace, before, limit, decoded, |datatype| {
            datatype.value.get().len()
        })
    }
}

/// Stores a datatype, unless there is one of its name and version.
pub(crate) fn insert(
    step: &Step<'_>,
    namespace: i64,
    datatype: &Datatype,
) -> Result<Result<(), AppendError>, Error> {
    let Datatype { name, version, .. } = datatype;
    let holder: Option<[u8; 16]> = step
        .connection
        .prepare_cached(
            "SELECT id FROM datatypes WHERE namespace = ?1 AND name = ?2 AND version = ?3",
        )?
        .query_row(params![namespace, name, version], |row| row.get(0))
        .optional()?;
    if let Some(holder) = holder {
        let holder = MessageId(Uuid::from_bytes(holder));
        return Ok(Err(AppendError::DuplicateDatatype { holder }));
    }
    let definition = serde_json::to_string(datatype)
        .map_err(|error| Error::Refused(format!("a datatype cannot be written: {error}")))?;
    step.connection
        .prepare_cached(
            "INSERT INTO datatypes (namespace, name, version, id, definition) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            namespace,
            name,
            version,
            datatype.id.0.as_bytes(),
            definition
        ])?;
    Ok(Ok(()))
}

fn decoded(definition: &str) -> Result<Datatype, Error> {
    serde_json::from_str(definition)
        .map_err(|error| Error::damaged(format!("a datatype cannot be read: {error}")))
}

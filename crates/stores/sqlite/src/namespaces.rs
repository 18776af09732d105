//! Which namespaces are there, and which groups in them?

use std::collections::BTreeMap;

use photinus_contract::data::Hash;
use photinus_contract::store::{
    CreateNamespaceError, Group, NamespaceInfo, Namespaces, ReadLimit, StoreError,
};
use photinus_contract::{BoxFuture, Namespace, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;

use crate::SqliteStore;
use crate::error::Error;
use crate::row::NAMESPACE_MAX;

impl Namespaces for SqliteStore {
    fn create_namespace(
        &self,
        namespace: NamespaceInfo,
    ) -> BoxFuture<'static, Result<(), CreateNamespaceError>> {
        self.queue.write_one(move |step| {
            if step.namespace(&namespace.name).is_some() {
                return Ok(Err(CreateNamespaceError::Exists));
            }
            let number: i64 = step
                .connection
                .prepare_cached(
                    "INSERT INTO namespaces (name, description, created) VALUES (?1, ?2, ?3) \
                     RETURNING number",
                )?
                .query_row(
                    params![
                        namespace.name.as_str(),
                        namespace.description,
                        namespace.created.as_nanos()
                    ],
                    |row| row.get(0),
                )?;
            if number > NAMESPACE_MAX {
                return Err(Error::Refused(format!(
                    "there are {NAMESPACE_MAX} namespaces, and no more are possible"
                )));
            }
            step.namespace_created(namespace.name, number);
            Ok(Ok(()))
        })
    }

    fn namespaces(&self) -> BoxFuture<'static, Result<Vec<NamespaceInfo>, StoreError>> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, description, created FROM namespaces ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(NamespaceInfo::new(
                    Namespace::new(row.get::<_, String>(0)?),
                    row.get::<_, String>(1)?,
                    Timestamp::from_nanos(row.get(2)?),
                ))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn put_group(&self, group: Group) -> BoxFuture<'static, Result<(), StoreError>> {
        self.queue.write_one(move |step| {
            let Some(namespace) = step.namespace(&group.namespace) else {
                return Err(Error::Refused(format!(
                    "group {} belongs to namespace {}, which does not exist",
                    group.hash, group.namespace
                )));
            };
            step.connection
                .prepare_cached(
                    "INSERT INTO groups (namespace, hash, definition, created) \
                     VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    namespace,
                    group.hash.0,
                    group.definition.get(),
                    group.created.as_nanos()
                ])?;
            Ok(Ok(()))
        })
    }

    fn group(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Group>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(None));
        };
        let namespace = namespace.clone();
        self.readers.read(move |connection| {
            let found: Option<(String, i64)> = connection
                .prepare_cached(
                    "SELECT definition, created FROM groups WHERE namespace = ?1 AND hash = ?2",
                )?
                .query_row(params![number, hash.0], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let found =
                found.map(|(definition, created)| group(&namespace, hash, definition, created));
            found.transpose()
        })
    }

    fn groups(
        &self,
        namespace: &Namespace,
        before: Option<(Timestamp, Hash)>,
        mut limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Group>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        let namespace = namespace.clone();
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT hash, definition, created FROM groups \
                 WHERE namespace = ?1 AND (created, hash) < (?2, ?3) \
                 ORDER BY created DESC, hash DESC",
            )?;
            // No group is of the last nanosecond that there is.
            let (time, hash) =
                before.unwrap_or((Timestamp::from_nanos(i64::MAX), Hash([0xFF; 32])));
            let mut rows = statement.query(params![number, time.as_nanos(), hash.0])?;
            let mut groups = Vec::new();
            while let Some(row) = rows.next()? {
                let (hash, created) = (Hash(row.get(0)?), row.get(2)?);
                let group = group(&namespace, hash, row.get(1)?, created)?;
                if !limit.takes(groups.is_empty(), group.definition.get().len()) {
                    break;
                }
                groups.push(group);
            }
            Ok(groups)
        })
    }
}

/// A group, of the columns of its row.
fn group(
    namespace: &Namespace,
    hash: Hash,
    definition: String,
    created: i64,
) -> Result<Group, Error> {
    let definition = RawValue::from_string(definition).map_err(|error| {
        Error::damaged(format!("group {hash} of namespace {namespace}: {error}"))
    })?;
    let created = Timestamp::from_nanos(created);
    Ok(Group::new(namespace.clone(), hash, definition, created))
}

/// The numbers of all namespaces.
pub(crate) fn numbers(connection: &Connection) -> Result<BTreeMap<Namespace, i64>, Error> {
    let mut statement = connection.prepare("SELECT name, number FROM namespaces")?;
    let rows = statement.query_map([], |row| {
        Ok((Namespace::new(row.get::<_, String>(0)?), row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

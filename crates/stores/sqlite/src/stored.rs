//! Where is data kept that no message brought?

use photinus_contract::data::Hash;
use photinus_contract::store::{ReadLimit, StoreError, StoredData};
use photinus_contract::{BoxFuture, Data, DataId, Namespace};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::queue::{Queue, Size};
use crate::step::Step;
use crate::{SqliteStore, blobs};

impl StoredData for SqliteStore {
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        put(&self.queue, data, false)
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        let before = before.map(|id| id.0);
        self.newest("data", namespace, before, limit, decoded, |data| {
            data.value.get().len()
        })
    }

    fn data_of_blob(
        &self,
        namespace: &Namespace,
        hash: Hash,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(None));
        };
        self.readers.read(move |connection| {
            let definition = connection
                .prepare_cached(
                    "SELECT definition FROM data WHERE namespace = ?1 AND blob = ?2 LIMIT 1",
                )?
                .query_row(params![number, hash.0], |row| row.get::<_, String>(0))
                .optional()?;
            definition
                .map(|definition| decoded(&definition))
                .transpose()
        })
    }

    fn blob_paths(
        &self,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<String>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.readers.read(move |connection| {
            // From path to path: however many blobs have one, it is found in one step.
            let mut first = connection.prepare_cached(
                "SELECT blob_path FROM data WHERE namespace = ?1 AND blob_path >= ?2 \
                 ORDER BY blob_path LIMIT 1",
            )?;
            let mut next = connection.prepare_cached(
                "SELECT blob_path FROM data WHERE namespace = ?1 AND blob_path > ?2 \
                 ORDER BY blob_path LIMIT 1",
            )?;
            let mut paths: Vec<String> = Vec::new();
            while paths.len() < limit {
                let before = paths
                    .last()
                    .or(after.as_ref())
                    .filter(|path| **path >= prefix);
                let found: rusqlite::Result<String> = match before {
                    Some(path) => next.query_row(params![number, path], |row| row.get(0)),
                    None => first.query_row(params![number, prefix], |row| row.get(0)),
                };
                match found.optional()? {
                    Some(path) if path.starts_with(&prefix) => paths.push(path),
                    _ => break,
                }
            }
            Ok(paths)
        })
    }

    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let namespace = namespace.clone();
        let deleted = self.queue.write_one(move |step| {
            let Some(number) = step.namespace(&namespace) else {
                return Ok(Ok(None));
            };
            let bytes: Option<Option<i64>> = step
                .connection
                .prepare_cached(
                    "DELETE FROM data WHERE id = ?1 AND namespace = ?2 RETURNING blob_bytes",
                )?
                .query_row(params![id.0.as_bytes(), number], |row| row.get(0))
                .optional()?;
            if let Some(Some(_)) = bytes {
                blobs::departed(step, id)?;
            }
            Ok::<_, Error>(Ok::<_, StoreError>(bytes))
        });
        let (queue, files) = (self.queue.clone(), self.files.clone());
        Box::pin(async move {
            let deleted = deleted.await?;
            // Where nobody waits for this, the next start removes the file.
            if let Some(Some(bytes)) = deleted {
                files.give_room(bytes.unsigned_abs());
                blobs::remove(&queue, &files, id);
            }
            Ok(deleted.is_some())
        })
    }
}

/// Stores data. That of a blob takes it over.
pub(crate) fn put(
    queue: &Queue,
    data: Data,
    with_blob: bool,
) -> BoxFuture<'static, Result<(), StoreError>> {
    let size = Size {
        records: 1,
        bytes: data.value.get().len(),
    };
    queue.write(
        size,
        move |step| {
            let result = step.whole(|step| insert(step, &data, with_blob).map(Ok));
            step.apart(result)
        },
        Err,
    )
}

/// Stores data within a transaction. That of a blob takes it over.
pub(crate) fn insert(step: &Step<'_>, data: &Data, with_blob: bool) -> Result<(), Error> {
    let refused = |what: &str| {
        let (id, namespace) = (data.id, &data.namespace);
        Error::Refused(format!("data {id} of namespace {namespace} {what}"))
    };
    if data.id.index().is_some() {
        return Err(refused("has the id of a value in the log"));
    }
    let Some(namespace) = step.namespace(&data.namespace) else {
        return Err(refused("belongs to none that exists"));
    };
    if with_blob != data.blob.is_some() || with_blob && !blobs::arrived(step, data.id)? {
        return Err(refused("has a blob that was not written, or the reverse"));
    }
    let definition = serde_json::to_string(data)
        .map_err(|error| refused(&format!("cannot be written: {error}")))?;
    let blob = data.blob.as_ref();
    let inserted = step
        .connection
        .prepare_cached(
            "INSERT INTO data (id, namespace, definition, blob, blob_bytes, blob_path) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            data.id.0.as_bytes(),
            namespace,
            definition,
            blob.map(|blob| blob.hash.0),
            blob.map(|blob| i64::try_from(blob.size).unwrap_or(i64::MAX)),
            blob.and_then(|blob| blob.path.as_deref()),
        ])?;
    match inserted {
        0 => Err(refused("is there already")),
        _ => Ok(()),
    }
}

/// Stored data, by its id.
pub(crate) fn one(connection: &Connection, number: i64, id: DataId) -> Result<Option<Data>, Error> {
    let definition: Option<String> = connection
        .prepare_cached("SELECT definition FROM data WHERE id = ?1 AND namespace = ?2")?
        .query_row(params![id.0.as_bytes(), number], |row| row.get(0))
        .optional()?;
    definition
        .map(|definition| decoded(&definition))
        .transpose()
}

fn decoded(definition: &str) -> Result<Data, Error> {
    serde_json::from_str(definition)
        .map_err(|error| Error::damaged(format!("stored data cannot be read: {error}")))
}

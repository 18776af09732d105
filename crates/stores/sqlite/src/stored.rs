//! Where is data kept that no message brought?

use photinus_contract::store::{StoreError, StoredData};
use photinus_contract::{BoxFuture, Data, DataId, Namespace};
use rusqlite::{Connection, OptionalExtension, params};

use crate::SqliteStore;
use crate::error::Error;
use crate::queue::Size;

/// Above every id.
const ABOVE_ALL: [u8; 17] = [0xFF; 17];

impl StoredData for SqliteStore {
    fn put_data(&self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        let size = Size {
            records: 1,
            bytes: data.value.get().len(),
        };
        self.queue.write(
            size,
            move |step| {
                let result = step.whole(|step| {
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
                    let definition = serde_json::to_string(&data)
                        .map_err(|error| refused(&format!("cannot be written: {error}")))?;
                    let inserted = step
                        .connection
                        .prepare_cached(
                            "INSERT INTO data (id, namespace, definition) VALUES (?1, ?2, ?3) \
                             ON CONFLICT DO NOTHING",
                        )?
                        .execute(params![data.id.0.as_bytes(), namespace, definition])?;
                    match inserted {
                        0 => Err(refused("is there already")),
                        _ => Ok(Ok(())),
                    }
                });
                step.apart(result)
            },
            Err,
        )
    }

    fn stored_data(
        &self,
        namespace: &Namespace,
        before: Option<DataId>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<Data>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT definition FROM data WHERE namespace = ?1 AND id < ?2 \
                 ORDER BY id DESC LIMIT ?3",
            )?;
            let before = before.map_or(ABOVE_ALL.to_vec(), |id| id.0.as_bytes().to_vec());
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![number, before, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(decoded(&row.get::<_, String>(0)?)?);
            }
            Ok(found)
        })
    }

    fn delete_data(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let namespace = namespace.clone();
        self.queue.write_one(move |step| {
            let Some(number) = step.namespace(&namespace) else {
                return Ok(Ok(false));
            };
            let deleted = step
                .connection
                .prepare_cached("DELETE FROM data WHERE id = ?1 AND namespace = ?2")?
                .execute(params![id.0.as_bytes(), number])?;
            Ok(Ok(deleted > 0))
        })
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

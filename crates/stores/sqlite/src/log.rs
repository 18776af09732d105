//! How are records appended and read?

use std::sync::Arc;

use photinus_contract::data::Data;
use photinus_contract::id::{DataId, EventId};
use photinus_contract::record::NewRecord;
use photinus_contract::store::{AppendError, Appended, Log, Page, ReadLimit, StoreError};
use photinus_contract::{BoxFuture, MessageId, Namespace, Record, Sequence};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::SqliteStore;
use crate::append::append_all;
use crate::error::Error;
use crate::queue::Size;
use crate::row::{self, COLUMNS, SEQUENCE_MAX, position};
use crate::stored;

impl Log for SqliteStore {
    fn append(
        &self,
        records: Vec<NewRecord>,
    ) -> BoxFuture<'static, Vec<Result<Appended, AppendError>>> {
        let count = records.len();
        let size = Size {
            records: count,
            bytes: records.iter().map(|record| record.content.size()).sum(),
        };
        self.queue.write(
            size,
            move |step| append_all(step, &records),
            move |error| vec![Err(AppendError::Store(error)); count],
        )
    }

    fn read(
        &self,
        namespace: &Namespace,
        after: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Page, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Page::default()));
        };
        let namespace = namespace.clone();
        self.readers
            .read(move |connection| read(connection, number, &namespace, after, limit))
    }

    fn read_back(
        &self,
        namespace: &Namespace,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        let namespace = namespace.clone();
        self.readers
            .read(move |connection| read_back(connection, number, &namespace, before, limit))
    }

    fn head(&self, namespace: &Namespace) -> BoxFuture<'static, Result<Sequence, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Sequence(0)));
        };
        self.readers
            .read(move |connection| head(connection, number).map(Sequence))
    }

    fn record(
        &self,
        namespace: &Namespace,
        part: Uuid,
    ) -> BoxFuture<'static, Result<Option<Arc<Record>>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(None));
        };
        let namespace = namespace.clone();
        self.readers.read(move |connection| {
            Ok(record(connection, number, &namespace, part)?.map(|(_, record)| Arc::new(record)))
        })
    }

    fn value(
        &self,
        namespace: &Namespace,
        id: DataId,
    ) -> BoxFuture<'static, Result<Option<Data>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(None));
        };
        let namespace = namespace.clone();
        self.readers
            .read(move |connection| value(connection, number, &namespace, id))
    }

    fn records_of_value(
        &self,
        namespace: &Namespace,
        id: DataId,
        before: Sequence,
        limit: ReadLimit,
    ) -> BoxFuture<'static, Result<Vec<Arc<Record>>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        let namespace = namespace.clone();
        self.readers.read(move |connection| {
            records_of_value(connection, number, &namespace, id, before, limit)
        })
    }
}

/// The newest sequence of a namespace; 0 if there is none.
pub(crate) fn head(connection: &Connection, namespace: i64) -> Result<i64, Error> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(pos) FROM log WHERE pos > ?1 AND pos <= ?2")?
        .query_row(
            [position(namespace, 0), position(namespace, SEQUENCE_MAX)],
            |row| row.get(0),
        )?;
    Ok(newest.map_or(0, |pos| pos & SEQUENCE_MAX))
}

fn read(
    connection: &Connection,
    number: i64,
    namespace: &Namespace,
    after: Sequence,
    limit: ReadLimit,
) -> Result<Page, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log WHERE pos > ?1 AND pos <= ?2 ORDER BY pos"
    ))?;
    let mut rows = statement.query([position(number, after.0), position(number, SEQUENCE_MAX)])?;
    let mut records = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if !records.is_empty() && records.len() >= limit.records {
            return Ok(Page::new(records, true));
        }
        let record = row::decode(row, namespace)?;
        bytes += record.content.size();
        if !records.is_empty() && bytes > limit.bytes {
            return Ok(Page::new(records, true));
        }
        records.push(Arc::new(record));
    }
    Ok(Page::new(records, false))
}

fn read_back(
    connection: &Connection,
    number: i64,
    namespace: &Namespace,
    before: Sequence,
    mut limit: ReadLimit,
) -> Result<Vec<Arc<Record>>, Error> {
    let border = position(number, before.0);
    // Of the records that end at the border or above it, only the lowest can begin below it.
    let straddling = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM log WHERE pos >= ?1 AND pos <= ?2 ORDER BY pos LIMIT 1"
        ))?
        .query_and_then([border, position(number, SEQUENCE_MAX)], |row| {
            row::decode(row, namespace)
        })?
        .next()
        .transpose()?
        .filter(|record| record.first() < before);
    let mut records = Vec::new();
    if let Some(record) = straddling {
        limit.takes(true, record.content.size());
        records.push(Arc::new(record));
    }

    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log WHERE pos > ?1 AND pos < ?2 ORDER BY pos DESC"
    ))?;
    let mut rows = statement.query([position(number, 0), border])?;
    while records.is_empty() || limit.records > 0 {
        let Some(row) = rows.next()? else { break };
        let record = row::decode(row, namespace)?;
        if !limit.takes(records.is_empty(), record.content.size()) {
            break;
        }
        records.push(Arc::new(record));
    }
    Ok(records)
}

/// The record that holds `part`, with its position.
fn record(
    connection: &Connection,
    number: i64,
    namespace: &Namespace,
    part: Uuid,
) -> Result<Option<(i64, Record)>, Error> {
    let message = MessageId::containing(part);
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM log WHERE id = ?1"))?;
    let mut rows = statement.query([message.0.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let pos: i64 = row.get(0)?;
    if pos >> row::SEQUENCE_BITS != number {
        return Ok(None);
    }
    let record = row::decode(row, namespace)?;
    let holds = match (EventId(part).index(), DataId(part).index()) {
        (Some(event), _) => event < record.content.events_len(),
        (_, Some(value)) => value < record.content.values_len(),
        (None, None) => true,
    };
    Ok(holds.then_some((pos, record)))
}

fn records_of_value(
    connection: &Connection,
    number: i64,
    namespace: &Namespace,
    id: DataId,
    before: Sequence,
    mut limit: ReadLimit,
) -> Result<Vec<Arc<Record>>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT log.pos, log.id, log.record FROM data_references JOIN log USING (pos) \
         WHERE data = ?1 AND data_references.pos > ?2 AND data_references.pos < ?3 \
         ORDER BY data_references.pos DESC",
    )?;
    let (from, border) = (position(number, 0), position(number, before.0));
    // The last sequence of all has no border above it.
    let border = border.max(from) + i64::from(before.0 > SEQUENCE_MAX);
    let mut rows = statement.query(params![id.0.as_bytes(), from, border])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let record = row::decode(row, namespace)?;
        if !limit.takes(records.is_empty(), record.content.size()) {
            return Ok(records);
        }
        records.push(Arc::new(record));
    }
    if id.index().is_some() {
        let own = record(connection, number, namespace, id.0)?;
        let own = own
            .map(|(_, record)| record)
            .filter(|record| record.last < before);
        let own = own.filter(|own| limit.takes(records.is_empty(), own.content.size()));
        records.extend(own.map(Arc::new));
    }
    Ok(records)
}

fn value(
    connection: &Connection,
    number: i64,
    namespace: &Namespace,
    id: DataId,
) -> Result<Option<Data>, Error> {
    let Some(part) = id.index() else {
        return stored::one(connection, number, id);
    };
    let Some((pos, record)) = record(connection, number, namespace, id.0)? else {
        return Ok(None);
    };
    let content = &record.content;
    let Some(value) = content.values().nth(part) else {
        return Ok(None);
    };
    let damaged =
        |what: &str| Error::damaged(format!("value {id} of namespace {namespace} {what}"));
    let json = match value.json {
        Some(json) => json.to_vec(),
        None => connection
            .prepare_cached("SELECT json FROM large_values WHERE pos = ?1 AND part = ?2")?
            .query_row(params![pos, part as i64], |row| row.get(0))
            .optional()?
            .ok_or_else(|| damaged("is missing"))?,
    };
    let json = String::from_utf8(json)
        .ok()
        .and_then(|json| RawValue::from_string(json).ok())
        .ok_or_else(|| damaged("is not JSON"))?;
    let reference = content
        .data_refs()
        .into_iter()
        .find(|reference| reference.id == id)
        .ok_or_else(|| damaged("is not named by its message"))?;
    Ok(Some(Data::new(
        id,
        value.validator,
        namespace.clone(),
        reference.hash,
        content.created,
        json,
    )))
}

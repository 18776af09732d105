//! How is a database brought from an older layout to the newest?

use photinus_contract::data::Validator;
use photinus_contract::record::{RecordContent, RecordWriter};
use photinus_contract::{EventType, MessageId, Namespace, Timestamp};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use uuid::Uuid;

use crate::error::Error;
use crate::schema::APPLICATION_ID;

/// The layouts, each made from the one before. `user_version` counts those that were applied.
const MIGRATIONS: [&str; 6] = [
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
];

/// The newest layout.
pub(crate) const NEWEST: usize = MIGRATIONS.len();

/// Applies what is missing, each migration whole or not at all.
pub(crate) fn migrate(connection: &Connection) -> Result<(), Error> {
    let applied: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let applied = usize::try_from(applied)
        .map_err(|_| Error::damaged(format!("the layout has the impossible number {applied}")))?;
    if applied >= NEWEST {
        return Ok(());
    }
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("packed_record", 13, flags, packed_record)?;
    connection.create_scalar_function("references_of", 2, flags, references_of)?;
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(applied) {
        let version = number + 1;
        if applied > 0 {
            tracing::info!(
                version,
                newest = NEWEST,
                "bringing the database to a newer layout"
            );
        }
        let script = format!(
            "BEGIN IMMEDIATE;\n{sql}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {version};\nCOMMIT;"
        );
        if let Err(error) = connection.execute_batch(&script) {
            if !connection.is_autocommit() {
                // The first error is the one to tell; what is open ends with the connection anyway.
                let _ = connection.execute_batch("ROLLBACK");
            }
            return Err(error.into());
        }
    }
    connection.remove_function("packed_record", 13)?;
    connection.remove_function("references_of", 2)?;
    if applied == 0 {
        // What the first layouts had is not left as empty pages. Those of a log are used again.
        connection.execute_batch("VACUUM")?;
    }
    Ok(())
}

/// A record of the first two layouts, which had a column for each of its texts: topics joined by `,`, events and values
/// by line breaks, a letter for each value.
fn packed_record(row: &Context<'_>) -> rusqlite::Result<Vec<u8>> {
    let damaged = |what: &str| {
        let what = format!("a row of the log {what}: start the version that wrote it");
        rusqlite::Error::UserFunctionError(what.into())
    };
    let text = |column: usize| {
        let text = row.get_raw(column).as_str();
        text.map_err(|_| damaged("has a text that is none"))
    };
    let blob = |column: usize| row.get_raw(column).as_blob_or_null().ok().flatten();

    let kind: u8 = row.get(0)?;
    let kind = EventType::ALL
        .get(usize::from(kind))
        .ok_or_else(|| damaged("has an unknown type"))?;
    let created = Timestamp::from_nanos(row.get(1)?);
    let topics: Vec<&str> = text(2)?.split(',').collect();
    let events = blob(10).unwrap_or_default();
    let events: Vec<&[u8]> = match topics.len() {
        1 => vec![events],
        _ => lines(events).collect(),
    };
    if topics.len() != events.len() {
        return Err(damaged("has another number of events than of topics"));
    }
    let key = row
        .get_raw(7)
        .as_str_or_null()
        .map_err(|_| damaged("has a bad key"))?;
    let mut writer = RecordWriter::new(1_024);
    writer.head(text(3)?, text(4)?, text(5)?, key);
    writer.topics(&topics);
    for event in events {
        writer.event(|json| json.extend_from_slice(event));
    }
    let letters = row.get_raw(12).as_str_or_null().ok().flatten();
    let mut letters = letters.map(str::chars);
    for value in blob(11).into_iter().flat_map(lines) {
        let validator = match &mut letters {
            Some(letters) => letters.next().and_then(Validator::from_letter),
            None => Some(Validator::Json),
        };
        let validator = validator.ok_or_else(|| damaged("has bad validators"))?;
        writer.value(validator, (!value.is_empty()).then_some(value));
    }
    let (start, len): (u32, u32) = (row.get(8)?, row.get(9)?);
    let end = start.checked_add(len);
    let message = start as usize..end.ok_or_else(|| damaged("has its message elsewhere"))? as usize;
    // Neither is packed: they stand beside it.
    let (id, namespace) = (MessageId(Uuid::nil()), Namespace::new(""));
    let mut record = writer.finish(id, namespace, *kind, created, message);
    record.correlator = blob(6).and_then(|id| Uuid::from_slice(id).ok());
    let mut packed = Vec::new();
    record.pack(&mut packed);
    Ok(packed)
}

/// The values that a record of the third layout refers to and did not bring: a JSON list of their ids in hex.
fn references_of(row: &Context<'_>) -> rusqlite::Result<String> {
    let id = row.get::<[u8; 16]>(0)?;
    let id = MessageId(Uuid::from_bytes(id));
    let packed = row.get_raw(1).as_blob().unwrap_or_default();
    // What cannot be read is told by whoever reads it for its own sake.
    let content = RecordContent::unpack(id, Namespace::new(""), packed);
    let references = content.map(|content| content.data_refs());
    let mut list = String::from("[");
    for reference in references.unwrap_or_default() {
        if MessageId::containing(reference.id.0) != id {
            let separator = if list.len() > 1 { "," } else { "" };
            list.push_str(&format!("{separator}\"{}\"", reference.id.0.simple()));
        }
    }
    list.push(']');
    Ok(list)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests;

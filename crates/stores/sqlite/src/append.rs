//! How is one record appended, whole or not at all?

use photinus_contract::record::{Enclosure, NewRecord, ReplyKey};
use photinus_contract::store::{AppendError, Appended};
use photinus_contract::{MessageId, Sequence};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::error::Error;
use crate::row::{self, SEQUENCE_MAX, position};
use crate::step::Step;
use crate::{datatypes, stored};

/// Appends records, each with its keys or nothing of it.
pub(crate) fn append_all(
    step: &mut Step<'_>,
    records: &[NewRecord],
) -> Result<Vec<Result<Appended, AppendError>>, Error> {
    // Looked up once, and not for each of a thousand rows.
    let mut insert_row = step.connection.prepare_cached(
        "INSERT INTO log (pos, id, key, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    let mut answers = Vec::with_capacity(records.len());
    let mut packed = Vec::new();
    for record in records {
        let result = append(step, &mut insert_row, record, &mut packed);
        answers.push(step.apart(result)?);
    }
    Ok(answers)
}

fn append(
    step: &mut Step<'_>,
    insert_row: &mut CachedStatement<'_>,
    record: &NewRecord,
    packed: &mut Vec<u8>,
) -> Result<Result<Appended, AppendError>, Error> {
    let content = &record.content;
    let Some(namespace) = step.namespace(&content.namespace) else {
        return Ok(Err(AppendError::UnknownNamespace));
    };
    if let Some(reply) = &record.reply
        && let Some(error) = check_reply(step.connection, reply)?
    {
        return Ok(Err(error));
    }
    let large = row::encode(content, step.place.config.inline_value_max, packed)?;
    let mut insert =
        |step: &mut Step<'_>| insert(step, insert_row, namespace, record, packed, &large);
    match &record.enclosed {
        // One statement is whole by itself.
        None if record.reply.is_none() && large.is_empty() => insert(step),
        None => step.whole(insert),
        // Its answer can be an error after something of it was written.
        Some(_) => {
            let mut refused = None;
            let inserted = step.whole(|step| match insert(step)? {
                Ok(appended) => Ok(appended),
                Err(error) => {
                    let text = error.to_string();
                    refused = Some(error);
                    Err(Error::Refused(text))
                }
            });
            match (inserted, refused) {
                (Err(Error::Refused(_)), Some(error)) => Ok(Err(error)),
                (inserted, _) => inserted.map(Ok),
            }
        }
    }
}

/// Stores what comes with a record.
fn enclose(
    step: &Step<'_>,
    namespace: i64,
    pos: i64,
    enclosed: &Enclosure,
) -> Result<Result<(), AppendError>, Error> {
    if let Some(datatype) = &enclosed.datatype
        && let Err(error) = datatypes::insert(step, namespace, datatype)?
    {
        return Ok(Err(error));
    }
    for data in &enclosed.data {
        stored::insert(step, data, false)?;
    }
    for reference in &enclosed.references {
        step.connection
            .prepare_cached(
                "INSERT INTO data_references (data, pos) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![reference.0.as_bytes(), pos])?;
    }
    Ok(Ok(()))
}

fn insert(
    step: &mut Step<'_>,
    insert_row: &mut CachedStatement<'_>,
    namespace: i64,
    record: &NewRecord,
    packed: &[u8],
    large: &row::Large<'_>,
) -> Result<Result<Appended, AppendError>, Error> {
    let content = &record.content;
    let connection = step.connection;
    let previous = step.head(namespace)?;
    let last = previous + content.events_len() as i64;
    if last > SEQUENCE_MAX {
        return Err(Error::Refused(format!(
            "the log of namespace {} is full: sequences end at {SEQUENCE_MAX}",
            content.namespace
        )));
    }
    let pos = position(namespace, last);
    let inserted = insert_row.execute(params![
        pos,
        content.id.0.as_bytes(),
        content.idempotency_key(),
        packed,
    ])?;
    if inserted == 0 {
        return match key_holder(connection, namespace, content.idempotency_key())? {
            Some(holder) => Ok(Err(AppendError::DuplicateKey { holder })),
            None => Err(Error::Refused(format!(
                "a message with the id {} is in the log already",
                content.id
            ))),
        };
    }
    for (part, json) in large {
        connection
            .prepare_cached("INSERT INTO large_values (pos, part, json) VALUES (?1, ?2, ?3)")?
            .execute(params![pos, part, json])?;
    }
    if let Some(reply) = &record.reply {
        connection
            .prepare_cached(
                "INSERT INTO replies (subscription, generation, event, message) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                reply.subscription.0.as_bytes(),
                reply.generation as i64,
                reply.event.0,
                content.id.0.as_bytes(),
            ])?;
    }
    if let Some(enclosed) = &record.enclosed
        && let Err(error) = enclose(step, namespace, pos, enclosed)?
    {
        return Ok(Err(error));
    }
    step.advance(namespace, last);
    Ok(Ok(Appended::new(Sequence(previous), Sequence(last))))
}

/// Why a reply must not be appended: its owner was superseded, it is there already, or its event was passed.
fn check_reply(connection: &Connection, reply: &ReplyKey) -> Result<Option<AppendError>, Error> {
    if let Some(epoch) = reply.epoch {
        let current = crate::offsets::epoch(connection, reply.subscription)?;
        if current != Some(epoch) {
            return Ok(Some(AppendError::Fenced));
        }
    }
    let holder = connection
        .prepare_cached(
            "SELECT message FROM replies WHERE subscription = ?1 AND generation = ?2 AND event = ?3",
        )?
        .query_row(
            params![
                reply.subscription.0.as_bytes(),
                reply.generation as i64,
                reply.event.0
            ],
            message_id,
        )
        .optional()?;
    if let Some(holder) = holder {
        return Ok(Some(AppendError::DuplicateReply { holder }));
    }
    let passed = crate::offsets::has_passed(connection, reply.subscription, reply.event)?;
    Ok(passed.then_some(AppendError::Passed))
}

fn key_holder(
    connection: &Connection,
    namespace: i64,
    key: Option<&str>,
) -> Result<Option<MessageId>, Error> {
    let Some(key) = key else { return Ok(None) };
    let holder = connection
        .prepare_cached("SELECT id FROM log WHERE pos >> 40 = ?1 AND key = ?2")?
        .query_row(params![namespace, key], message_id)
        .optional()?;
    Ok(holder)
}

fn message_id(row: &Row<'_>) -> rusqlite::Result<MessageId> {
    row.get(0).map(|id| MessageId(Uuid::from_bytes(id)))
}

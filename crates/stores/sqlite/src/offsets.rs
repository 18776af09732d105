//! How far is each durable subscription?

mod text;

use photinus_contract::store::{
    OffsetError, OffsetRecord, OffsetWrite, Offsets, Start, StoreError,
};
use photinus_contract::{BoxFuture, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use self::text::{read_failures, read_settled, write_failures, write_settled};
use crate::SqliteStore;
use crate::error::Error;
use crate::queue::Size;
use crate::step::Step;

impl Offsets for SqliteStore {
    fn claim(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.queue.write_one(move |step| {
            raise_epoch(step.connection, subscription)?;
            read(step.connection, subscription).map(|found| Ok(found.map(|(_, record)| record)))
        })
    }

    fn commit(&self, writes: Vec<OffsetWrite>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        let count = writes.len();
        let rows = |write: &OffsetWrite| 1 + write.unparked.len() + write.replays.len();
        let size = Size {
            records: writes.iter().map(rows).sum(),
            bytes: 0,
        };
        self.queue.write(
            size,
            move |step| {
                let mut answers = Vec::with_capacity(count);
                for write in &writes {
                    let result = commit(step, write);
                    answers.push(step.apart(result)?);
                }
                Ok(answers)
            },
            move |error| vec![Err(OffsetError::Store(error)); count],
        )
    }

    fn seek(
        &self,
        subscription: SubscriptionId,
        to: Start,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.queue.write_one(move |step| {
            let Some((namespace, before)) = read(step.connection, subscription)? else {
                return Ok(Ok(None));
            };
            let record = OffsetRecord::new(
                resolve(step, namespace, to)?,
                before.epoch + 1,
                before.generation + 1,
            );
            // Of an earlier generation, only the reply key of a parked event is used again: by its replay.
            forget_replies(step.connection, subscription, Sequence::MAX)?;
            insert(step.connection, subscription, namespace, &record)?;
            Ok(Ok(Some(record)))
        })
    }

    fn offset(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<Option<OffsetRecord>, StoreError>> {
        self.readers
            .read(move |connection| Ok(read(connection, subscription)?.map(|(_, record)| record)))
    }
}

fn commit(step: &mut Step<'_>, write: &OffsetWrite) -> Result<Result<(), OffsetError>, Error> {
    let connection = step.connection;
    let id = write.subscription.0.as_bytes();
    let current: Option<(i64, i64, i64)> = connection
        .prepare_cached("SELECT namespace, offset, epoch FROM offsets WHERE subscription = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((namespace, offset, epoch)) = current else {
        return Ok(Err(OffsetError::Fenced));
    };
    if from_column(epoch)? != write.epoch {
        return Ok(Err(OffsetError::Fenced));
    }
    write.check().map_err(Error::Refused)?;
    let newest = step.head(namespace)?.max(offset);
    if !(offset..=newest).contains(&write.offset.0) {
        return Err(Error::Refused(format!(
            "subscription {} cannot move from {offset} to {}: only a seek moves back, and the log ends at {newest}",
            write.subscription, write.offset
        )));
    }
    connection
        .prepare_cached(
            "UPDATE offsets SET offset = ?2, settled = ?3, failures = ?4 WHERE subscription = ?1",
        )?
        .execute(params![
            id,
            write.offset.0,
            write_settled(write.offset, &write.settled),
            write_failures(write.offset, &write.failures)
        ])?;
    for unparked in &write.unparked {
        connection
            .prepare_cached("DELETE FROM parked WHERE subscription = ?1 AND sequence = ?2")?
            .execute(params![id, unparked.0])?;
    }
    for failures in &write.replays {
        connection
            .prepare_cached(
                "UPDATE parked SET replay = ?3, replay_since = ?4 \
                 WHERE subscription = ?1 AND sequence = ?2 AND replay IS NOT NULL",
            )?
            .execute(params![
                id,
                failures.sequence.0,
                failures.count,
                failures.since.map(Timestamp::as_nanos)
            ])?;
    }
    if write.offset.0 > offset || !write.unparked.is_empty() {
        forget_replies(connection, write.subscription, write.offset)?;
    }
    Ok(Ok(()))
}

/// A reply cannot be asked for again once the offset has passed its event, unless that is parked.
pub(crate) fn forget_replies(
    connection: &Connection,
    subscription: SubscriptionId,
    offset: Sequence,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "DELETE FROM replies WHERE subscription = ?1 AND event <= ?2 AND NOT EXISTS \
             (SELECT 1 FROM parked WHERE parked.subscription = ?1 AND parked.sequence = replies.event)",
        )?
        .execute(params![subscription.0.as_bytes(), offset.0])?;
    Ok(())
}

/// The sequence that a start means now.
pub(crate) fn resolve(
    step: &mut Step<'_>,
    namespace: i64,
    start: Start,
) -> Result<Sequence, Error> {
    match start {
        Start::Oldest => Ok(Sequence::OLDEST),
        Start::Newest => Ok(match step.head(namespace)? {
            0 => Sequence::OLDEST,
            head => Sequence(head),
        }),
        Start::After(sequence) => Ok(sequence.max(Sequence::OLDEST)),
        other => Err(Error::Refused(format!("the start {other:?} is not known"))),
    }
}

/// The current epoch; `None` if there is no such subscription.
pub(crate) fn epoch(
    connection: &Connection,
    subscription: SubscriptionId,
) -> Result<Option<u64>, Error> {
    connection
        .prepare_cached("SELECT epoch FROM offsets WHERE subscription = ?1")?
        .query_row([subscription.0.as_bytes()], |row| row.get(0))
        .optional()?
        .map(from_column)
        .transpose()
}

/// Whether the offset has passed an event, which is not parked.
pub(crate) fn has_passed(
    connection: &Connection,
    subscription: SubscriptionId,
    event: Sequence,
) -> Result<bool, Error> {
    let passed = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM offsets WHERE subscription = ?1 AND offset >= ?2) \
             AND NOT EXISTS (SELECT 1 FROM parked WHERE subscription = ?1 AND sequence = ?2)",
        )?
        .query_row(params![subscription.0.as_bytes(), event.0], |row| {
            row.get(0)
        })?;
    Ok(passed)
}

/// Fences all that was claimed before.
pub(crate) fn raise_epoch(
    connection: &Connection,
    subscription: SubscriptionId,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE offsets SET epoch = epoch + 1 WHERE subscription = ?1")?
        .execute([subscription.0.as_bytes()])?;
    Ok(())
}

/// Writes a position that is new, or replaces the whole of it.
pub(crate) fn insert(
    connection: &Connection,
    subscription: SubscriptionId,
    namespace: i64,
    record: &OffsetRecord,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO offsets \
             (subscription, namespace, offset, epoch, generation, settled, failures) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            subscription.0.as_bytes(),
            namespace,
            record.offset.0,
            to_column(record.epoch)?,
            to_column(record.generation)?,
            write_settled(record.offset, &record.settled),
            write_failures(record.offset, &record.failures),
        ])?;
    Ok(())
}

/// The position, with the number of its namespace.
pub(crate) fn read(
    connection: &Connection,
    subscription: SubscriptionId,
) -> Result<Option<(i64, OffsetRecord)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT namespace, offset, epoch, generation, settled, failures FROM offsets \
         WHERE subscription = ?1",
    )?;
    let mut rows = statement.query([subscription.0.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let damaged = || {
        Error::damaged(format!(
            "the position of subscription {subscription} cannot be read"
        ))
    };
    let mut record = OffsetRecord::new(
        Sequence(row.get(1)?),
        from_column(row.get(2)?)?,
        from_column(row.get(3)?)?,
    );
    let settled = row.get_ref(4)?.as_str().map_err(|_| damaged())?;
    record.settled = read_settled(record.offset, settled).ok_or_else(damaged)?;
    let failures = row.get_ref(5)?.as_str().map_err(|_| damaged())?;
    record.failures = read_failures(record.offset, failures).ok_or_else(damaged)?;
    Ok(Some((row.get(0)?, record)))
}

/// Ephemeral subscriptions ended with the process that had them; nobody can use the keys of their replies.
pub(crate) fn forget_ephemeral(connection: &Connection) -> Result<(), Error> {
    connection.execute(
        "DELETE FROM replies WHERE subscription NOT IN (SELECT subscription FROM offsets)",
        [],
    )?;
    Ok(())
}

/// Epochs and generations count from 0; SQLite's integers have a sign.
pub(crate) fn to_column(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Refused(format!("the number {number} is too large")))
}

/// The reverse of [`to_column`].
pub(crate) fn from_column(number: i64) -> Result<u64, Error> {
    u64::try_from(number)
        .map_err(|_| Error::damaged(format!("{number} stands where only positive numbers can")))
}

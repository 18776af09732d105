//! How far is each durable subscription?

use std::fmt::Write;
use std::ops::RangeInclusive;

use photinus_contract::store::{
    OffsetError, OffsetRecord, OffsetWrite, Offsets, Start, StoreError,
};
use photinus_contract::{BoxFuture, Sequence, SubscriptionId};
use rusqlite::{Connection, OptionalExtension, params};

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
        let size = Size {
            records: count,
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
            // Nobody can use a reply key of an earlier generation any more.
            step.connection
                .prepare_cached("DELETE FROM replies WHERE subscription = ?1")?
                .execute([subscription.0.as_bytes()])?;
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
    if write.offset.0 > offset {
        // A reply cannot be asked for again once the offset has passed its event, unless that is parked.
        connection
            .prepare_cached(
                "DELETE FROM replies WHERE subscription = ?1 AND event <= ?2 AND NOT EXISTS \
                 (SELECT 1 FROM parked WHERE parked.subscription = ?1 AND parked.sequence = replies.event)",
            )?
            .execute(params![id, write.offset.0])?;
    }
    Ok(Ok(()))
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
fn read(
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

/// `gap` or `gap+more` for each range: how far it begins above the end of the one before (the first: above
/// the offset), and how many follow in it. Short, because ranges lie close together.
fn write_settled(offset: Sequence, settled: &[RangeInclusive<i64>]) -> String {
    let mut text = String::new();
    let mut end = offset.0;
    for range in settled {
        separate(&mut text);
        let _ = write!(text, "{}", range.start() - end);
        if range.end() != range.start() {
            let _ = write!(text, "+{}", range.end() - range.start());
        }
        end = *range.end();
    }
    text
}

fn read_settled(offset: Sequence, text: &str) -> Option<Vec<RangeInclusive<i64>>> {
    let mut end = offset.0;
    items(text)
        .map(|item| {
            let (gap, more) = item.split_once('+').unwrap_or((item, "0"));
            let start = end.checked_add_unsigned(distance(gap)?)?;
            end = start.checked_add_unsigned(more.parse().ok()?)?;
            Some(start..=end)
        })
        .collect()
}

fn write_failures(offset: Sequence, failures: &[(Sequence, u32)]) -> String {
    let mut text = String::new();
    for (sequence, count) in failures {
        separate(&mut text);
        let _ = write!(text, "{}:{count}", sequence.0 - offset.0);
    }
    text
}

fn read_failures(offset: Sequence, text: &str) -> Option<Vec<(Sequence, u32)>> {
    items(text)
        .map(|item| {
            let (above, count) = item.split_once(':')?;
            let sequence = offset.0.checked_add_unsigned(distance(above)?)?;
            Some((Sequence(sequence), count.parse().ok()?))
        })
        .collect()
}

/// How far something is above something else, which is never nothing.
fn distance(text: &str) -> Option<u64> {
    text.parse().ok().filter(|distance| *distance > 0)
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|item| !item.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settled_ranges_survive_their_text() {
        for (offset, settled, text) in [
            (-1, vec![], ""),
            (-1, vec![1..=1], "2"),
            (10, vec![12..=14, 16..=16, 20..=29], "2+2,2,4+9"),
        ] {
            assert_eq!(write_settled(Sequence(offset), &settled), text);
            assert_eq!(read_settled(Sequence(offset), text).unwrap(), settled);
        }
        for text in [
            "x",
            "1+",
            "+1",
            "0",
            "-1",
            "1+-1",
            "1,0+1",
            "9223372036854775807",
        ] {
            assert_eq!(read_settled(Sequence(1), text), None, "{text}");
        }
    }

    #[test]
    fn failures_survive_their_text() {
        let failures = vec![(Sequence(12), 1), (Sequence(17), 40)];
        let text = write_failures(Sequence(10), &failures);
        assert_eq!(text, "2:1,7:40");
        assert_eq!(read_failures(Sequence(10), &text).unwrap(), failures);
        for text in ["2", "2:", ":1", "2:-1", "0:1", "-2:1"] {
            assert_eq!(read_failures(Sequence(10), text), None, "{text}");
        }
    }
}

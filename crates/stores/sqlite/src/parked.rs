//! Where are events kept that were set aside?

use photinus_contract::store::{OffsetError, Parked, ParkedEntry, StoreError};
use photinus_contract::{BoxFuture, EventId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Error;
use crate::offsets::{self, from_column, to_column};
use crate::queue::Size;

impl Parked for SqliteStore {
    fn park(&self, entries: Vec<ParkedEntry>) -> BoxFuture<'static, Vec<Result<(), OffsetError>>> {
        let count = entries.len();
        let size = Size {
            records: count,
            bytes: entries.iter().map(|entry| entry.reason.len()).sum(),
        };
        self.queue.write(
            size,
            move |step| {
                let mut answers = Vec::with_capacity(count);
                for entry in &entries {
                    let result = park(step.connection, entry);
                    answers.push(step.apart(result)?);
                }
                Ok(answers)
            },
            move |error| vec![Err(OffsetError::Store(error)); count],
        )
    }

    fn parked(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT epoch, generation, sequence, event, attempts, reason, created FROM parked \
                 WHERE subscription = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement
                .query_and_then(params![subscription.0.as_bytes(), after.0, limit], |row| {
                    entry(subscription, row)
                })?
                .collect()
        })
    }
}

fn park(connection: &Connection, entry: &ParkedEntry) -> Result<Result<(), OffsetError>, Error> {
    if offsets::epoch(connection, entry.subscription)? != Some(entry.epoch) {
        return Ok(Err(OffsetError::Fenced));
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO parked \
             (subscription, sequence, event, epoch, generation, attempts, reason, created) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            entry.subscription.0.as_bytes(),
            entry.sequence.0,
            entry.event.0.as_bytes(),
            to_column(entry.epoch)?,
            to_column(entry.generation)?,
            entry.attempts,
            entry.reason,
            entry.created.as_nanos(),
        ])?;
    Ok(Ok(()))
}

fn entry(subscription: SubscriptionId, row: &Row<'_>) -> Result<ParkedEntry, Error> {
    Ok(ParkedEntry::new(
        subscription,
        from_column(row.get(0)?)?,
        from_column(row.get(1)?)?,
        Sequence(row.get(2)?),
        EventId(Uuid::from_bytes(row.get(3)?)),
        row.get(4)?,
        row.get(5)?,
        Timestamp::from_nanos(row.get(6)?),
    ))
}

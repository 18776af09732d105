//! Where are events kept that were set aside?

use std::collections::BTreeSet;

use photinus_contract::store::{OffsetError, Parked, ParkedEntry, Replay, Selection, StoreError};
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
            bytes: entries
                .iter()
                .map(|entry| entry.reason.len() + entry.error.as_ref().map_or(0, String::len))
                .sum(),
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
        self.page(subscription, after, limit, "parked WHERE")
    }

    fn replays(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        // Said by name: without statistics, the planner takes the primary key, and reads all that is parked.
        self.page(
            subscription,
            after,
            limit,
            "parked INDEXED BY parked_replay WHERE replay IS NOT NULL AND",
        )
    }

    fn parked_event(
        &self,
        subscription: SubscriptionId,
        event: EventId,
    ) -> BoxFuture<'static, Result<Option<ParkedEntry>, StoreError>> {
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM parked INDEXED BY parked_event \
                 WHERE subscription = ?1 AND event = ?2"
            ))?;
            let mut rows =
                statement.query(params![subscription.0.as_bytes(), event.0.as_bytes()])?;
            rows.next()?.map(|row| entry(subscription, row)).transpose()
        })
    }

    fn parked_count(
        &self,
        subscription: SubscriptionId,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.readers.read(move |connection| {
            let count = connection
                .prepare_cached("SELECT COUNT(*) FROM parked WHERE subscription = ?1")?
                .query_row([subscription.0.as_bytes()], |row| row.get(0))?;
            from_column(count)
        })
    }

    fn replay(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.queue.write_one(move |step| {
            let id = subscription.0.as_bytes();
            let mut selected = 0;
            for (from, to) in places(step.connection, subscription, &selection)? {
                let there: i64 = step
                    .connection
                    .prepare_cached(
                        "SELECT COUNT(*) FROM parked \
                         WHERE subscription = ?1 AND sequence BETWEEN ?2 AND ?3",
                    )?
                    .query_row(params![id, from, to], |row| row.get(0))?;
                selected += from_column(there)?;
                step.connection
                    .prepare_cached(
                        "UPDATE parked SET replay = 0, replay_since = NULL \
                         WHERE subscription = ?1 AND sequence BETWEEN ?2 AND ?3 AND replay IS NULL",
                    )?
                    .execute(params![id, from, to])?;
            }
            Ok(Ok(selected))
        })
    }

    fn discard(
        &self,
        subscription: SubscriptionId,
        selection: Selection,
    ) -> BoxFuture<'static, Result<Vec<Sequence>, StoreError>> {
        self.queue.write_one(move |step| {
            let Some((namespace, mut record)) = offsets::read(step.connection, subscription)?
            else {
                return Ok(Ok(Vec::new()));
            };
            let id = subscription.0.as_bytes();
            let (mut gone, mut settled) = (Vec::new(), Vec::new());
            for (from, to) in places(step.connection, subscription, &selection)? {
                let mut entries = step.connection.prepare_cached(
                    "SELECT sequence, generation FROM parked \
                     WHERE subscription = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY sequence",
                )?;
                let mut entries = entries.query(params![id, from, to])?;
                while let Some(entry) = entries.next()? {
                    let sequence = Sequence(entry.get(0)?);
                    gone.push(sequence);
                    if from_column(entry.get(1)?)? == record.generation {
                        settled.push(sequence);
                    }
                }
                step.connection
                    .prepare_cached(
                        "DELETE FROM parked \
                         WHERE subscription = ?1 AND sequence BETWEEN ?2 AND ?3",
                    )?
                    .execute(params![id, from, to])?;
            }
            if !settled.is_empty() {
                record.settle(settled);
                offsets::insert(step.connection, subscription, namespace, &record)?;
            }
            if !gone.is_empty() {
                offsets::forget_replies(step.connection, subscription, record.offset)?;
            }
            Ok(Ok(gone))
        })
    }
}

/// What [`entry`] reads.
const COLUMNS: &str =
    "epoch, generation, sequence, event, attempts, reason, created, error, replay, replay_since";

impl SqliteStore {
    fn page(
        &self,
        subscription: SubscriptionId,
        after: Sequence,
        limit: usize,
        from: &'static str,
    ) -> BoxFuture<'static, Result<Vec<ParkedEntry>, StoreError>> {
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {from} subscription = ?1 AND sequence > ?2 \
                 ORDER BY sequence LIMIT ?3"
            ))?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            statement
                .query_and_then(params![subscription.0.as_bytes(), after.0, limit], |row| {
                    entry(subscription, row)
                })?
                .collect()
        })
    }
}

/// Where the entries stand that are meant: first and last place of each run, in order, not overlapping.
fn places(
    connection: &Connection,
    subscription: SubscriptionId,
    selection: &Selection,
) -> Result<Vec<(i64, i64)>, Error> {
    match selection {
        Selection::All => Ok(vec![(i64::MIN, i64::MAX)]),
        Selection::Range(from, to) => Ok(vec![(from.0, to.0)]),
        Selection::Events(events) => {
            let mut statement = connection.prepare_cached(
                "SELECT sequence FROM parked INDEXED BY parked_event \
                 WHERE subscription = ?1 AND event = ?2",
            )?;
            let mut found = BTreeSet::new();
            for event in events {
                let of_it = params![subscription.0.as_bytes(), event.0.as_bytes()];
                for place in statement.query_map(of_it, |row| row.get(0))? {
                    found.insert(place?);
                }
            }
            Ok(found.into_iter().map(|place| (place, place)).collect())
        }
        other => Err(Error::Refused(format!(
            "the selection {other:?} is not known"
        ))),
    }
}

fn park(connection: &Connection, entry: &ParkedEntry) -> Result<Result<(), OffsetError>, Error> {
    if offsets::epoch(connection, entry.subscription)? != Some(entry.epoch) {
        return Ok(Err(OffsetError::Fenced));
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO parked \
             (subscription, sequence, event, epoch, generation, attempts, reason, created, error, \
              replay, replay_since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
            entry.error,
            entry.replay.map(|replay| replay.failures),
            entry
                .replay
                .and_then(|replay| replay.since)
                .map(Timestamp::as_nanos),
        ])?;
    Ok(Ok(()))
}

fn entry(subscription: SubscriptionId, row: &Row<'_>) -> Result<ParkedEntry, Error> {
    let mut entry = ParkedEntry::new(
        subscription,
        (from_column(row.get(0)?)?, from_column(row.get(1)?)?),
        (
            Sequence(row.get(2)?),
            EventId(Uuid::from_bytes(row.get(3)?)),
        ),
        Timestamp::from_nanos(row.get(6)?),
    )
    .because(row.get(4)?, row.get(5)?, row.get(7)?);
    let failures: Option<u32> = row.get(8)?;
    let since: Option<i64> = row.get(9)?;
    entry.replay = failures.map(|failures| Replay {
        failures,
        since: since.map(Timestamp::from_nanos),
    });
    Ok(entry)
}

//! Where are durable subscriptions kept?

use std::fmt::Display;

use photinus_contract::store::{
    CreateSubscriptionError, OffsetRecord, Pause, Start, StoreError, Subscriptions,
};
use photinus_contract::{BoxFuture, Secrets, Subscription, SubscriptionId, Timestamp};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Error;
use crate::offsets;

impl Subscriptions for SqliteStore {
    fn create_subscription(
        &self,
        mut subscription: Subscription,
        start: Start,
    ) -> BoxFuture<'static, Result<Subscription, CreateSubscriptionError>> {
        self.queue.write_one(move |step| {
            let Some(namespace) = step.namespace(&subscription.namespace) else {
                return Ok(Err(CreateSubscriptionError::UnknownNamespace));
            };
            let taken: bool = step
                .connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM subscriptions WHERE namespace = ?1 AND name = ?2)",
                )?
                .query_row(params![namespace, &*subscription.name], |row| row.get(0))?;
            if taken {
                return Ok(Err(CreateSubscriptionError::Exists));
            }
            let offset = offsets::resolve(step, namespace, start)?;
            subscription.options.first_event = Some(offset.to_string());
            step.connection
                .prepare_cached(
                    "INSERT INTO subscriptions (id, namespace, name, definition) \
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    subscription.id.0.as_bytes(),
                    namespace,
                    &*subscription.name,
                    definition(&subscription)?
                ])?;
            put_secrets(step.connection, &subscription)?;
            let record = OffsetRecord::new(offset, 0, 0);
            offsets::insert(step.connection, subscription.id, namespace, &record)?;
            Ok(Ok(subscription))
        })
    }

    fn update_subscription(
        &self,
        subscription: Subscription,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.queue.write_one(move |step| {
            let Some(namespace) = step.namespace(&subscription.namespace) else {
                return Ok(Ok(false));
            };
            let changed = step
                .connection
                .prepare_cached(
                    "UPDATE subscriptions SET name = ?3, definition = ?4 \
                     WHERE id = ?1 AND namespace = ?2",
                )?
                .execute(params![
                    subscription.id.0.as_bytes(),
                    namespace,
                    &*subscription.name,
                    definition(&subscription)?
                ])?;
            if changed > 0 {
                put_secrets(step.connection, &subscription)?;
                offsets::raise_epoch(step.connection, subscription.id)?;
            }
            Ok(Ok(changed > 0))
        })
    }

    fn delete_subscription(
        &self,
        id: SubscriptionId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.queue.write_one(move |step| {
            let delete = |sql| -> Result<usize, Error> {
                let mut statement = step.connection.prepare_cached(sql)?;
                Ok(statement.execute([id.0.as_bytes()])?)
            };
            // The keys of replies go also where an ephemeral subscription has left them.
            delete("DELETE FROM replies WHERE subscription = ?1")?;
            delete("DELETE FROM parked WHERE subscription = ?1")?;
            delete("DELETE FROM offsets WHERE subscription = ?1")?;
            delete("DELETE FROM pauses WHERE subscription = ?1")?;
            delete("DELETE FROM secrets WHERE subscription = ?1")?;
            let deleted = delete("DELETE FROM subscriptions WHERE id = ?1")?;
            Ok(Ok(deleted > 0))
        })
    }

    fn pause_subscription(
        &self,
        id: SubscriptionId,
        pause: Option<Pause>,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.queue.write_one(move |step| {
            let key = id.0.as_bytes();
            let known: bool = step
                .connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM subscriptions WHERE id = ?1)")?
                .query_row([key], |row| row.get(0))?;
            match pause.as_ref().filter(|_| known) {
                Some(pause) => {
                    let until = pause.until.map(Timestamp::as_nanos);
                    step.connection
                        .prepare_cached(
                            "INSERT OR REPLACE INTO pauses (subscription, until, reason) \
                             VALUES (?1, ?2, ?3)",
                        )?
                        .execute(params![key, until, pause.reason])?;
                }
                None => {
                    step.connection
                        .prepare_cached("DELETE FROM pauses WHERE subscription = ?1")?
                        .execute([key])?;
                }
            }
            Ok(Ok(known))
        })
    }

    fn pauses(&self) -> BoxFuture<'static, Result<Vec<(SubscriptionId, Pause)>, StoreError>> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT subscription, until, reason FROM pauses ORDER BY subscription",
            )?;
            let mut rows = statement.query([])?;
            let mut pauses = Vec::new();
            while let Some(row) = rows.next()? {
                let id = row
                    .get_ref(0)?
                    .as_blob()
                    .ok()
                    .and_then(|id| Uuid::from_slice(id).ok());
                let id = id.ok_or_else(|| Error::damaged("a pause names no subscription"))?;
                let until: Option<i64> = row.get(1)?;
                let reason: String = row.get(2)?;
                let pause = Pause::new(until.map(Timestamp::from_nanos), reason);
                pauses.push((SubscriptionId(id), pause));
            }
            Ok(pauses)
        })
    }

    fn subscriptions(&self) -> BoxFuture<'static, Result<Vec<Subscription>, StoreError>> {
        self.readers.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, definition, secrets.options FROM subscriptions \
                 LEFT JOIN secrets ON secrets.subscription = subscriptions.id ORDER BY number",
            )?;
            let mut rows = statement.query([])?;
            let mut subscriptions = Vec::new();
            while let Some(row) = rows.next()? {
                subscriptions.push(subscription(row)?);
            }
            Ok(subscriptions)
        })
    }
}

fn subscription(row: &Row<'_>) -> Result<Subscription, Error> {
    let number: i64 = row.get(0)?;
    let damaged =
        |error: &dyn Display| Error::damaged(format!("subscription number {number}: {error}"));
    let definition = row.get_ref(1)?.as_bytes().unwrap_or_default();
    let mut subscription: Subscription =
        serde_json::from_slice(definition).map_err(|error| damaged(&error))?;
    if let Some(secrets) = row.get::<_, Option<String>>(2)? {
        subscription.secrets = Secrets::from_stored(&secrets).map_err(|error| damaged(&error))?;
    }
    Ok(subscription)
}

fn put_secrets(connection: &Connection, subscription: &Subscription) -> Result<(), Error> {
    let id = subscription.id.0.as_bytes();
    match subscription.secrets.to_stored() {
        Some(secrets) => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO secrets (subscription, options) VALUES (?1, ?2)",
            )?
            .execute(params![id, secrets])?,
        None => connection
            .prepare_cached("DELETE FROM secrets WHERE subscription = ?1")?
            .execute([id])?,
    };
    Ok(())
}

fn definition(subscription: &Subscription) -> Result<String, Error> {
    serde_json::to_string(subscription).map_err(|error| {
        Error::Refused(format!(
            "subscription {} cannot be written as JSON: {error}",
            subscription.id
        ))
    })
}

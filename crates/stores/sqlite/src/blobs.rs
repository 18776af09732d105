//! How do the bytes of a blob and the data that names it come and go together?
//!
//! Files and rows cannot be changed in one step. So a row says that a blob is on its way before there is a file, and
//! goes in the transaction in which its data comes; it comes in the one in which the data goes. Whatever a crash
//! leaves has such a row, and a start needs to look at nothing else:
//!
//! ```text
//!   row "moving" ─▶ file ─▶ synced ─▶ { row of the data, no row "moving" }
//!   { no row of the data, row "moving" } ─▶ file removed ─▶ no row "moving"
//! ```

use bytes::Bytes;
use photinus_contract::store::{BlobWriter, Blobs, StoreError, StoreErrorKind};
use photinus_contract::{BoxFuture, Data, DataId};
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Error;
use crate::files::{self, Files, Part};
use crate::queue::Queue;
use crate::schema::Place;
use crate::step::Step;
use crate::stored;

impl Blobs for SqliteStore {
    fn begin_blob(
        &self,
        id: DataId,
    ) -> BoxFuture<'static, Result<Box<dyn BlobWriter>, StoreError>> {
        let begun = begin(&self.queue, id);
        let mut moving = Moving::new(&self.queue, &self.files, id);
        Box::pin(async move {
            begun.await?;
            // Dropped in the middle, it is left to the next start: nobody knows whether the file comes.
            let part = moving.files.begin(id).await;
            moving.has_row = true;
            let part = part?;
            Ok(Box::new(Writer {
                moving,
                part,
                is_whole: true,
            }) as Box<dyn BlobWriter>)
        })
    }

    fn share_blob(&self, from: DataId, data: Data) -> BoxFuture<'static, Result<bool, StoreError>> {
        let begun = begin(&self.queue, data.id);
        let mut moving = Moving::new(&self.queue, &self.files, data.id);
        Box::pin(async move {
            begun.await?;
            let room = moving.take(data.blob.as_ref().map_or(0, |blob| blob.size));
            let shared = match room {
                Ok(()) => moving.files.share(from, data.id).await,
                Err(full) => Err(full),
            };
            moving.has_row = true;
            if !shared? {
                return Ok(false);
            }
            moving.settle(data).await?;
            Ok(true)
        })
    }

    fn read_blob(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        self.files.read(id, offset, length)
    }
}

/// A blob that has no data yet. Dropping it removes what there is of it.
struct Moving {
    queue: Queue,
    files: Files,
    id: DataId,
    has_row: bool,
    /// The room that it takes.
    bytes: u64,
}

impl Moving {
    fn new(queue: &Queue, files: &Files, id: DataId) -> Self {
        Self {
            queue: queue.clone(),
            files: files.clone(),
            id,
            has_row: false,
            bytes: 0,
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.files.take_room(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Stores the data of bytes that are durable. What was called is done though nobody waits, and then only it knows
    /// whether the blob stays: if it fails, the file is left to the next start.
    fn settle(mut self, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        let put = stored::put(&self.queue, data, true);
        let (has_row, bytes) = (self.has_row, self.bytes);
        (self.has_row, self.bytes) = (false, 0);
        Box::pin(async move {
            let mut moving = self;
            let stored = put.await;
            if stored.is_err() {
                (moving.has_row, moving.bytes) = (has_row, bytes);
            }
            stored
        })
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.files.give_room(self.bytes);
        if self.has_row {
            remove(&self.queue, &self.files, self.id);
        }
    }
}

struct Writer {
    moving: Moving,
    part: Part,
    /// Every piece that was given is in the file.
    is_whole: bool,
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StoreError>> {
        let was_whole = std::mem::replace(&mut self.is_whole, false);
        let room = self.moving.take(bytes.len() as u64);
        let written = room.map(|()| self.moving.files.append(&self.part, bytes));
        Box::pin(async move {
            written?.await?;
            self.is_whole = was_whole;
            Ok(())
        })
    }

    fn finish(self: Box<Self>, data: Data) -> BoxFuture<'static, Result<(), StoreError>> {
        let Self {
            moving,
            part,
            is_whole,
        } = *self;
        if !is_whole || moving.id != data.id {
            let text = format!(
                "data {} does not have this blob, or it was not written whole",
                data.id
            );
            let error = StoreError::new(StoreErrorKind::Other, text);
            return Box::pin(async move { Err(error) });
        }
        let named = moving.files.finish(moving.id, &part);
        Box::pin(async move {
            named.await?;
            moving.settle(data).await
        })
    }
}

/// Says that a blob is on its way.
fn begin(queue: &Queue, id: DataId) -> BoxFuture<'static, Result<(), StoreError>> {
    queue.write_one(move |step| {
        let refused = |what: &str| Err(Error::Refused(format!("the blob of data {id} {what}")));
        if id.index().is_some() {
            return refused("would belong to a value in the log");
        }
        let id = id.0.as_bytes();
        let is_taken: bool = step
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM data WHERE id = ?1)")?
            .query_row([id], |row| row.get(0))?;
        let inserted = match is_taken {
            true => 0,
            false => step
                .connection
                .prepare_cached("INSERT INTO moving_blobs (id) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute([id])?,
        };
        match inserted {
            0 => refused("is there already"),
            _ => Ok(Ok(())),
        }
    })
}

/// Says within a transaction that a blob has its data now, or has lost it. Whether it had.
pub(crate) fn arrived(step: &Step<'_>, id: DataId) -> Result<bool, Error> {
    let mut statement = step
        .connection
        .prepare_cached("DELETE FROM moving_blobs WHERE id = ?1")?;
    Ok(statement.execute([id.0.as_bytes()])? > 0)
}

/// The other way round.
pub(crate) fn departed(step: &Step<'_>, id: DataId) -> Result<(), Error> {
    step.connection
        .prepare_cached("INSERT INTO moving_blobs (id) VALUES (?1)")?
        .execute([id.0.as_bytes()])?;
    Ok(())
}

/// Removes what there is of a blob that has a row, and then the row.
pub(crate) fn remove(queue: &Queue, files: &Files, id: DataId) {
    let queue = queue.clone();
    files.remove_then(id, move || {
        drop(queue.write_one(move |step| Ok(Ok::<_, StoreError>(arrived(step, id)?))));
    });
}

/// Removes what a crash has left. Returns how many bytes all other blobs have.
pub(crate) fn sweep(connection: &Connection, place: &Place) -> Result<u64, StoreError> {
    let at = |error: Error| error.at(&place.directory);
    let ids = moving(connection).map_err(at)?;
    files::remove_all(&place.blobs(), &ids)?;
    let forget = || -> Result<u64, Error> {
        for id in &ids {
            connection.execute(
                "DELETE FROM moving_blobs WHERE id = ?1",
                params![id.0.as_bytes()],
            )?;
        }
        let bytes: i64 = connection.query_row(
            "SELECT ifnull(sum(blob_bytes), 0) FROM data WHERE blob IS NOT NULL",
            [],
            |row| row.get(0),
        )?;
        Ok(bytes.unsigned_abs())
    };
    forget().map_err(at)
}

fn moving(connection: &Connection) -> Result<Vec<DataId>, Error> {
    let mut statement = connection.prepare("SELECT id FROM moving_blobs")?;
    let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    let ids = ids.map(|id| Ok(DataId(Uuid::from_bytes(id?))));
    ids.collect()
}

//! Would a write be taken now?
//!
//! Three things are tried, because there are three ways to be full. The operator's limit counts pages that are in use.
//! The write-ahead file may have room left that it
//! writes again and again, where a small write succeeds and the next large one does not: so a file is made that
//! grows, is synced and removed. And a disk that refuses to write in place refuses the database itself: so a
//! transaction writes its first page as it is.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use photinus_contract::store::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use crate::error::Error;
use crate::lock::inaccessible;
use crate::schema::PAGE_BYTES;
use crate::step::Step;

/// The file that is made and removed.
const FILE: &str = "photinus.trial";
/// How much room there has to be: more than the largest message takes, by default.
const ROOM_BYTES: usize = 1 << 20;
/// Of a limit that is smaller than that, only this part has to be free.
const LIMIT_PART: i64 = 16;

/// Tries it, on the thread that writes.
pub(crate) fn write(step: &mut Step<'_>) -> Result<Result<(), StoreError>, Error> {
    if let Some(limit) = no_room_below_limit(step.connection)? {
        let text = format!(
            "{}: the database has nearly reached its limit of {limit} pages; raise the limit",
            step.place.directory.display()
        );
        return Ok(Err(StoreError::new(StoreErrorKind::Full, text)));
    }
    if let Err(error) = grow(&step.place.directory) {
        return Ok(Err(error));
    }
    // The same number again: nothing changes, but the page that holds it is written.
    let version: i64 = step
        .connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))?;
    step.connection
        .execute_batch(&format!("PRAGMA user_version = {version}"))?;
    Ok(Ok(()))
}

/// The limit, if what it leaves is less than what has to be free.
fn no_room_below_limit(connection: &Connection) -> Result<Option<u64>, Error> {
    let ask = |what: &str| {
        connection.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0))
    };
    let limit = ask("max_page_count")?;
    let left = limit - ask("page_count")? + ask("freelist_count")?;
    let wanted = (ROOM_BYTES as i64 / i64::from(PAGE_BYTES)).min(limit / LIMIT_PART);
    Ok((left < wanted).then_some(limit.unsigned_abs()))
}

/// Removes what a trial left that did not end. It is in nobody's way if it stays: the next one begins it anew.
pub(crate) fn remove(directory: &Path) {
    let _ = fs::remove_file(directory.join(FILE));
}

fn grow(directory: &Path) -> Result<(), StoreError> {
    let path = directory.join(FILE);
    let tried = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; ROOM_BYTES])?;
        file.sync_all()
    });
    remove(directory);
    tried.map_err(|error| inaccessible(&path, "write", &error))
}

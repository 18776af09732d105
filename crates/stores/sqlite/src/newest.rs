//! What is there, newest first?
//!
//! Datatypes and stored data are kept alike: as definitions, found by ids that grow with time.

use photinus_contract::store::{ReadLimit, StoreError};
use photinus_contract::{BoxFuture, Namespace};
use rusqlite::params;
use uuid::Uuid;

use crate::SqliteStore;
use crate::error::Error;

/// Above every id.
const ABOVE_ALL: [u8; 17] = [0xFF; 17];

impl SqliteStore {
    /// The rows of a namespace whose ids are below `before`, from the newest on. `bytes` is what one counts towards
    /// the limit.
    pub(crate) fn newest<T: Send + 'static>(
        &self,
        table: &str,
        namespace: &Namespace,
        before: Option<Uuid>,
        mut limit: ReadLimit,
        decoded: fn(&str) -> Result<T, Error>,
        bytes: fn(&T) -> usize,
    ) -> BoxFuture<'static, Result<Vec<T>, StoreError>> {
        let Some(number) = self.namespace(namespace) else {
            return self.readers.read(|_| Ok(Vec::new()));
        };
        let select = format!(
            "SELECT definition FROM {table} WHERE namespace = ?1 AND id < ?2 ORDER BY id DESC"
        );
        self.readers.read(move |connection| {
            let mut statement = connection.prepare_cached(&select)?;
            let before = before.as_ref().map_or(&ABOVE_ALL[..], |id| id.as_bytes());
            let mut rows = statement.query(params![number, before])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let one = decoded(&row.get::<_, String>(0)?)?;
                if !limit.takes(found.is_empty(), bytes(&one)) {
                    break;
                }
                found.push(one);
            }
            Ok(found)
        })
    }
}

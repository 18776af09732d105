//! What went wrong in the database, in the words of the contract?

use std::path::Path;

use photinus_contract::store::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why an operation on the database failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not as we write rows.
    #[error("{0}")]
    Damaged(String),
    /// What was to be stored breaks a rule of the store.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// A row is not as we write rows; `what` says which and how.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Error::Damaged(what.into())
    }

    /// The class of the error in the contract.
    pub(crate) fn kind(&self) -> StoreErrorKind {
        let code = match self {
            Error::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => error,
            // The other errors of rusqlite that remain are about values of a type that we never write.
            Error::Sqlite(
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..),
            )
            | Error::Damaged(_) => return StoreErrorKind::Corrupt,
            Error::Sqlite(_) | Error::Refused(_) => return StoreErrorKind::Other,
        };
        match code.code {
            ErrorCode::DiskFull => StoreErrorKind::Full,
            // The shared memory beside the database could not grow.
            ErrorCode::SystemIoFailure if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                StoreErrorKind::Full
            }
            ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied => StoreErrorKind::Inaccessible,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreErrorKind::Corrupt,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Other,
        }
    }

    /// Whether a sync failed: what it would have written can be lost, whatever a later one says.
    pub(crate) fn is_failed_sync(&self) -> bool {
        matches!(
            self,
            Error::Sqlite(rusqlite::Error::SqliteFailure(error, _))
                if error.extended_code == ffi::SQLITE_IOERR_FSYNC
        )
    }

    /// Whether the transaction as a whole cannot go on, as against one statement of it.
    pub(crate) fn fails_the_group(&self) -> bool {
        match self.kind() {
            StoreErrorKind::Other => false,
            // A damaged row concerns who reads it; a damaged database everybody.
            StoreErrorKind::Corrupt => {
                matches!(self, Error::Sqlite(rusqlite::Error::SqliteFailure(..)))
            }
            _ => true,
        }
    }

    /// This error of the database in `directory`, with what to do about it.
    pub(crate) fn at(&self, directory: &Path) -> StoreError {
        let kind = self.kind();
        let place = directory.display();
        let advice = match kind {
            StoreErrorKind::Full => {
                "; free some space or raise the limit, nothing that was stored is harmed"
            }
            StoreErrorKind::Inaccessible => {
                "; the directory and the files in it must be readable and writable"
            }
            StoreErrorKind::Corrupt => "; restore the directory from a copy",
            _ => "",
        };
        StoreError::new(kind, format!("{place}: {self}{advice}"))
    }
}

/// The answer to every call after the store was closed.
pub(crate) fn closed() -> StoreError {
    StoreError::new(
        StoreErrorKind::Closed,
        "the call came after the store was closed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_error_has_its_kind() {
        for (code, kind, group) in [
            (ffi::SQLITE_FULL, StoreErrorKind::Full, true),
            (ffi::SQLITE_IOERR_SHMSIZE, StoreErrorKind::Full, true),
            (ffi::SQLITE_IOERR_FSYNC, StoreErrorKind::Inaccessible, true),
            (ffi::SQLITE_READONLY, StoreErrorKind::Inaccessible, true),
            (ffi::SQLITE_CANTOPEN, StoreErrorKind::Inaccessible, true),
            (ffi::SQLITE_NOTADB, StoreErrorKind::Corrupt, true),
            (ffi::SQLITE_CORRUPT, StoreErrorKind::Corrupt, true),
            (ffi::SQLITE_BUSY, StoreErrorKind::Unavailable, true),
            (ffi::SQLITE_CONSTRAINT, StoreErrorKind::Other, false),
            (ffi::SQLITE_TOOBIG, StoreErrorKind::Other, false),
        ] {
            let error = Error::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!(
                (error.kind(), error.fails_the_group()),
                (kind, group),
                "{code}"
            );
        }
        let damaged = Error::damaged("row 5 has no events");
        assert_eq!(damaged.kind(), StoreErrorKind::Corrupt);
        assert!(!damaged.fails_the_group());
    }
}

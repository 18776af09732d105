//! How is the data directory kept to one process?

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use photinus_contract::store::{StoreError, StoreErrorKind};

/// The file whose lock stands for the directory. It stays when the lock is gone.
pub(crate) const FILE: &str = "photinus.lock";

/// Holds a data directory as long as it lives. The operating system lets go when the process ends, however
/// it ends, so nothing stale is ever left.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the directory, or says who has it.
    pub(crate) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| inaccessible(&path, "open", &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::new(
                StoreErrorKind::InUse,
                format!(
                    "another process uses the data directory {}: stop it, or give this one a directory of its own",
                    directory.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(inaccessible(&path, "lock", &error)),
        }
    }
}

/// Something in the data directory cannot be reached.
pub(crate) fn inaccessible(path: &Path, action: &str, error: &io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Inaccessible,
    };
    StoreError::new(
        kind,
        format!(
            "cannot {action} {}: {error}; the data directory must exist or be creatable, and be writable",
            path.display()
        ),
    )
}

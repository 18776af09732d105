//! How is the database opened?

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use photinus_contract::store::{StoreError, StoreErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::config::{Config, Synchronous};
use crate::error::Error;
use crate::lock::inaccessible;
use crate::migration;

/// The database in the data directory. SQLite keeps `-wal` and `-shm` files beside it.
pub(crate) const FILE: &str = "photinus.db";
/// Its write-ahead file.
pub(crate) const FILE_WAL: &str = "photinus.db-wal";
/// The directory of the bytes of blobs, where no other is set.
const BLOBS: &str = "blobs";
/// Says that a database is ours: "PHOT".
pub(crate) const APPLICATION_ID: i32 = 0x5048_4F54;
/// Bytes of a page; fixed when the database is created.
pub(crate) const PAGE_BYTES: u32 = 4096;
/// Most bytes of pages that a reader keeps. It goes through the log from page to page, and hardly comes back to one:
/// with more, each page is read into memory that the processor has not seen for long.
const READER_CACHE_BYTES_MAX: u64 = 2 << 20;
/// How long a statement waits for a lock that a stranger holds, such as a tool that makes a copy.
const STRANGER_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The data directory: where it is, and the connections to what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) config: Config,
}

impl Place {
    /// Creates the directory if it is not there.
    pub(crate) fn make(directory: &Path, config: &Config) -> Result<Self, StoreError> {
        make_directory(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            config: config.clone(),
        })
    }

    /// The directory of the bytes of blobs.
    pub(crate) fn blobs(&self) -> PathBuf {
        let default = || self.directory.join(BLOBS);
        self.config.blobs.clone().unwrap_or_else(default)
    }

    /// Makes the database if there is none, and brings an older one to the newest layout. Does not touch
    /// one that is newer, or not ours.
    pub(crate) fn prepare(&self) -> Result<(), StoreError> {
        let path = self.directory.join(FILE);
        let is_new = match fs::metadata(&path) {
            Ok(metadata) => metadata.len() == 0,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(inaccessible(&path, "read", &error)),
        };
        if !is_new {
            self.inspect(&path)?;
        }
        let connection = self.writing()?;
        migration::migrate(&connection).map_err(|error| error.at(&self.directory))?;
        if is_new {
            // SQLite syncs the files; the name of a new one is only safe with its directory.
            sync_directory(&self.directory);
        }
        Ok(())
    }

    /// Looks at a database without changing it.
    fn inspect(&self, path: &Path) -> Result<(), StoreError> {
        let look = || -> Result<(i32, i32, bool), Error> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | NO_MUTEX;
            // Without a write-ahead file the database is all there is, and is looked at as it stands: merely
            // opening it would make files beside it.
            let connection = match self.directory.join(FILE_WAL).exists() {
                true => Connection::open_with_flags(path, flags)?,
                false => Connection::open_with_flags(
                    immutable(path),
                    flags | OpenFlags::SQLITE_OPEN_URI,
                )?,
            };
            connection.busy_timeout(STRANGER_WAIT)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            let empty = connection.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
                [],
                |row| row.get(0),
            )?;
            Ok((pragma("application_id")?, pragma("user_version")?, empty))
        };
        let (application, version, empty) = look().map_err(|error| error.at(path))?;
        let known = migration::NEWEST;
        if application != APPLICATION_ID && !empty {
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!(
                    "{} is a SQLite database, but not one of Photinus: name another data directory",
                    path.display()
                ),
            ));
        }
        if usize::try_from(version).is_ok_and(|version| version > known) {
            return Err(StoreError::new(
                StoreErrorKind::Newer,
                format!(
                    "{} has layout {version}, and this version of Photinus knows layouts up to {known}: start the version that wrote it, or a later one",
                    path.display()
                ),
            ));
        }
        Ok(())
    }

    /// A connection that writes. Nothing is checkpointed by it.
    pub(crate) fn writing(&self) -> Result<Connection, StoreError> {
        let open = || -> Result<Connection, Error> {
            let connection = Connection::open_with_flags(
                self.directory.join(FILE),
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | NO_MUTEX,
            )?;
            connection.busy_timeout(STRANGER_WAIT)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            // What was deleted is not left lying in pages that are written anyway: secrets among it.
            connection.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
            connection.pragma_update(None, "cache_size", kib(self.config.cache_bytes))?;
            connection.pragma_update(
                None,
                "synchronous",
                match self.config.synchronous {
                    Synchronous::Full => "full",
                    Synchronous::Normal => "normal",
                },
            )?;
            // What a burst made of the write-ahead file is given back when it begins anew.
            let pages = u64::from(self.config.checkpoint_pages.get()) * 2;
            connection.pragma_update(
                None,
                "journal_size_limit",
                as_pragma(pages * u64::from(PAGE_BYTES)),
            )?;
            if let Some(bytes) = self.config.database_bytes_max {
                limit_pages(&connection, bytes.get() / u64::from(PAGE_BYTES))?;
            }
            Ok(connection)
        };
        open().map_err(|error| error.at(&self.directory))
    }

    /// A connection that only reads.
    pub(crate) fn reading(&self) -> Result<Connection, StoreError> {
        let open = || -> Result<Connection, Error> {
            let connection = Connection::open_with_flags(
                self.directory.join(FILE),
                OpenFlags::SQLITE_OPEN_READ_ONLY | NO_MUTEX,
            )?;
            connection.busy_timeout(STRANGER_WAIT)?;
            let cache = self.config.cache_bytes.min(READER_CACHE_BYTES_MAX);
            connection.pragma_update(None, "cache_size", kib(cache))?;
            connection.pragma_update(None, "mmap_size", as_pragma(self.config.mmap_bytes))?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        };
        open().map_err(|error| error.at(&self.directory))
    }

    /// The file of the database. Closing it takes away the locks that SQLite holds on it in this process, so it
    /// has to outlive every connection.
    pub(crate) fn file(&self) -> Result<File, StoreError> {
        let path = self.directory.join(FILE);
        File::open(&path).map_err(|error| inaccessible(&path, "open", &error))
    }
}

/// Negative, so that SQLite reads it as KiB and not as pages.
fn kib(bytes: u64) -> i64 {
    -as_pragma(bytes / 1024)
}

/// The address of a file that nobody changes.
fn immutable(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address.push_str("?immutable=1");
    address
}

/// Each connection is used by one thread at a time.
const NO_MUTEX: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// The database does not grow beyond so many pages.
pub(crate) fn limit_pages(connection: &Connection, pages: u64) -> Result<(), Error> {
    let pages = pages.clamp(1, u64::from(u32::MAX - 1));
    connection.pragma_update_and_check(None, "max_page_count", as_pragma(pages), |_| Ok(()))?;
    Ok(())
}

fn as_pragma(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Makes a directory, if it is not there. It is the server's user's alone: secrets are in it.
pub(crate) fn make_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .recursive(true)
        .create(directory)
        .map_err(|error| inaccessible(directory, "create", &error))?;
    if let Some(parent) = directory.parent() {
        sync_directory(parent);
    }
    Ok(())
}

/// Makes the names in a directory durable. Not every platform can; those that cannot do not need it.
pub(crate) fn sync_directory(directory: &Path) {
    if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
        tracing::debug!(directory = %directory.display(), %error, "the directory was not synced");
    }
}

//! Where on the disk are the bytes of blobs?
//!
//! A file for each, named by the id of its data; one that is still written has `.part` at the end of its name. Threads
//! of their own read and write them: a disk that is slow with a large file holds up no event.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use photinus_contract::store::{StoreError, StoreErrorKind};
use photinus_contract::{BoxFuture, DataId};

use crate::lock::inaccessible;
use crate::schema::{Place, make_directory, sync_directory};
use crate::threads::Threads;

/// The files in the directory of blobs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Files {
    threads: Threads<()>,
    directory: Arc<PathBuf>,
    room: Arc<Room>,
}

/// How much there may be, and is.
struct Room {
    bytes: AtomicU64,
    bytes_max: u64,
}

/// A file that is being written.
pub(crate) struct Part {
    file: Arc<File>,
    path: Arc<PathBuf>,
}

impl Files {
    /// Starts the threads. `bytes` is how much there is.
    pub(crate) fn start(
        place: &Place,
        bytes: u64,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let count = place.config.blob_threads.get();
        let (threads, started) = Threads::start("sqlite-blobs", count, place, || Ok(()))?;
        let bytes_max = place.config.blobs_bytes_max;
        let files = Self {
            threads,
            directory: Arc::new(place.blobs()),
            room: Arc::new(Room {
                bytes: AtomicU64::new(bytes),
                bytes_max: bytes_max.map_or(u64::MAX, |max| max.get()),
            }),
        };
        Ok((files, started))
    }

    /// Does what was asked before, then ends the threads.
    pub(crate) fn stop(&self, threads: Vec<JoinHandle<()>>) {
        self.threads.stop(threads);
    }

    /// How many bytes all blobs have, those included that are being written.
    pub(crate) fn bytes(&self) -> u64 {
        self.room.bytes.load(Ordering::Relaxed)
    }

    /// Begins a file, in a directory that is made if it is not there.
    pub(crate) fn begin(&self, id: DataId) -> BoxFuture<'static, Result<Part, StoreError>> {
        let directory = self.directory.clone();
        self.threads.work(move |()| {
            let path = part(&directory, id);
            let create = || File::options().write(true).create_new(true).open(&path);
            let created = match create() {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    make_directory(&directory)?;
                    create()
                }
                created => created,
            };
            let file = created.map_err(|error| inaccessible(&path, "create", &error))?;
            Ok(Part {
                file: Arc::new(file),
                path: Arc::new(path),
            })
        })
    }

    /// Appends to a file. Refused if there is no room.
    pub(crate) fn append(
        &self,
        part: &Part,
        bytes: Bytes,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let (file, path) = (part.file.clone(), part.path.clone());
        self.threads.work(move |()| {
            let written = (&*file).write_all(&bytes);
            written.map_err(|error| inaccessible(&path, "write", &error))
        })
    }

    /// Makes a file durable, under its own name.
    pub(crate) fn finish(
        &self,
        id: DataId,
        part: &Part,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        let (file, path) = (part.file.clone(), part.path.clone());
        let directory = self.directory.clone();
        self.threads.work(move |()| {
            let named = file
                .sync_all()
                .and_then(|()| fs::rename(&*path, whole(&directory, id)));
            named.map_err(|error| inaccessible(&path, "write", &error))?;
            sync_directory(&directory);
            Ok(())
        })
    }

    /// Gives a file another name as well, or copies it where that cannot be. False if there is none.
    pub(crate) fn share(
        &self,
        from: DataId,
        to: DataId,
    ) -> BoxFuture<'static, Result<bool, StoreError>> {
        let directory = self.directory.clone();
        self.threads.work(move |()| {
            let (from, to) = (whole(&directory, from), whole(&directory, to));
            let shared = fs::hard_link(&from, &to).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Err(error),
                _ => fs::copy(&from, &to).and_then(|_| File::open(&to)?.sync_all()),
            });
            match shared {
                Ok(()) => sync_directory(&directory),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(inaccessible(&to, "write", &error)),
            }
            Ok(true)
        })
    }

    /// Reads a piece of a finished file. `None` if there is none.
    pub(crate) fn read(
        &self,
        id: DataId,
        offset: u64,
        length: usize,
    ) -> BoxFuture<'static, Result<Option<Bytes>, StoreError>> {
        let directory = self.directory.clone();
        self.threads.work(move |()| {
            let path = whole(&directory, id);
            let mut bytes = Vec::with_capacity(length.min(PIECE_BYTES_MAX));
            let read = File::open(&path).and_then(|mut file| {
                file.seek(SeekFrom::Start(offset))?;
                file.take(bytes.capacity() as u64).read_to_end(&mut bytes)
            });
            match read {
                Ok(_) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(inaccessible(&path, "read", &error)),
            }
        })
    }

    /// Removes what there is of a blob, and then does something else, if it is surely gone.
    pub(crate) fn remove_then(&self, id: DataId, then: impl FnOnce() + Send + 'static) {
        let directory = self.directory.clone();
        self.threads.leave(move |()| match remove(&directory, id) {
            Ok(()) => then(),
            Err(error) => {
                tracing::warn!(%error, "a file was not removed; the next start tries again");
            }
        });
    }

    /// Takes room for some bytes, or says that there is not as much.
    pub(crate) fn take_room(&self, bytes: u64) -> Result<(), StoreError> {
        let Room {
            bytes: taken,
            bytes_max,
        } = &*self.room;
        let fits = |taken: u64| taken.checked_add(bytes).filter(|all| all <= bytes_max);
        match taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(taken) => {
                let directory = self.directory.display();
                let text = format!(
                    "{directory}: there are {taken} bytes of blobs, and at most {bytes_max} are allowed ([store.sqlite] blobs_bytes_max)"
                );
                Err(StoreError::new(StoreErrorKind::Full, text))
            }
        }
    }

    /// Gives room back.
    pub(crate) fn give_room(&self, bytes: u64) {
        self.room.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Most bytes that are read at once.
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Removes what there is of some blobs, for good.
pub(crate) fn remove_all(directory: &Path, ids: &[DataId]) -> Result<(), StoreError> {
    if ids.is_empty() || !directory.exists() {
        return Ok(());
    }
    ids.iter().try_for_each(|id| remove(directory, *id))
}

/// Removes what there is of a blob, for good.
fn remove(directory: &Path, id: DataId) -> Result<(), StoreError> {
    for path in [part(directory, id), whole(directory, id)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(inaccessible(&path, "remove", &error));
            }
            _ => {}
        }
    }
    sync_directory(directory);
    Ok(())
}

fn whole(directory: &Path, id: DataId) -> PathBuf {
    directory.join(id.to_string())
}

fn part(directory: &Path, id: DataId) -> PathBuf {
    directory.join(format!("{id}.part"))
}

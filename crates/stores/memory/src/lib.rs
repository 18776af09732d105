//! How does Photinus keep its data in memory, and lose it on purpose?
//!
//! For tests and simulation. What a disk would have kept ("durable") and what was only asked for ("queued") are
//! apart, and a test decides when the one becomes the other:
//!
//! ```text
//!   write ─▶ queued ──▶ durable and visible, answered        at once, unless writes are held
//!               └ hold_writes · release(n) · crash_after(n)
//! ```
//!
//! One record of an append is one queued write, as it is the unit of atomicity, and so is every entry of a
//! commit or of a park: a crash can come between any two of them. Several engines may share one store, each
//! with a clone of the handle. Nothing depends on time, threads or hashing: the same calls give the same
//! answers.

mod answer;
mod blobs;
mod datatypes;
mod log;
mod namespaces;
mod offsets;
mod parked;
mod stored;
mod subscriptions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use photinus_contract::store::{Store, StoreError, StoreErrorKind};
use photinus_contract::{BoxFuture, DataId, MessageId, Namespace, SubscriptionId};

use self::answer::{Answer, cell};
use self::log::LogState;
use self::subscriptions::SubscriptionState;

/// The store: a handle, cheap to clone, to data that all clones share. Closing closes the one handle: a clone
/// of it is open, as if another process had opened the same data.
#[derive(Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    closed: AtomicBool,
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            closed: AtomicBool::new(false),
        }
    }
}

#[derive(Default)]
struct Inner {
    durable: Durable,
    queue: VecDeque<Write>,
    /// Whether writes wait in the queue.
    held: bool,
    /// What every write is answered instead of being done.
    failing: Option<StoreError>,
    /// The data was lost in a crash; another store has what was durable.
    crashed: bool,
}

/// What outlives a crash.
#[derive(Clone, Default)]
pub(crate) struct Durable {
    namespaces: BTreeMap<Namespace, LogState>,
    subscriptions: BTreeMap<SubscriptionId, SubscriptionState>,
    /// The bytes of blobs, by the data that names them.
    blobs: BTreeMap<DataId, Bytes>,
    /// The number of the next subscription, by which they are listed.
    subscription_next: u64,
    /// The messages that answered events, by subscription, seek generation and sequence.
    replies: BTreeMap<(SubscriptionId, u64, i64), MessageId>,
}

/// A write that waits: done to what is durable, or refused with an error.
type Write = Box<dyn FnOnce(Result<&mut Durable, StoreError>) -> Told + Send>;
/// Tells whoever waits. Dropped instead where the crash comes between the write and its answer.
type Told = Box<dyn FnOnce() + Send>;

impl MemoryStore {
    /// An empty store that does every write at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on writes are queued: not done, not visible, not answered.
    pub fn hold_writes(&self) {
        self.lock().held = true;
    }

    /// How many writes are queued.
    pub fn held_writes(&self) -> usize {
        self.lock().queue.len()
    }

    /// Does and answers the oldest queued writes, at most `count`; later ones stay held. Returns how many
    /// there were.
    pub fn release(&self, count: usize) -> usize {
        let (done, told) = self.lock().apply(count);
        tell(told);
        done
    }

    /// Does and answers all that is queued, and holds writes no more.
    pub fn release_all(&self) {
        let told = {
            let mut inner = self.lock();
            inner.held = false;
            inner.apply(usize::MAX).1
        };
        tell(told);
    }

    /// From now on every write is refused with this error, those that are queued included; `None` ends it.
    pub fn fail_writes(&self, error: Option<StoreError>) {
        self.lock().failing = error;
    }

    /// The store as it is found after a crash now: only what was durable. This handle and its clones are
    /// dead from then on: what was queued is lost, and every call is answered as closed.
    pub fn crash(&self) -> MemoryStore {
        self.crash_after(0)
    }

    /// As [`crash`](Self::crash), after the oldest `count` queued writes became durable, of which nobody was
    /// told.
    pub fn crash_after(&self, count: usize) -> MemoryStore {
        let mut inner = self.lock();
        let (_, untold) = inner.apply(count);
        let durable = std::mem::take(&mut inner.durable);
        let lost = std::mem::take(&mut inner.queue);
        inner.crashed = true;
        drop(inner);
        // These wake whoever waits, so the lock must be free.
        drop((untold, lost));
        MemoryStore {
            inner: Arc::new(Mutex::new(Inner {
                durable,
                ..Inner::default()
            })),
            closed: AtomicBool::new(false),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Queues a write at once, and does it at once unless writes are held. The future only waits. `failed`
    /// makes the answer of a write that is not done.
    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Durable) -> T + Send + 'static,
        failed: impl Fn(StoreError) -> T + Clone + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (answer, answered) = cell();
        let failed_later = failed.clone();
        self.enqueue([task(answer, write, failed)]);
        Box::pin(async move { answered.await.unwrap_or_else(|| failed_later(closed())) })
    }

    /// The same for several items, each of which is a write of its own, answered together.
    fn write_each<I, T, E>(
        &self,
        items: Vec<I>,
        write: impl Fn(&mut Durable, I) -> Result<T, E> + Clone + Send + 'static,
    ) -> BoxFuture<'static, Vec<Result<T, E>>>
    where
        I: Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let mut waits = Vec::with_capacity(items.len());
        let mut tasks = Vec::with_capacity(items.len());
        for item in items {
            let (answer, answered) = cell();
            let write = write.clone();
            tasks.push(task(
                answer,
                move |durable: &mut Durable| write(durable, item),
                |error| Err(E::from(error)),
            ));
            waits.push(answered);
        }
        self.enqueue(tasks);
        Box::pin(async move {
            let mut answers = Vec::with_capacity(waits.len());
            for wait in waits {
                answers.push(wait.await.unwrap_or_else(|| Err(closed().into())));
            }
            answers
        })
    }

    fn enqueue(&self, writes: impl IntoIterator<Item = Write>) {
        if self.is_closed() {
            // Dropping them answers them.
            return;
        }
        let told = {
            let mut inner = self.lock();
            inner.queue.extend(writes);
            if inner.held && !inner.crashed {
                return;
            }
            inner.apply(usize::MAX).1
        };
        tell(told);
    }

    /// Reads what is durable, at the time of the call.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Durable) -> Result<T, StoreError>,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let inner = self.lock();
        let result = if inner.crashed || self.is_closed() {
            Err(closed())
        } else {
            read(&inner.durable)
        };
        Box::pin(std::future::ready(result))
    }

    // A write that panics is a fault of this crate, which the test that met it reports.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Does the oldest writes; whom to tell is returned, because telling needs the lock to be free.
    fn apply(&mut self, count: usize) -> (usize, Vec<Told>) {
        let count = count.min(self.queue.len());
        let mut told = Vec::with_capacity(count);
        for write in self.queue.drain(..count) {
            let target = match &self.failing {
                _ if self.crashed => Err(closed()),
                Some(error) => Err(error.clone()),
                None => Ok(&mut self.durable),
            };
            told.push(write(target));
        }
        (count, told)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        // Takes its place behind what was called before, so that it is answered last.
        let closing = self.write(|_| Ok(()), Err);
        self.closed.store(true, Ordering::Relaxed);
        closing
    }
}

fn task<T: Send + 'static>(
    answer: Answer<T>,
    write: impl FnOnce(&mut Durable) -> T + Send + 'static,
    failed: impl FnOnce(StoreError) -> T + Send + 'static,
) -> Write {
    Box::new(move |target| {
        let result = match target {
            Ok(durable) => write(durable),
            Err(error) => failed(error),
        };
        Box::new(move || answer.send(result))
    })
}

fn tell(told: Vec<Told>) {
    for tell in told {
        tell();
    }
}

fn closed() -> StoreError {
    StoreError::new(
        StoreErrorKind::Closed,
        "the call came after the store was closed, or crashed",
    )
}

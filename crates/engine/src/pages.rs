//! How do subscriptions that catch up share what is read from the store?
//!
//! Pages of the log, kept while somebody may want them, bounded by bytes. A page that is being read is read
//! once, however many wait for it; whoever begins inside a page that is there joins it, so that subscriptions
//! which are near to each other soon read the same pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::store::{ReadLimit, Store};
use photinus_contract::{Namespace, Sequence};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::config::EngineConfig;
use crate::metrics::Counter;
use crate::shard::{Mail, ShardHandle};
use crate::tail::Piece;

/// How long a failed read waits before it is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// The shared pages of all namespaces.
#[derive(Clone)]
pub(crate) struct Pages {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    tasks: TaskTracker,
    limit: ReadLimit,
    bytes_max: usize,
    counts: PageCounts,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<Namespace, BTreeMap<Sequence, Slot>>,
    bytes: usize,
    uses: u64,
}

/// What is counted of pages.
#[derive(Default)]
pub(crate) struct PageCounts {
    pub(crate) read: Counter,
    pub(crate) shared: Counter,
    pub(crate) failed: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) read_records: Counter,
}

enum Slot {
    Loading {
        waiting: Vec<ShardHandle>,
    },
    Loaded {
        piece: Piece,
        bytes: usize,
        used: u64,
    },
}

impl Pages {
    pub(crate) fn new(store: Arc<dyn Store>, tasks: TaskTracker, config: &EngineConfig) -> Self {
        let limit = ReadLimit {
            records: config.page_records_max.get(),
            bytes: config.page_bytes_max,
        };
        let state = Mutex::default();
        let bytes_max = config.pages_bytes_max;
        Self {
            inner: Arc::new(Inner {
                store,
                tasks,
                limit,
                bytes_max,
                counts: PageCounts::default(),
                state,
            }),
        }
    }

    /// The page in which `after` is followed by what comes next. If it is not there, it is read, and `shard` is
    /// woken when it is. `head` is how far the log certainly goes.
    pub(crate) fn get(
        &self,
        namespace: &Namespace,
        after: Sequence,
        head: Sequence,
        shard: &ShardHandle,
    ) -> Option<Piece> {
        let mut state = self.inner.lock();
        state.uses += 1;
        let now = state.uses;
        let log = state.logs.entry(namespace.clone()).or_default();
        match log.range_mut(..=after).next_back() {
            Some((_, Slot::Loaded { piece, used, .. })) if piece.through > after => {
                *used = now;
                self.inner.counts.shared.one();
                return Some(piece.clone());
            }
            Some((&start, Slot::Loading { waiting })) if start == after => {
                if !waiting.contains(shard) {
                    waiting.push(shard.clone());
                }
                self.inner.counts.shared.one();
                return None;
            }
            _ => {}
        }
        log.insert(
            after,
            Slot::Loading {
                waiting: vec![shard.clone()],
            },
        );
        drop(state);
        let pages = self.clone();
        let read = self.inner.store.read(namespace, after, self.inner.limit);
        let namespace = namespace.clone();
        self.inner.tasks.spawn(async move {
            match read.await {
                Ok(page) => {
                    let last = page.records.last().map(|record| record.last);
                    // Without more to come, everything up to the head of before the read was looked at.
                    let through = match last {
                        Some(last) if page.more => last,
                        last => last.unwrap_or(head).max(head),
                    };
                    let piece = Piece {
                        after,
                        records: page.records.into(),
                        through,
                    };
                    pages.loaded(&namespace, piece);
                }
                Err(error) => {
                    warn!(%namespace, %after, %error, "cannot read the log; trying again");
                    tokio::time::sleep(RETRY_DELAY).await;
                    pages.failed(&namespace, after);
                }
            }
        });
        None
    }

    /// What was counted, and how many bytes are in memory.
    pub(crate) fn counts(&self) -> (&PageCounts, usize) {
        (&self.inner.counts, self.inner.lock().bytes)
    }

    fn loaded(&self, namespace: &Namespace, piece: Piece) {
        let mut state = self.inner.lock();
        let bytes = 64
            + piece
                .records
                .iter()
                .map(|record| record.content.size())
                .sum::<usize>();
        self.inner.counts.read.one();
        self.inner.counts.read_bytes.add(bytes as u64);
        self.inner
            .counts
            .read_records
            .add(piece.records.len() as u64);
        let used = state.uses;
        let after = piece.after;
        let slot = Slot::Loaded { piece, bytes, used };
        let log = state.logs.entry(namespace.clone()).or_default();
        let before = log.insert(after, slot);
        state.bytes += bytes;
        while state.bytes > self.inner.bytes_max && state.drop_oldest(namespace, after) {}
        drop(state);
        wake(before, namespace, after);
    }

    fn failed(&self, namespace: &Namespace, after: Sequence) {
        self.inner.counts.failed.one();
        let before = self
            .inner
            .lock()
            .logs
            .get_mut(namespace)
            .and_then(|log| log.remove(&after));
        wake(before, namespace, after);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the page that was unused for longest, except the one that was just read.
    fn drop_oldest(&mut self, namespace: &Namespace, newest: Sequence) -> bool {
        let oldest = self
            .logs
            .iter()
            .flat_map(|(name, log)| log.iter().map(move |(after, slot)| (name, *after, slot)))
            .filter(|(name, after, _)| !(*name == namespace && *after == newest))
            .filter_map(|(name, after, slot)| match slot {
                Slot::Loaded { used, bytes, .. } => Some((*used, name.clone(), after, *bytes)),
                Slot::Loading { .. } => None,
            })
            .min();
        let Some((_, name, after, bytes)) = oldest else {
            return false;
        };
        if let Some(log) = self.logs.get_mut(&name) {
            log.remove(&after);
            self.bytes -= bytes;
        }
        true
    }
}

fn wake(slot: Option<Slot>, namespace: &Namespace, after: Sequence) {
    if let Some(Slot::Loading { waiting }) = slot {
        for shard in waiting {
            let namespace = namespace.clone();
            shard.post(Mail::Page { namespace, after });
        }
    }
}

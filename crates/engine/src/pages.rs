//! How do subscriptions that catch up share what is read from the store?
//!
//! Pages of the log, kept while somebody may want them, bounded by bytes. A page that is being read is read
//! once, however many wait for it; whoever begins inside a page that is there joins it, so that subscriptions
//! which are near to each other soon read the same pages. When the first of them begins with a page, the next one is
//! read, so that the store works while the page is delivered.

mod kept;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::store::{ReadLimit, Store};
use photinus_contract::{Namespace, Sequence};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::warn;

use self::kept::{Found, Kept, Read};
use crate::config::EngineConfig;
use crate::metrics::Counter;
use crate::shard::{Mail, ShardHandle};
use crate::tail::Piece;

/// How long a failed read waits before it is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// How often one who waits for those behind it looks after them.
const WAIT_STEP: Duration = Duration::from_millis(2);

/// The shared pages of all namespaces.
#[derive(Clone)]
pub(crate) struct Pages {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    tasks: TaskTracker,
    counts: PageCounts,
    kept: Mutex<Kept<ShardHandle>>,
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

impl Pages {
    pub(crate) fn new(store: Arc<dyn Store>, tasks: TaskTracker, config: &EngineConfig) -> Self {
        let limit = ReadLimit {
            records: config.page_records_max.get(),
            bytes: config.page_bytes_max,
        };
        Self {
            inner: Arc::new(Inner {
                store,
                tasks,
                counts: PageCounts::default(),
                kept: Mutex::new(Kept::new(limit, config.pages_bytes_max)),
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
        let now = Instant::now();
        let found = self.inner.kept().find(namespace, after, head, shard, now);
        match found {
            Found::Page { piece, next } => {
                self.inner.counts.shared.one();
                if let Some(next) = next {
                    self.read(namespace, next, head);
                }
                Some(piece)
            }
            Found::OnItsWay => {
                self.inner.counts.shared.one();
                None
            }
            Found::Missing(read) => {
                self.read(namespace, read, head);
                None
            }
        }
    }

    fn read(&self, namespace: &Namespace, Read { after, limit }: Read, head: Sequence) {
        let pages = self.clone();
        let namespace = namespace.clone();
        self.inner.tasks.spawn(async move {
            let held = pages.wait_for_those_behind(&namespace, after).await;
            match pages.inner.store.read(&namespace, after, limit).await {
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
                        mark: Some(Arc::default()),
                    };
                    pages.loaded(&namespace, piece, head, held);
                }
                Err(error) => {
                    warn!(%namespace, %after, %error, "cannot read the log; trying again");
                    tokio::time::sleep(RETRY_DELAY).await;
                    pages.inner.counts.failed.one();
                    let waiting = pages.inner.kept().failed(&namespace, after);
                    wake(waiting, &namespace, None);
                }
            }
        });
    }

    /// Waits for those who are behind, if this is far ahead of them. Says whether it did.
    async fn wait_for_those_behind(&self, namespace: &Namespace, place: Sequence) -> bool {
        let Some(until) = self.inner.kept().wait_until(namespace, place) else {
            return false;
        };
        let mut held = false;
        while Instant::now() < until && self.inner.kept().is_far_ahead(namespace, place) {
            tokio::time::sleep(WAIT_STEP).await;
            held = true;
        }
        held
    }

    /// What was counted, and how many bytes are in memory.
    pub(crate) fn counts(&self) -> (&PageCounts, usize) {
        (&self.inner.counts, self.inner.kept().bytes())
    }

    fn loaded(&self, namespace: &Namespace, piece: Piece, head: Sequence, held: bool) {
        self.inner.counts.read.one();
        self.inner.counts.read_bytes.add(bytes(&piece) as u64);
        let records = piece.records.len() as u64;
        self.inner.counts.read_records.add(records);
        let mut kept = self.inner.kept();
        let mut cut = piece.clone();
        kept.cut(namespace, &mut cut);
        let bytes = bytes(&cut);
        let (waiting, next) = kept.loaded(namespace, cut, bytes, head, Instant::now(), held);
        drop(kept);
        if let Some(next) = next {
            self.read(namespace, next, head);
        }
        wake(waiting, namespace, Some(&piece));
    }
}

/// How much memory a page takes.
fn bytes(piece: &Piece) -> usize {
    let records = piece.records.iter().map(|record| record.content.size());
    64 + records.sum::<usize>()
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept<ShardHandle>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each gets the page itself: the next one that is read may put it out.
fn wake(waiting: Vec<(ShardHandle, Sequence)>, namespace: &Namespace, piece: Option<&Piece>) {
    for (shard, after) in waiting {
        let namespace = namespace.clone();
        let piece = piece.cloned();
        shard.post(Mail::Page {
            namespace,
            after,
            piece,
        });
    }
}

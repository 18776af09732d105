//! Who is told what changed in the store?
//!
//! The feed of changes: lossy by design, exact about what it lost, and nothing but one load of a number where
//! nobody listens.
//!
//! ```text
//!   committer, subscriptions, groups ─▶ Intake ─▶ fan-out task ─▶ Queue ─▶ Changes (the SPI)
//!                                                              └▶ Queue ─▶ a connection's task ─▶ Transport
//! ```
//!
//! Whoever changes something leaves it in the [`Intake`] and goes on, however many listen. Each listener has a
//! bounded [`Queue`]; what finds no room there is counted, and told when there is room again.

mod connection;
mod intake;
mod queue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use photinus_contract::record::Enclosure;
use photinus_contract::{ChangeEvent, ChangeKind, Record, Sequence, Timestamp};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::connection::ConnectionChanges;
use self::intake::{Committed, Intake, Told};
use self::queue::{Queue, Scope};
use crate::clock::Clock;

/// All that listen to changes.
pub(crate) struct ChangeFeed {
    /// How many listen. All that is read of the feed while it is 0.
    listening: AtomicUsize,
    listeners: RwLock<Listeners>,
    intake: Intake,
    clock: Arc<dyn Clock>,
    queue_max: usize,
    /// Connections may ask from any thread.
    runtime: Handle,
    /// Ends also those who wait for a connection to be ready.
    closing: CancellationToken,
}

#[derive(Default)]
struct Listeners {
    queues: BTreeMap<u64, Arc<Queue>>,
    added: u64,
    closed: bool,
}

impl ChangeFeed {
    /// A feed without listeners, each of which has a queue of at most that many changes. Its
    /// [`fan_out`](Self::fan_out) has to be run.
    pub(crate) fn new(clock: Arc<dyn Clock>, queue_max: usize) -> Self {
        Self {
            listening: AtomicUsize::new(0),
            listeners: RwLock::default(),
            intake: Intake::default(),
            clock,
            queue_max,
            runtime: Handle::current(),
            closing: CancellationToken::new(),
        }
    }

    /// Tells of records that were committed to one namespace.
    pub(crate) fn committed(&self, records: &[(Sequence, Arc<Record>)], now: Timestamp) {
        if self.is_heard()
            && let Some(committed) = Committed::of(records)
        {
            self.intake.put(Told::Committed(Arc::new(committed)), now);
        }
    }

    /// Tells of the data that was stored with a record, before what the record itself brought.
    pub(crate) fn enclosed(&self, enclosed: &Enclosure) {
        for data in &enclosed.data {
            self.changed(|| {
                let namespace = data.namespace.clone();
                ChangeEvent::new("data", ChangeKind::Created, namespace).with_id(data.id.0)
            });
        }
    }

    /// Tells of a change of something else.
    pub(crate) fn changed(&self, change: impl FnOnce() -> ChangeEvent) {
        if self.is_heard() {
            self.intake.put(Told::Change(change()), self.clock.now());
        }
    }

    fn is_heard(&self) -> bool {
        self.listening.load(Ordering::Relaxed) > 0
    }

    /// Begins to listen to the changes of all namespaces.
    pub(crate) fn listen(self: &Arc<Self>) -> Changes {
        Changes {
            listening: self.add(Scope::All),
        }
    }

    /// Gives what was left in the intake to the queues, until the feed is closed.
    pub(crate) async fn fan_out(self: Arc<Self>) {
        while let Some(taken) = self.intake.take().await {
            for (number, told, at) in taken.told {
                self.for_each_queue(|queue| queue.push(number, &told, at));
                // Very many may listen to very much.
                tokio::task::consume_budget().await;
            }
            for (namespace, lost) in taken.lost {
                self.for_each_queue(|queue| queue.lose(&namespace, lost));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends all listeners, and whoever begins to listen later.
    pub(crate) fn close(&self) {
        let mut listeners = self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.closed = true;
        listeners.queues.values().for_each(|queue| queue.close());
        self.intake.close();
        self.closing.cancel();
    }

    fn add(self: &Arc<Self>, scope: Scope) -> Listening {
        // In this order: what is told from here on has a number that the queue takes.
        self.listening.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::new(Queue::new(scope, self.queue_max, self.intake.next()));
        let mut listeners = self
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if listeners.closed {
            queue.close();
        }
        listeners.added += 1;
        let id = listeners.added;
        listeners.queues.insert(id, queue.clone());
        Listening {
            feed: self.clone(),
            id,
            queue,
        }
    }

    fn for_each_queue(&self, tell: impl Fn(&Queue)) {
        let listeners = self
            .listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.queues.values().for_each(|queue| tell(queue));
    }
}

/// A listener's place in the feed. It ends when this is dropped.
struct Listening {
    feed: Arc<ChangeFeed>,
    id: u64,
    queue: Arc<Queue>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.queue.close();
        let mut listeners = self
            .feed
            .listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.queues.remove(&self.id);
        self.feed.listening.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The changes of all namespaces, from when it was asked for until it is dropped. Lossy: of what is not taken in
/// time a bounded number waits (`change_queue_max`), and the rest is dropped, which is told by a change of its own.
pub struct Changes {
    listening: Listening,
}

impl Changes {
    /// The next change; `None` when the server stops. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ChangeEvent> {
        self.listening.queue.next().await
    }

    /// The next change, if there is one now.
    pub fn try_next(&mut self) -> Option<ChangeEvent> {
        self.listening.queue.take()
    }
}

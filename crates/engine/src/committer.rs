//! How does a message get into the log?
//!
//! One task takes what has queued, gives it to the store in one call, and answers all: under load the cost of
//! a commit is shared by hundreds, and alone a publish waits for nothing but its own.
//!
//! ```text
//!   a message ─▶ alone ─┐
//!                       ├─▶ next group: sealed while the store commits the one before ─▶ store ─▶ tail, shards, answers
//!   a lot ─────▶ lots ──┘
//! ```
//! What comes alone does not wait behind the lots that have queued.

mod group;
mod lanes;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use photinus_contract::record::ReplyKey;
use photinus_contract::store::{AppendError, Store, StoreError, StoreErrorKind};
use photinus_contract::transport::Chain;
use photinus_contract::transport::Published;
use photinus_contract::{BoxFuture, Record};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use self::group::{Appended, Group};
use self::lanes::Lanes;
use crate::changes::ChangeFeed;
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::fatal::or_end;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::namespaces::NamespaceState;
use crate::publish::Draft;
use crate::shard::ShardHandle;

/// Most messages that wait alone for their commit; more publishers have to wait.
const ALONE_MAX: usize = 10_000;
/// Most lots that wait for their commit.
const LOTS_MAX: usize = 256;

/// The way into the log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer {
    alone: mpsc::Sender<Job>,
    lots: mpsc::Sender<Job>,
    /// How many messages wait.
    waiting: Arc<AtomicUsize>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

/// Drafts that are committed together.
struct Job {
    namespace: Arc<NamespaceState>,
    drafts: Vec<Draft>,
    reply: Option<ReplyKey>,
    chain: Option<Chain>,
    answer: Answer,
    bytes: Option<OwnedSemaphorePermit>,
}

/// Who waits for the commit.
enum Answer {
    Alone(oneshot::Sender<Result<Arc<Record>, AppendError>>),
    Lot(oneshot::Sender<Vec<Result<Published, AppendError>>>),
}

/// Where the committer says what it sees.
pub(crate) struct Watch {
    pub(crate) changes: Arc<ChangeFeed>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Committer {
    /// Starts the task. It ends when `closing` is cancelled and all that had queued is committed.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        watch: Watch,
        shards: Vec<ShardHandle>,
        config: &EngineConfig,
        tasks: &TaskTracker,
        closing: CancellationToken,
    ) -> Self {
        let (alone, alone_jobs) = mpsc::channel(ALONE_MAX);
        let (lots, lot_jobs) = mpsc::channel(LOTS_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let task = Task {
            store,
            watch,
            shards,
            lanes: Lanes::new(alone_jobs, lot_jobs),
            group: Group::new(clock, config.commit_records_max.get()),
            waiting: waiting.clone(),
        };
        tasks.spawn(or_end("committer", task.run(closing)));
        let bytes_max = config.commit_bytes_max.get().min(Semaphore::MAX_PERMITS);
        Self {
            alone,
            lots,
            waiting,
            bytes: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    }

    /// Queues a lot, and returns what tells when it is committed. Waits while too much is queued; once queued, it
    /// is committed whether or not anybody waits. Who queues one lot after the other has them in the log in that
    /// order.
    pub(crate) async fn enqueue(
        &self,
        namespace: Arc<NamespaceState>,
        drafts: Vec<Draft>,
        chain: Option<Chain>,
    ) -> Result<Queued, AppendError> {
        let (waiting, answered) = oneshot::channel();
        let count = drafts.len();
        let job = Job {
            namespace,
            bytes: self.room(&drafts).await,
            drafts,
            reply: None,
            chain,
            answer: Answer::Lot(waiting),
        };
        self.send(&self.lots, job).await?;
        Ok(Queued { answered, count })
    }

    /// Commits a draft and returns its record. Once it is queued, it is committed whether or not anybody waits.
    pub(crate) async fn append(
        &self,
        namespace: Arc<NamespaceState>,
        draft: Draft,
        reply: Option<ReplyKey>,
        chain: Option<Chain>,
    ) -> Result<Arc<Record>, AppendError> {
        let (waiting, answered) = oneshot::channel();
        let drafts = vec![draft];
        let job = Job {
            namespace,
            bytes: self.room(&drafts).await,
            drafts,
            reply,
            chain,
            answer: Answer::Alone(waiting),
        };
        self.send(&self.alone, job).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// How many messages wait, and how many bytes of them.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let records = self.waiting.load(Ordering::Relaxed);
        (records, self.bytes_max - self.bytes.available_permits())
    }

    async fn room(&self, drafts: &[Draft]) -> Option<OwnedSemaphorePermit> {
        let bytes: usize = drafts.iter().map(Draft::size).sum();
        let bytes = u32::try_from(bytes.clamp(1, self.bytes_max)).unwrap_or(u32::MAX);
        self.bytes.clone().acquire_many_owned(bytes).await.ok()
    }

    async fn send(&self, lane: &mpsc::Sender<Job>, job: Job) -> Result<(), AppendError> {
        let place = lane.reserve().await.map_err(|_| stopping())?;
        self.waiting.fetch_add(job.drafts.len(), Ordering::Relaxed);
        place.send(job);
        Ok(())
    }
}

/// A lot that waits for its commit. Resolves when each of its messages is committed or refused, in their order;
/// dropping it takes nothing back.
pub(crate) struct Queued {
    answered: oneshot::Receiver<Vec<Result<Published, AppendError>>>,
    count: usize,
}

impl Future for Queued {
    type Output = Vec<Result<Published, AppendError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = std::task::ready!(Pin::new(&mut self.answered).poll(context));
        let all_stopping = |_| (0..self.count).map(|_| Err(stopping())).collect();
        Poll::Ready(answered.unwrap_or_else(all_stopping))
    }
}

fn stopping() -> AppendError {
    AppendError::Store(StoreError::new(
        StoreErrorKind::Closed,
        "the server is stopping",
    ))
}

/// The task that commits.
struct Task {
    store: Arc<dyn Store>,
    watch: Watch,
    shards: Vec<ShardHandle>,
    lanes: Lanes,
    /// What is sealed and waits until the store has committed the group before.
    group: Group,
    /// How many messages wait.
    waiting: Arc<AtomicUsize>,
}

/// A group that the store commits.
type Committing = (
    group::Given,
    BoxFuture<'static, Vec<Result<Appended, AppendError>>>,
);

impl Task {
    async fn run(mut self, closing: CancellationToken) {
        let mut committing: Option<Committing> = None;
        let mut is_trial_due = false;
        loop {
            self.lanes.fill(&mut self.group);
            if committing.is_none() {
                if std::mem::take(&mut is_trial_due) {
                    let health = &self.watch.health;
                    health.tried(self.store.trial_write().await);
                }
                committing = self.give();
            }
            if committing.is_none() && self.lanes.have_ended() {
                debug!("the committer has nothing left");
                return;
            }
            tokio::select! {
                biased;
                () = self.watch.health.trial_due(), if !is_trial_due => is_trial_due = true,
                results = answered(&mut committing) => {
                    let Some((given, _)) = committing.take() else { continue };
                    given.break_chains(&results);
                    self.watch.health.appended(&results);
                    // The store goes on with the next group while this one is told of.
                    if !is_trial_due {
                        self.lanes.fill(&mut self.group);
                        committing = self.give();
                    }
                    given.tell(results, &self.watch, &self.shards);
                }
                () = self.lanes.receive(&mut self.group) => {}
                () = closing.cancelled(), if !self.lanes.are_closed() => self.lanes.close(),
            }
        }
    }

    /// Gives what is sealed to the store, but for what would overtake a message on which the store has failed.
    fn give(&mut self) -> Option<Committing> {
        loop {
            let sealed = self.group.records();
            self.group.refuse_overtaking(&self.watch.metrics);
            self.waiting.fetch_sub(sealed, Ordering::Relaxed);
            if let Some((given, records)) = self.group.give() {
                return Some((given, self.store.append(records)));
            }
            if sealed == 0 {
                return None;
            }
            // All of it was refused: nothing will be answered that makes room for what it held back.
            self.lanes.fill(&mut self.group);
        }
    }
}

/// Resolves when the store has answered; never, if it was given nothing.
async fn answered(committing: &mut Option<Committing>) -> Vec<Result<Appended, AppendError>> {
    match committing {
        Some((_, results)) => results.await,
        None => std::future::pending().await,
    }
}

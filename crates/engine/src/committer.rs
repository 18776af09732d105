//! How does a message get into the log?
//!
//! One task takes what has queued, gives it to the store in one call, and answers all: under load the cost of
//! a commit is shared by hundreds, and alone a publish waits for nothing but its own.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use photinus_contract::record::{NewRecord, ReplyKey};
use photinus_contract::store::{AppendError, Store, StoreError, StoreErrorKind};
use photinus_contract::{Record, Sequence, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::changes::ChangeFeed;
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::fatal::or_end;
use crate::health::Health;
use crate::metrics::{Metrics, Tally};
use crate::namespaces::NamespaceState;
use crate::publish::Draft;
use crate::shard::ShardHandle;

/// Most drafts that wait for their commit; more publishers have to wait.
const QUEUE_MAX: usize = 10_000;

/// The way into the log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Committer {
    queue: mpsc::Sender<Job>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

/// Messages of one publisher that must not overtake each other: when the store fails on one, those that were queued
/// after it are refused as well. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// Whether the store has failed on a message.
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

struct Job {
    namespace: Arc<NamespaceState>,
    draft: Draft,
    reply: Option<ReplyKey>,
    answer: Answer,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// Where the committer says what it sees.
pub(crate) struct Watch {
    pub(crate) changes: Arc<ChangeFeed>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Job {
    fn tally(&self) -> Tally {
        let draft = &self.draft;
        Tally::new(&self.namespace, draft.origin, draft.size(), draft.events())
    }
}

/// Who waits for the commit of a draft.
struct Answer {
    waiting: oneshot::Sender<Result<Arc<Record>, AppendError>>,
    chain: Option<Chain>,
}

impl Answer {
    /// A chain in which the store has failed is broken from then on.
    fn send(self, result: Result<Arc<Record>, AppendError>) {
        if let (Err(AppendError::Store(_)), Some(Chain(broken))) = (&result, self.chain) {
            broken.store(true, Ordering::Release);
        }
        // Nobody may wait any more; what is committed is committed all the same.
        let _ = self.waiting.send(result);
    }
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
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let bytes_max = config.commit_bytes_max.get().min(Semaphore::MAX_PERMITS);
        let group_max = config.commit_records_max.get();
        let task = run(store, clock, watch, shards, jobs, group_max, closing);
        tasks.spawn(or_end("committer", task));
        Self {
            queue,
            bytes: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    }

    /// Queues a draft, and returns what tells when it is committed. Waits while too much is queued; once queued, it
    /// is committed whether or not anybody waits. Who queues one draft after the other has them in the log in that
    /// order.
    pub(crate) async fn enqueue(
        &self,
        namespace: Arc<NamespaceState>,
        draft: Draft,
        reply: Option<ReplyKey>,
        chain: Option<Chain>,
    ) -> Result<Queued, AppendError> {
        let bytes = u32::try_from(draft.size().clamp(1, self.bytes_max)).unwrap_or(u32::MAX);
        let _bytes = self.bytes.clone().acquire_many_owned(bytes).await.ok();
        let (waiting, answered) = oneshot::channel();
        let job = Job {
            namespace,
            draft,
            reply,
            answer: Answer { waiting, chain },
            _bytes,
        };
        self.queue.send(job).await.map_err(|_| stopping())?;
        Ok(Queued(answered))
    }

    /// Commits a draft and returns its record.
    pub(crate) async fn append(
        &self,
        namespace: Arc<NamespaceState>,
        draft: Draft,
        reply: Option<ReplyKey>,
    ) -> Result<Arc<Record>, AppendError> {
        self.enqueue(namespace, draft, reply, None).await?.await
    }

    /// How many messages wait, and how many bytes of them.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let records = self.queue.max_capacity() - self.queue.capacity();
        (records, self.bytes_max - self.bytes.available_permits())
    }
}

/// A draft that waits for its commit. Resolves when it is committed or refused; dropping it takes nothing back.
pub(crate) struct Queued(oneshot::Receiver<Result<Arc<Record>, AppendError>>);

impl Future for Queued {
    type Output = Result<Arc<Record>, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = std::task::ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(answered.map_err(|_| stopping()).flatten())
    }
}

fn stopping() -> AppendError {
    AppendError::Store(StoreError::new(
        StoreErrorKind::Closed,
        "the server is stopping",
    ))
}

/// Refuses what would overtake a message on which the store has failed.
fn refuse_overtaking(group: &mut Vec<Job>, metrics: &Metrics) {
    let broken = |job: &mut Job| job.answer.chain.as_ref().is_some_and(Chain::is_broken);
    for job in group.extract_if(.., broken) {
        let text = "a message before this one could not be stored";
        let error = StoreError::new(StoreErrorKind::Unavailable, text).into();
        job.tally().refused(&error, metrics);
        job.answer.send(Err(error));
    }
}

async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    watch: Watch,
    shards: Vec<ShardHandle>,
    mut jobs: mpsc::Receiver<Job>,
    group_max: usize,
    closing: CancellationToken,
) {
    let mut group = Vec::with_capacity(group_max);
    loop {
        let received = tokio::select! {
            biased;
            () = watch.health.trial_due() => {
                watch.health.tried(store.trial_write().await);
                continue;
            }
            received = jobs.recv_many(&mut group, group_max) => received,
            () = closing.cancelled() => {
                jobs.close();
                jobs.recv_many(&mut group, group_max).await
            }
        };
        if received == 0 {
            debug!("the committer has nothing left");
            return;
        }
        refuse_overtaking(&mut group, &watch.metrics);
        if !group.is_empty() {
            commit(&*store, &*clock, &watch, &shards, &mut group).await;
        }
    }
}

/// What a group added to the log of one namespace.
struct Committed {
    namespace: Arc<NamespaceState>,
    /// Each with the sequence just before it.
    records: Vec<(Sequence, Arc<Record>)>,
}

async fn commit(
    store: &dyn Store,
    clock: &dyn Clock,
    watch: &Watch,
    shards: &[ShardHandle],
    group: &mut Vec<Job>,
) {
    let now = clock.now();
    let (begun, tallies) = (
        Instant::now(),
        group.iter().map(Job::tally).collect::<Vec<_>>(),
    );
    let mut waiting = Vec::with_capacity(group.len());
    let mut records = Vec::with_capacity(group.len());
    for job in group.drain(..) {
        // The time of a record is its time of commit, and never goes back along a log.
        let created: Timestamp = now.max(job.namespace.tail.newest());
        let content = job.draft.seal(created);
        let mut record = NewRecord::new(content.clone());
        record.reply = job.reply;
        records.push(record);
        waiting.push((job.namespace, content, job.answer, job._bytes));
    }
    let results = store.append(records).await;
    debug_assert_eq!(results.len(), waiting.len());
    watch.health.appended(&results);
    watch.metrics.committed(begun, &tallies, &results);
    let mut committed: BTreeMap<_, Committed> = BTreeMap::new();
    let mut answers = Vec::with_capacity(waiting.len());
    for ((namespace, content, answer, bytes), result) in waiting.into_iter().zip(results) {
        let result = result.map(|appended| {
            let record = Arc::new(Record::new(appended.last, content));
            (appended.previous, record)
        });
        if let Ok(record) = &result {
            let name = namespace.info.name.clone();
            let entry = committed.entry(name).or_insert_with(|| Committed {
                namespace,
                records: Vec::new(),
            });
            entry.records.push(record.clone());
        }
        answers.push((answer, result.map(|(_, record)| record), bytes));
    }
    for Committed { namespace, records } in committed.into_values() {
        watch.changes.committed(&records, now);
        namespace.tail.push(records);
    }
    for shard in shards {
        shard.tail_moved();
    }
    for (answer, result, bytes) in answers {
        drop(bytes);
        answer.send(result);
    }
}

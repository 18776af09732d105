//! How does an upload get into the log, in order and fast?
//!
//! ```text
//!   body ─▶ lines ─▶ batch ─▶ task: read, check, hash ─▶ enqueue, in order ─▶ Committer
//!             ▲      batch ─▶ task ────────┘                   │ pending
//!             │      (several at once)                         ▼
//!             └──────────── room for answers ◀──── answers ◀─ collect, in order
//! ```
//!
//! Nothing here waits for the connection to take answers, up to the bound on answers that wait.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use photinus_contract::{CodedError, Namespace};
use photinus_engine::metrics::Source;
use photinus_engine::{Chain, Handle, Lot, Pending};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answers::{Answers, LINES_IN_FLIGHT_MAX, Room};
use super::ending::Ending;
use super::lines::{Line, Lines};
use crate::config::ApiConfig;
use crate::lasting::Lasting;
use crate::one_of_many;

/// Most lines that one task prepares.
const BATCH_LINES_MAX: usize = 128;
/// About how many bytes of lines one task prepares; one line always fits.
const BATCH_BYTES: usize = 128 << 10;
/// Most batches that are prepared at once, or wait for those before them.
const BATCHES_MAX: usize = 8;
/// How long a client that is too far behind may take no answer. The kernel tells of what a slow one takes only when
/// it is a megabyte and more.
const BEHIND_MAX: Duration = Duration::from_secs(5);
/// For how long nothing may come of what is read for nothing, after the upload has ended.
const DISCARD_IDLE_MAX: Duration = Duration::from_secs(2);
/// How long that goes on while the server stops.
const DISCARD_STOPPING_MAX: Duration = Duration::from_secs(2);

/// An upload that runs.
pub(crate) struct Upload {
    pub(crate) handle: Handle,
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) namespace: Namespace,
    pub(crate) lasting: Lasting,
    pub(crate) answers: Arc<Answers>,
}

/// Lines that one task prepares, or has prepared.
struct Batch {
    numbers: Vec<u64>,
    prepared: JoinHandle<Lined>,
}

/// Prepared lines: those that are a message, and of each line whether it is one.
type Lined = (Option<Lot>, Vec<Result<(), CodedError>>);

/// Lines that were taken, in order.
struct Taken {
    numbers: Vec<u64>,
    /// What is wrong with each, if anything is.
    lines: Vec<Result<(), CodedError>>,
    /// What becomes of those with which nothing is.
    pending: Result<Option<Pending>, CodedError>,
}

/// How far the upload is, for those who work on it.
struct Progress {
    /// The last line that was taken.
    taken: AtomicU64,
    /// The first line that the server could not take; 0 if there is none.
    failed: AtomicU64,
    /// Cancelled when there is one.
    has_failed: CancellationToken,
}

impl Progress {
    /// Notes that the server could not take a line.
    fn fail(&self, line: u64) {
        let first = |failed| (failed == 0 || line < failed).then_some(line);
        let _ = self
            .failed
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, first);
        self.has_failed.cancel();
    }

    fn failed(&self) -> Option<u64> {
        Some(self.failed.load(Ordering::Acquire)).filter(|line| *line != 0)
    }
}

impl Upload {
    /// Takes all lines and answers them. `begun` was read of the body already.
    pub(crate) async fn run(self, begun: Option<Bytes>, mut body: Body) {
        let patience = self.lasting.patience();
        let progress = Progress {
            taken: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            has_failed: CancellationToken::new(),
        };
        let (batches, prepared) = mpsc::channel(BATCHES_MAX);
        let (queued, pending) = mpsc::channel(LINES_IN_FLIGHT_MAX);
        let reading = async {
            let ending = tokio::select! {
                biased;
                () = self.lasting.stop().cancelled() => Ending::Stopping,
                () = self.answers.gone().cancelled() => Ending::Gone,
                // Which line it was is known when all are answered.
                () = progress.has_failed.cancelled() => Ending::Complete,
                ending = self.read(begun, &mut body, &progress, &batches) => ending,
            };
            drop(batches);
            ending
        };
        let (mut ending, (), ()) = tokio::join!(
            reading,
            self.queue(prepared, queued, &progress),
            self.collect(pending, &progress),
        );
        let taken = progress.taken.load(Ordering::Acquire);
        if let Some(line) = progress.failed() {
            ending = Ending::Failed(line);
        }
        tracing::debug!(namespace = %self.namespace, taken, ?ending, "an upload ended");
        if let Some(line) = ending.line(taken, &self.config) {
            self.answers.end(line);
            if matches!(
                ending,
                Ending::Stopping | Ending::Behind | Ending::Failed(_)
            ) {
                self.discard(&mut body).await;
            }
        }
        self.answers.close();
        self.taken().await;
        drop(patience);
    }

    /// Waits until the client has taken the answers: they take the place of an upload until then. Not for one that
    /// takes nothing for too long, and not while the server stops.
    async fn taken(&self) {
        let idle_max = self.config.bulk_idle_max.value();
        let begun = Instant::now();
        let taken = async {
            while !self.answers.are_taken() {
                let last = begun.max(self.answers.taken_at());
                let changed = timeout_at(last + idle_max, self.answers.changed()).await;
                if changed.is_err() && self.answers.taken_at() <= last {
                    return;
                }
            }
        };
        tokio::select! {
            () = taken => {}
            () = self.answers.gone().cancelled() => {}
            () = self.lasting.stop().cancelled() => {}
        }
    }

    /// Reads what still comes, for nothing: a client that writes all before it reads anything has to get there.
    async fn discard(&self, body: &mut Body) {
        let all =
            async { while let Ok(Some(Ok(_))) = timeout(DISCARD_IDLE_MAX, body.frame()).await {} };
        let stopped = async {
            self.lasting.stop().cancelled().await;
            sleep(DISCARD_STOPPING_MAX).await;
        };
        tokio::select! {
            () = all => {}
            () = stopped => {}
        }
    }

    /// Takes lines until there are no more, or it has to stop.
    async fn read(
        &self,
        begun: Option<Bytes>,
        body: &mut Body,
        progress: &Progress,
        batches: &mpsc::Sender<Batch>,
    ) -> Ending {
        let mut lines = Lines::new(self.config.body_bytes_max);
        let lines_max = self.handle.lot_max().min(BATCH_LINES_MAX);
        let mut batch = VecDeque::new();
        lines.push(begun.unwrap_or_default());
        loop {
            let mut bytes = 0;
            while batch.len() < lines_max
                && bytes < BATCH_BYTES
                && let Some(line) = lines.next()
            {
                bytes += line.text.as_ref().map_or(0, Bytes::len);
                batch.push_back(line);
            }
            if batch.is_empty() {
                progress.taken.store(lines.number(), Ordering::Release);
                match self.more(body).await {
                    Ok(Some(bytes)) => lines.push(bytes),
                    Ok(None) => {
                        let last = lines.last();
                        let is_over = last.is_none();
                        progress
                            .taken
                            .store(lines.number() - u64::from(!is_over), Ordering::Release);
                        batch.extend(last);
                        if let Err(ending) = self.take(&mut batch, progress, batches).await {
                            return ending;
                        }
                        return Ending::Complete;
                    }
                    Err(ending) => return ending,
                }
            } else if let Err(ending) = self.take(&mut batch, progress, batches).await {
                return ending;
            }
        }
    }

    /// More of the body, or nothing at its end.
    async fn more(&self, body: &mut Body) -> Result<Option<Bytes>, Ending> {
        let idle_max = self.config.bulk_idle_max.value();
        let begun = Instant::now();
        let mut frame = pin!(body.frame());
        loop {
            let last = begun.max(self.answers.taken_at());
            match timeout_at(last + idle_max, frame.as_mut()).await {
                Ok(None) => return Ok(None),
                // Trailers say nothing.
                Ok(Some(Ok(frame))) => return Ok(Some(frame.into_data().unwrap_or_default())),
                Ok(Some(Err(error))) => return Err(Ending::Broken(error.to_string())),
                Err(_) if self.answers.taken_at() > last => {}
                Err(_) => return Err(Ending::Idle),
            }
        }
    }

    /// Gives lines on, when there is room for them and for their answers.
    async fn take(
        &self,
        lines: &mut VecDeque<Line>,
        progress: &Progress,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(), Ending> {
        while !lines.is_empty() {
            let room = self.room(lines.len()).await?;
            let Ok(place) = batches.reserve().await else {
                return Err(Ending::Gone);
            };
            // From here on nothing is awaited: these lines are taken.
            self.answers.expect(room);
            let batch: Vec<Line> = lines.drain(..room).collect();
            let numbers: Vec<u64> = batch.iter().map(|line| line.number).collect();
            if let Some(last) = numbers.last() {
                progress.taken.store(*last, Ordering::Release);
            }
            // Begun here and not in the task, so that the ids rise from batch to batch.
            let lot = self
                .handle
                .lot(self.namespace.as_str(), Source::Bulk, batch.len());
            let bytes_max = self.config.body_bytes_max;
            let prepared = prepare(self.handle.clone(), lot, bytes_max, batch);
            let prepared = self.lasting.spawn(prepared);
            place.send(Batch { numbers, prepared });
        }
        Ok(())
    }

    /// For how many of these lines there is room.
    async fn room(&self, wanted: usize) -> Result<usize, Ending> {
        loop {
            match self.answers.room(wanted) {
                Room::For(room) => return Ok(room),
                Room::Later => self.answers.changed().await,
                Room::Full => timeout(BEHIND_MAX, self.answers.changed())
                    .await
                    .map_err(|_| Ending::Behind)?,
            }
        }
    }

    /// Gives prepared lines to the committer, one after the other.
    async fn queue(
        &self,
        mut batches: mpsc::Receiver<Batch>,
        queued: mpsc::Sender<Taken>,
        progress: &Progress,
    ) {
        let chain = Chain::default();
        while let Some(Batch { numbers, prepared }) = batches.recv().await {
            let (lot, mut lines) = prepared.await.unwrap_or_else(|panic| {
                let error = CodedError::internal(panic.to_string());
                (None, numbers.iter().map(|_| Err(error.clone())).collect())
            });
            let mut count = 0;
            for (number, line) in numbers.iter().zip(&mut lines) {
                // So that a line which is sent again comes before those after it.
                if let (Some(failed), Ok(())) = (progress.failed(), &*line) {
                    *line = Err(CodedError::unavailable(format!(
                        "Not published, because line {failed} before it could not be"
                    )));
                }
                note(progress, *number, line);
                count += usize::from(line.is_ok());
            }
            let pending = match lot {
                Some(mut lot) if count > 0 => {
                    lot.truncate(count);
                    let queued = self.handle.enqueue(lot, Some(&chain)).await;
                    if let Some(first) = lines.iter().position(Result::is_ok) {
                        note(progress, numbers[first], &queued);
                    }
                    queued.map(Some)
                }
                _ => Ok(None),
            };
            let taken = Taken {
                numbers,
                lines,
                pending,
            };
            // Whoever collects ends after this.
            let _ = queued.send(taken).await;
        }
    }

    /// Collects what became of each line.
    async fn collect(&self, mut pending: mpsc::Receiver<Taken>, progress: &Progress) {
        while let Some(taken) = pending.recv().await {
            let mut published = match taken.pending {
                Err(error) => Err(error),
                Ok(None) => Ok(Vec::new().into_iter()),
                Ok(Some(pending)) => Ok(pending.await.into_iter()),
            };
            let answers = taken.lines.into_iter().map(|line| {
                line.and_then(|()| match &mut published {
                    Ok(published) => published
                        .next()
                        .unwrap_or_else(|| Err(CodedError::internal("a line has no answer"))),
                    Err(error) => Err(error.clone()),
                })
            });
            let answers = taken.numbers.into_iter().zip(answers);
            self.answers
                .push(answers.inspect(|(number, answer)| note(progress, *number, answer)));
            // One wake for the answers of a lot; whoever sent few waits for them.
            self.answers.wake();
        }
    }
}

fn note<T>(progress: &Progress, line: u64, result: &Result<T, CodedError>) {
    if let Err(error) = result
        && error.status() >= 500
    {
        progress.fail(line);
    }
}

async fn prepare(
    handle: Handle,
    lot: Result<Lot, CodedError>,
    bytes_max: usize,
    lines: Vec<Line>,
) -> Lined {
    let mut lot = match lot {
        Ok(lot) => lot,
        Err(error) => {
            let refused = |_| {
                handle.count_refusal(&error);
                Err(error.clone())
            };
            return (None, lines.iter().map(refused).collect());
        }
    };
    let mut prepared = Vec::with_capacity(lines.len());
    for line in lines {
        prepared.push(match line.text {
            Some(text) => one_of_many::prepare(&handle, &mut lot, &text).await,
            None => Err(CodedError::new(
                "PH00413",
                413,
                format!("The line is larger than {bytes_max} bytes ([api] body_bytes_max)"),
            )),
        });
    }
    (Some(lot), prepared)
}

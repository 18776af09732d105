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
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use photinus_contract::Namespace;
use photinus_engine::Handle;
use photinus_engine::metrics::Source;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answers::{Answers, LINES_IN_FLIGHT_MAX, Room};
use super::ending::Ending;
use super::in_order::{Batch, Progress, prepare};
use super::lines::{Line, Lines};
use crate::config::ApiConfig;
use crate::lasting::Lasting;

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

impl Upload {
    /// Takes all lines and answers them. `begun` was read of the body already.
    pub(crate) async fn run(self, begun: Option<Bytes>, mut body: Body) {
        let patience = self.lasting.patience();
        let progress = Progress::default();
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
}

//! How do the lines of an upload get into the log in their order, and their answers out?

use std::sync::atomic::{AtomicU64, Ordering};

use photinus_contract::CodedError;
use photinus_engine::{Chain, Handle, Lot};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lines::Line;
use super::upload::Upload;
use crate::one_of_many;
use crate::together::Together;

/// Lines that one task prepares, or has prepared.
pub(super) struct Batch {
    pub(super) numbers: Vec<u64>,
    pub(super) prepared: JoinHandle<Lined>,
}

/// Prepared lines: those that are a message, and of each line whether it is one.
pub(super) type Lined = (Option<Lot>, Vec<Result<(), CodedError>>);

/// Lines that were taken, in order.
pub(super) struct Taken {
    numbers: Vec<u64>,
    lines: Together,
}

/// How far the upload is, for those who work on it.
#[derive(Default)]
pub(super) struct Progress {
    /// The last line that was taken.
    pub(super) taken: AtomicU64,
    /// The first line that the server could not take; 0 if there is none.
    failed: AtomicU64,
    /// Cancelled when there is one.
    pub(super) has_failed: CancellationToken,
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

    pub(super) fn failed(&self) -> Option<u64> {
        Some(self.failed.load(Ordering::Acquire)).filter(|line| *line != 0)
    }
}

impl Upload {
    /// Gives prepared lines to the committer, one after the other.
    pub(super) async fn queue(
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
                lines: Together::new(lines, pending),
            };
            // Whoever collects ends after this.
            let _ = queued.send(taken).await;
        }
    }

    /// Collects what became of each line.
    pub(super) async fn collect(&self, mut pending: mpsc::Receiver<Taken>, progress: &Progress) {
        while let Some(taken) = pending.recv().await {
            let answers = taken.lines.answers().await;
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

/// Reads and checks lines, and puts them into a lot.
pub(super) async fn prepare(
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

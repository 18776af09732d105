//! How does an upload go on beside something else, at its own pace?
//!
//! Open loop: lines are due at fixed times, whatever became of those before.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::bulk;
use crate::clock::{now, pace};
use crate::wire::http::Http;
use crate::workload;

/// How often lines are due.
const PIECES_PER_SECOND: u32 = 200;
/// How long it goes on at most.
const SECONDS_MAX: u32 = 300;

/// Uploads lines with this tag at that rate while `work` goes on. Returns what came of that, and how many lines a second
/// were stored. All of them are answered in the end.
pub async fn beside<T>(
    connection: Http,
    path: &str,
    rate: u32,
    tag: usize,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, f64)> {
    let (stop, stopped) = watch::channel(false);
    let (sending, mut begun) = watch::channel(false);
    let work = async {
        // Not before the upload is under way.
        let begun = begun.wait_for(|begun| *begun).await.map(drop);
        let outcome = work.await;
        stop.send_replace(true);
        begun?;
        outcome
    };
    let upload = upload(connection, path, rate, tag, stopped, sending);
    let (outcome, stored) = tokio::join!(work, upload);
    let stored = stored?;
    Ok((outcome?, stored))
}

async fn upload(
    connection: Http,
    path: &str,
    rate: u32,
    tag: usize,
    stopped: watch::Receiver<bool>,
    sending: watch::Sender<bool>,
) -> Result<f64> {
    let lines = (rate / PIECES_PER_SECOND).max(1);
    let piece = Bytes::from((workload::body(tag) + "\n").repeat(lines as usize));
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let beats = pace(
        PIECES_PER_SECOND,
        (PIECES_PER_SECOND * SECONDS_MAX) as usize,
    );
    let pieces = stream::unfold((beats, sending), move |(mut beats, sending)| {
        let (piece, counted, stopped) = (piece.clone(), counted.clone(), stopped.clone());
        async move {
            let beat = beats.recv().await;
            if beat.is_none() || *stopped.borrow() {
                return None;
            }
            sending.send_replace(true);
            counted.fetch_add(lines as usize, Ordering::Relaxed);
            Some((piece, (beats, sending)))
        }
    });
    let start = now();
    let (status, answer) = connection.stream(path, pieces).await?;
    let sequences = bulk::answers(path, status, answer).await?;
    let elapsed: Duration = start.elapsed();
    let sent = sent.load(Ordering::Relaxed);
    ensure!(
        sequences.len() == sent,
        "{} answers to {sent} lines",
        sequences.len()
    );
    Ok(sent as f64 / elapsed.as_secs_f64())
}

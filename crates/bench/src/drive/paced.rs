//! How long does it take from a publish to its delivery, at a fixed rate?
//!
//! Open loop: messages are due at fixed times, whatever becomes of those before, and a latency counts from when its
//! message was due. A server that stops for a while is charged for everything that was due meanwhile.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::clock::{now, pace};
use crate::wire::http::Http;
use crate::wire::scan;
use crate::wire::socket::{PATIENCE, Socket};
use crate::workload;

/// Connections that publish; more than are busy at any of the rates, unless the server stands still.
const CONNECTIONS: usize = 32;

/// What is published.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Messages a second.
    pub rate: u32,
    /// How many.
    pub count: usize,
}

/// Publishes over HTTP with these tags; each is to come on so many of the sockets. The latency is that of the last.
pub async fn publish(
    address: SocketAddr,
    path: &'static str,
    pace_of: Pace,
    tag: impl Fn(usize) -> usize,
    sockets: &mut Vec<Socket>,
    copies: usize,
) -> Result<Vec<Duration>> {
    let mut receiving = receive(sockets);
    let (frames, tasks) = (&mut receiving.frames, &mut receiving.tasks);
    let next = async || {
        tokio::select! {
            received = frames.recv() => received.context("nothing more comes"),
            Some(ended) = tasks.join_next() => {
                drop(ended.context("a client has panicked")?.context("while receiving")?);
                anyhow::bail!("a client has ended")
            }
        }
    };
    let all = publish_and_hear(address, path, pace_of, tag, copies, next).await?;
    sockets.append(&mut receiving.stop().await?);
    Ok(all)
}

/// The same, wherever it comes: `next` says the tag of what came next, and when. It may be asked again before it has
/// answered.
pub async fn publish_and_hear(
    address: SocketAddr,
    path: &'static str,
    pace_of: Pace,
    tag: impl Fn(usize) -> usize,
    copies: usize,
    mut next: impl AsyncFnMut() -> Result<(usize, Instant)>,
) -> Result<Vec<Duration>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS.min(pace_of.count) {
        connections.push(Http::connect(address).await?);
    }
    // What comes is told by its tag; a tag may be published again when its last copy came.
    let tags: Vec<usize> = (0..pace_of.count).map(tag).collect();
    let bodies: Arc<Vec<Bytes>> =
        Arc::new(tags.iter().map(|tag| workload::body(*tag).into()).collect());
    let mut publishing = publish_all(connections, path, pace_of, bodies);
    let mut due: Vec<Option<Instant>> = vec![None; pace_of.count];
    let mut awaited: HashMap<usize, VecDeque<usize>> = HashMap::new();
    for (number, tag) in tags.iter().enumerate() {
        awaited
            .entry(*tag)
            .or_default()
            .extend(std::iter::repeat_n(number, copies));
    }
    let mut came: Vec<Option<Instant>> = vec![None; pace_of.count];
    let mut open = pace_of.count * copies;
    while open > 0 || !publishing.tasks.is_empty() {
        tokio::select! {
            received = next() => {
                let (tag, at) = received?;
                let number = awaited
                    .get_mut(&tag)
                    .and_then(VecDeque::pop_front)
                    .with_context(|| format!("an event too many of tag {tag}"))?;
                came[number] = Some(at);
                open -= 1;
            }
            Some((number, at)) = publishing.due.recv() => due[number] = Some(at),
            Some(ended) = publishing.tasks.join_next() => ended.context("a client has panicked")??,
            () = tokio::time::sleep(PATIENCE) => anyhow::bail!("{open} deliveries of {} are missing", pace_of.count * copies),
        }
    }
    while let Ok((number, at)) = publishing.due.try_recv() {
        due[number] = Some(at);
    }
    let all: Vec<Duration> = due
        .iter()
        .zip(&came)
        .filter_map(|(due, came)| Some((*came)? - (*due)?))
        .collect();
    ensure!(
        all.len() == pace_of.count,
        "{} latencies of {} messages",
        all.len(),
        pace_of.count
    );
    Ok(all)
}

struct Publishing {
    due: mpsc::Receiver<(usize, Instant)>,
    tasks: JoinSet<Result<()>>,
}

fn publish_all(
    connections: Vec<Http>,
    path: &'static str,
    pace_of: Pace,
    bodies: Arc<Vec<Bytes>>,
) -> Publishing {
    let (sender, due) = mpsc::channel(pace_of.count);
    let beats = Arc::new(Mutex::new(pace(pace_of.rate, pace_of.count)));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let (beats, sender, bodies) = (beats.clone(), sender.clone(), bodies.clone());
        tasks.spawn(async move {
            loop {
                let beat = beats.lock().await.recv().await;
                let Some((number, at)) = beat else {
                    return Ok(());
                };
                sender.send((number, at)).await?;
                connection
                    .post(path, bodies[number].clone(), StatusCode::ACCEPTED)
                    .await?;
            }
        });
    }
    Publishing { due, tasks }
}

struct Receiving {
    frames: mpsc::Receiver<(usize, Instant)>,
    tasks: JoinSet<Result<Socket>>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Reads these sockets, acknowledges, and says what came when.
fn receive(sockets: &mut Vec<Socket>) -> Receiving {
    const QUEUE_MAX: usize = 65_536;
    let (sender, frames) = mpsc::channel(QUEUE_MAX);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut tasks = JoinSet::new();
    for mut socket in sockets.drain(..) {
        let (sender, mut stopped) = (sender.clone(), stopped.clone());
        tasks.spawn(async move {
            loop {
                let mut next = tokio::select! {
                    biased;
                    frame = socket.wait() => Some(frame?),
                    _ = stopped.changed() => return Ok(socket),
                };
                let mut at = now();
                while let Some(frame) = next {
                    let seen =
                        scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
                    let tag = scan::tag(&frame).context("an event without a tag")?;
                    let ack = format!(
                        r#"{{"type":"ack","id":"{}","subscription":{{"id":"{}"}}}}"#,
                        seen.id, seen.subscription
                    );
                    socket.feed(ack).await?;
                    sender.send((tag, at)).await?;
                    next = socket.ready()?;
                    at = now();
                }
                socket.flush().await?;
            }
        });
    }
    Receiving {
        frames,
        tasks,
        stop,
    }
}

impl Receiving {
    async fn stop(mut self) -> Result<Vec<Socket>> {
        self.stop.send_replace(true);
        let mut sockets = Vec::new();
        while let Some(socket) = self.tasks.join_next().await {
            sockets.push(socket.context("a client has panicked")??);
        }
        Ok(sockets)
    }
}

/// Sends messages over a socket that answers each with its frame, in order.
pub async fn ping(mut socket: Socket, pace_of: Pace) -> Result<Vec<Duration>> {
    let mut beats = pace(pace_of.rate, pace_of.count);
    let mut due = Vec::with_capacity(pace_of.count);
    let mut all = Vec::with_capacity(pace_of.count);
    while all.len() < pace_of.count {
        tokio::select! {
            Some((number, at)) = beats.recv() => {
                due.push(at);
                socket.send(workload::body(number)).await?;
            }
            frame = socket.next() => {
                let number = scan::tag(&frame?).context("a frame without a tag")?;
                ensure!(number == all.len(), "{number} came in the place of {}", all.len());
                all.push(now() - due[number]);
            }
        }
    }
    Ok(all)
}

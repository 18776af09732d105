//! How do many writers share a sync, with nothing around it?

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpoints;
use super::relay::Relay;

/// Most messages that one commit takes together, as in the product.
const GROUP_MAX: usize = 1_000;
/// Rows that are read at once.
const PAGE_ROWS: i64 = 1_000;
/// Most that wait.
const QUEUE_MAX: usize = 10_000;
/// How long the file is that is written round and round.
const FILE_BYTES: usize = 8 << 20;

/// Commits what comes, in order.
#[derive(Clone)]
pub(super) struct Committer(mpsc::Sender<Job>);

struct Job {
    tag: usize,
    committed: oneshot::Sender<u64>,
}

/// Where it goes.
pub(super) enum Sink {
    Rows(Rows),
    File(Written),
}

impl Committer {
    /// A thread that takes what has queued, commits it together, and answers all. What is committed is pushed in
    /// that order, if there is somebody to push to.
    pub(super) fn start(
        open: impl FnOnce() -> Result<Sink> + Send + 'static,
        relay: Option<Arc<Relay>>,
    ) -> Self {
        let (sender, jobs) = mpsc::channel(QUEUE_MAX);
        std::thread::spawn(move || {
            if let Err(error) = run(open, jobs, relay) {
                eprintln!("cannot commit: {error:#}");
                std::process::exit(1);
            }
        });
        Self(sender)
    }

    /// Queues a message; its sequence comes when it is durable.
    pub(super) async fn queue(&self, tag: usize) -> Result<oneshot::Receiver<u64>> {
        let (committed, receiver) = oneshot::channel();
        self.0
            .send(Job { tag, committed })
            .await
            .ok()
            .context("the committer has ended")?;
        Ok(receiver)
    }

    /// Commits a message.
    pub(super) async fn commit(&self, tag: usize) -> Result<u64> {
        Ok(self.queue(tag).await?.await?)
    }
}

fn run(
    open: impl FnOnce() -> Result<Sink>,
    mut jobs: mpsc::Receiver<Job>,
    relay: Option<Arc<Relay>>,
) -> Result<()> {
    let mut group = Vec::with_capacity(GROUP_MAX);
    // Most servers are asked for one kind only: nothing is opened before.
    group.extend(jobs.blocking_recv());
    let mut sink = open()?;
    let mut sequence = 0;
    loop {
        while group.len() < GROUP_MAX
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        sink.commit(group.len())?;
        for job in group.drain(..) {
            sequence += 1;
            if let Some(relay) = &relay {
                relay.push(sequence, job.tag);
            }
            // Nobody has to wait for it.
            let _ = job.committed.send(sequence);
        }
        match jobs.blocking_recv() {
            Some(job) => group.push(job),
            None => return Ok(()),
        }
    }
}

impl Sink {
    fn commit(&mut self, count: usize) -> Result<()> {
        match self {
            Self::Rows(rows) => rows.insert(count),
            Self::File(file) => file.write(count),
        }
    }
}

/// One plain table: an ordered id, and the bytes.
pub(super) struct Rows {
    connection: Connection,
    checkpoints: Checkpoints,
    row: Vec<u8>,
    last: u64,
}

impl Rows {
    /// A new database, into which so many rows were inserted already: SQLite is much faster when it writes where its
    /// write-ahead file was before than while the file grows, and the product has passed that, too.
    pub(super) fn create(path: &Path, bytes: usize, warm_up: usize) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA page_size = 4096; PRAGMA journal_mode = wal; PRAGMA synchronous = full; \
             PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384; \
             CREATE TABLE plain (sequence INTEGER PRIMARY KEY, id BLOB UNIQUE, body BLOB);",
        )?;
        let row = vec![b'e'; bytes];
        let mut rows = Self {
            connection,
            checkpoints: Checkpoints::start(path)?,
            row,
            last: 0,
        };
        while rows.last < warm_up as u64 {
            rows.insert(GROUP_MAX.min(warm_up - rows.last as usize))?;
        }
        Ok(rows)
    }

    pub(super) fn insert(&mut self, count: usize) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO plain (id, body) VALUES (?1, ?2)")?;
        for _ in 0..count {
            self.last += 1;
            // In order of time, as the product's ids.
            let id = u128::from(self.last).to_be_bytes();
            insert.execute(params![id, self.row])?;
        }
        drop(insert);
        self.connection.execute_batch("COMMIT")?;
        let bytes = count * self.row.len();
        self.checkpoints.committed(bytes, &self.connection)
    }

    /// Reads all rows in order, in pages; returns how many they are.
    pub(super) fn read_all(&self) -> Result<u64> {
        let mut select = self.connection.prepare_cached(
            "SELECT sequence, body FROM plain WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
        )?;
        let (mut last, mut count, mut row) = (0_i64, 0, Vec::new());
        loop {
            let before = count;
            let mut rows = select.query(params![last, PAGE_ROWS])?;
            while let Some(found) = rows.next()? {
                last = found.get(0)?;
                row.clear();
                row.extend_from_slice(found.get_ref(1)?.as_blob()?);
                count += 1;
            }
            if count == before {
                return Ok(count);
            }
        }
    }
}

/// A file that is written round and round, as a write-ahead file is: a sync need not say that it has grown.
pub(super) struct Written {
    file: File,
    piece: Vec<u8>,
    bytes: usize,
    at: u64,
}

impl Written {
    /// Written once already.
    pub(super) fn create(path: &Path, bytes: usize) -> Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(&vec![b'-'; FILE_BYTES])?;
        file.sync_all()?;
        Ok(Self {
            file,
            piece: Vec::new(),
            bytes,
            at: 0,
        })
    }

    pub(super) fn write(&mut self, count: usize) -> Result<()> {
        let length = self.bytes * count;
        if self.piece.len() < length {
            self.piece.resize(length, b'e');
        }
        if self.at + length as u64 > FILE_BYTES as u64 {
            self.at = 0;
        }
        self.file.write_all_at(&self.piece[..length], self.at)?;
        self.at += length as u64;
        Ok(self.file.sync_data()?)
    }
}

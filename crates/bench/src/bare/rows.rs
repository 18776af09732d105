//! How fast are SQLite and the disk without any wire?

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::committer::{Rows, Written};
use crate::clock::{now, pace};

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Order {
    group: usize,
    milliseconds: u64,
}

/// How many rows to read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct ReadOrder {
    rows: usize,
}

/// How many pieces to write in which time.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PacedOrder {
    rate: u32,
    count: usize,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) rate: f64,
}

/// What is kept from one order to the next.
#[derive(Default)]
pub(super) struct Alone {
    rows: Mutex<Option<Rows>>,
    file: Mutex<Option<Written>>,
    /// What is only read.
    history: Mutex<Option<Rows>>,
}

/// Inserts groups into a table of its own.
pub(super) fn insert(shared: &Shared, order: Order) -> Result<Done> {
    let mut rows = shared
        .alone
        .rows
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let rows = match &mut *rows {
        Some(rows) => rows,
        none => none.insert(Rows::create(
            &shared.directory.join("alone.db"),
            shared.stored_bytes,
            shared.warm_up,
        )?),
    };
    repeat(order, || rows.insert(order.group))
}

/// Writes and syncs groups in a file of its own.
pub(super) fn write(shared: &Shared, order: Order) -> Result<Done> {
    let mut file = shared
        .alone
        .file
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let file = match &mut *file {
        Some(file) => file,
        none => none.insert(Written::create(
            &shared.directory.join("alone"),
            shared.stored_bytes,
        )?),
    };
    repeat(order, || file.write(order.group))
}

/// Reads all rows of a table of its own.
pub(super) fn read(shared: &Shared, order: ReadOrder) -> Result<Done> {
    let mut history = shared
        .alone
        .history
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let rows = match &mut *history {
        Some(rows) => rows,
        none => none.insert(Rows::create(
            &shared.directory.join("history.db"),
            shared.stored_bytes,
            order.rows,
        )?),
    };
    let start = now();
    let read = rows.read_all()?;
    ensure!(read == order.rows as u64, "{read} rows of {}", order.rows);
    Ok(Done {
        rate: read as f64 / start.elapsed().as_secs_f64(),
    })
}

/// Writes and syncs a piece whenever one is due, in a file of its own. Returns seconds: where one has to wait for the one
/// before, from when it was due; else without what the timer was late.
pub(super) fn write_paced(shared: &Shared, order: PacedOrder) -> Result<Vec<f64>> {
    let mut file = Written::create(&shared.directory.join("paced"), shared.stored_bytes)?;
    let mut beats = pace(order.rate, order.count);
    let mut seconds = Vec::with_capacity(order.count);
    let mut free = now();
    while let Some((_, due)) = beats.blocking_recv() {
        let start = if free > due { due } else { now() };
        file.write(1)?;
        free = now();
        seconds.push((free - start).as_secs_f64());
    }
    Ok(seconds)
}

fn repeat(order: Order, mut step: impl FnMut() -> Result<()>) -> Result<Done> {
    let mut done = 0_u64;
    let start = now();
    while start.elapsed() < Duration::from_millis(order.milliseconds) {
        step()?;
        done += order.group as u64;
    }
    Ok(Done {
        rate: done as f64 / start.elapsed().as_secs_f64(),
    })
}

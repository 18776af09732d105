//! How fast are SQLite and the disk without any wire?

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::committer::{Rows, Written};
use crate::clock::now;

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Order {
    group: usize,
    milliseconds: u64,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    rate: f64,
}

/// What is kept from one order to the next.
#[derive(Default)]
pub(super) struct Alone {
    rows: Mutex<Option<Rows>>,
    file: Mutex<Option<Written>>,
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

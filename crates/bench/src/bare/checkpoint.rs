//! How is the write-ahead file of a bare database kept short, beside the writer as in the product?
//!
//! A thread of its own copies what is there into the database while rows are inserted. What was added meanwhile is little:
//! the writer copies that itself, between two groups, and then begins the file anew.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result};
use rusqlite::Connection;

/// Bytes of rows after which it is time: as many pages as in the product.
const BYTES_MAX: usize = 4096 * 4096;
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Whoever copies, seen from the writer.
pub(super) struct Checkpoints {
    due: SyncSender<()>,
    copied: Receiver<()>,
    is_copying: bool,
    /// Bytes of rows since the file was begun.
    bytes: usize,
}

impl Checkpoints {
    /// Of the database with this file. The thread ends with this.
    pub(super) fn start(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA synchronous = full")?;
        let (due, orders) = sync_channel(1);
        let (done, copied) = sync_channel(1);
        std::thread::spawn(move || {
            while let Ok(()) = orders.recv() {
                if let Err(error) = copy(&connection) {
                    eprintln!("cannot copy the write-ahead file: {error:#}");
                    std::process::exit(1);
                }
                if done.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            due,
            copied,
            is_copying: false,
            bytes: 0,
        })
    }

    /// So many bytes were committed on this connection.
    pub(super) fn committed(&mut self, bytes: usize, connection: &Connection) -> Result<()> {
        self.bytes += bytes;
        if self.is_copying {
            if self.copied.try_recv().is_ok() {
                copy(connection)?;
                self.is_copying = false;
                self.bytes = 0;
            }
        } else if self.bytes >= BYTES_MAX {
            self.due.send(()).context("the thread has ended")?;
            self.is_copying = true;
        }
        Ok(())
    }
}

fn copy(connection: &Connection) -> Result<()> {
    // It answers with a row of counts, which are not needed.
    Ok(connection.query_row(CHECKPOINT, [], |_| Ok(()))?)
}

//! What if somebody ends the run before it is over?
//!
//! The servers that it started end with it, and their files go: some hundred megabytes.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// What a shell says of a program that Ctrl-C has ended.
const EXIT_STATUS: i32 = 130;

static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Starts a server; not while this process is being ended.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    let mut running = running();
    let child = command.spawn()?;
    running.insert(child.id());
    Ok(child)
}

/// It was told to end, and is not forgotten by the system yet.
pub(crate) fn ended(id: u32) {
    running().remove(&id);
}

/// From now on SIGINT and SIGTERM end the servers, remove this directory, and then end this process.
pub(crate) fn clean_up_at_the_end(directory: PathBuf) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // Nothing is started from here on: who wants to waits for the lock.
        let running = running();
        for id in running.iter() {
            if let Some(pid) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
                // It may have ended just now.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        remove(&directory);
        // Nobody has to read it.
        let _ = writeln!(io::stderr(), "\nbench: interrupted");
        std::process::exit(EXIT_STATUS);
    });
    Ok(())
}

/// A server that was just killed may still write.
fn remove(directory: &Path) {
    const TRIES_MAX: usize = 100;
    for _ in 0..TRIES_MAX {
        if std::fs::remove_dir_all(directory).is_ok() || !directory.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _ = writeln!(
        io::stderr(),
        "bench: {} is left behind",
        directory.display()
    );
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

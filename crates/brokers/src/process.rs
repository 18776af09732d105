//! How is a broker's process started, and ended?

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::patience::wait_until;
use crate::watcher;

/// A process and those that it starts: one group. Killed when this goes out of scope.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts it. What it prints goes to the end of `log`.
    pub(crate) fn start(command: &mut Command, log: &Path, directory: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log);
        let file = file.expect("its directory is there");
        let child = command
            // What a broker leaves where it runs goes with the rest.
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("another handle"))
            .stderr(file)
            .process_group(0)
            .spawn();
        let name = command.get_program().to_string_lossy().into_owned();
        let child = child.unwrap_or_else(|error| {
            panic!("{name}: {error}: cargo xtask test installs it");
        });
        let group = Pid::from_child(&child);
        watcher::watch(group.as_raw_nonzero().get(), directory);
        Self {
            child,
            group,
            log: log.to_owned(),
        }
    }

    /// Waits until `is_ready`. Fails with what it printed if it ends before.
    pub(crate) fn wait_until_ready(&mut self, what: &str, mut is_ready: impl FnMut() -> bool) {
        let mut ended = None;
        let child = &mut self.child;
        let is_over = wait_until(|| {
            ended = child.try_wait().ok().flatten();
            ended.is_some() || is_ready()
        });
        if !is_over || ended.is_some() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let start = log.len().saturating_sub(4_000);
            let tail = log.get(start..).unwrap_or(&log);
            panic!("{what} did not start ({ended:?}):\n{tail}");
        }
    }

    /// Sends a signal to it and to those that it started.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self, signal: Signal) {
        self.signal(signal);
        let child = &mut self.child;
        let has_ended = wait_until(|| matches!(child.try_wait(), Ok(Some(_))));
        assert!(has_ended, "a broker does not stop");
    }

    fn end(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        watcher::forget(self.group.as_raw_nonzero().get());
    }
}

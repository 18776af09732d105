//! How is a server started, watched from outside, and ended?

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::now;
use crate::interrupt;

/// How long a server may take to end.
const END_MAX: Duration = Duration::from_secs(30);
/// How much of its log is shown if something went wrong.
const LOG_LINES_SHOWN: usize = 20;

/// A server that this program started. It is ended with it.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it, and waits until it has printed an address after each of these prefixes.
    pub fn start<const N: usize>(
        command: &mut Command,
        log: &Path,
        prefixes: [&str; N],
    ) -> Result<(Self, [SocketAddr; N])> {
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).with_context(|| log.display().to_string())?);
        let child = interrupt::start(command).with_context(|| format!("{command:?}"))?;
        let mut process = Self {
            child,
            log: log.to_owned(),
        };
        let stdout = process.child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut addresses = [None; N];
        while addresses.contains(&None) {
            let Some(line) = lines.next() else {
                bail!("it ended before it listened; it said\n{}", process.log());
            };
            let line = line?;
            for (address, prefix) in addresses.iter_mut().zip(prefixes) {
                if let Some(text) = line.trim().strip_prefix(prefix) {
                    *address = Some(text.parse().with_context(|| line.clone())?);
                }
            }
        }
        let addresses = addresses
            .map(|address: Option<SocketAddr>| address.unwrap_or_else(|| ([0, 0, 0, 0], 0).into()));
        Ok((process, addresses))
    }

    /// CPU time that it has used, see [`Watch::cpu`].
    pub fn cpu(&self) -> Result<Duration> {
        self.watch().cpu()
    }

    /// Looks at it from elsewhere.
    pub fn watch(&self) -> Watch {
        Watch {
            id: self.child.id(),
        }
    }

    /// Bytes of memory that are its own, with its share of what it shares (PSS).
    pub fn memory(&self) -> Result<u64> {
        kilobytes(&self.proc("smaps_rollup")?, "Pss:")
    }

    /// Bytes of memory that it has, with all of what it shares (RSS).
    pub fn memory_resident(&self) -> Result<u64> {
        kilobytes(&self.proc("status")?, "VmRSS:")
    }

    /// The most bytes of memory that it has had at once (resident).
    pub fn memory_peak(&self) -> Result<u64> {
        kilobytes(&self.proc("status")?, "VmHWM:")
    }

    fn proc(&self, name: &str) -> Result<String> {
        self.watch()
            .proc(name)
            .with_context(|| format!("the server said\n{}", self.log()))
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Asks it to end, and waits.
    pub fn end(mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        interrupt::ended(self.child.id());
        let asked = now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > END_MAX {
                bail!("it did not end within {END_MAX:?}; it said\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// A process to look at.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    id: u32,
}

impl Watch {
    /// CPU time that it has used, in user and system mode, all threads and those that ended included. It is counted in
    /// hundredths of a second.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name may contain anything; what follows its last parenthesis does not.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse().ok())
            .collect();
        let [user, system] = ticks[..] else {
            bail!("/proc/…/stat is not as expected: {stat}");
        };
        Ok(Duration::from_secs_f64(
            (user + system) as f64 / clock_ticks_per_second() as f64,
        ))
    }

    fn proc(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.id);
        std::fs::read_to_string(&path).context(path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        interrupt::ended(self.child.id());
        let _ = self.child.wait();
    }
}

/// A value of a file of `/proc`, in bytes.
fn kilobytes(text: &str, key: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(number.with_context(|| format!("no {key} in {text}"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_proc_is_in_bytes() {
        let text = "Rss:  10 kB\nPss:            2048 kB\nPss_Anon: 1 kB\n";
        assert_eq!(kilobytes(text, "Pss:").unwrap(), 2 << 20);
        assert!(kilobytes(text, "Swap:").is_err());
    }

    #[test]
    fn a_process_that_ends_at_once_is_said_to_have_ended_with_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no room >&2; exit 1"]);
        let error = Process::start(&mut command, &log, ["listens on "])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("no room"), "{error}");
    }
}

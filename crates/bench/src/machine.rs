//! On what was it measured?

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

/// What has to be known to compare figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The model of the processor.
    pub cpu: String,
    /// How many of them this process may use.
    pub cores: usize,
    /// In GiB.
    pub memory_gib: u64,
    /// The version of the kernel.
    pub kernel: String,
    /// What the files are on.
    pub file_system: String,
    /// Processes that wanted to run in the last minute, before anything was started.
    pub load_before: String,
    /// The revision of the sources.
    pub revision: String,
}

impl Machine {
    /// This one, with files below `place`.
    pub fn look(place: &Path) -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split(':').nth(1))
                .unwrap_or("unknown")
                .trim()
                .to_owned()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Ok(Self {
            cpu: value(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: (kibibytes + (1 << 19)) >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mountinfo"), &place.canonicalize()?),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            revision: revision(),
        })
    }

    /// Whether a sync there costs nothing.
    pub fn is_in_memory(&self) -> bool {
        ["tmpfs", "ramfs"].contains(&self.file_system.as_str())
    }

    /// In one line.
    pub fn describe(&self) -> String {
        format!(
            "{} cores of {}, {} GiB, Linux {}, files on {}, load before {}; revision {}",
            self.cores,
            self.cpu,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.load_before,
            self.revision
        )
    }
}

/// The type of what is mounted where this path is.
fn file_system(mounts: &str, path: &Path) -> String {
    let mounted = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?;
        Some((point, after.split(' ').next()?))
    });
    mounted
        .filter(|(point, _)| path.starts_with(point))
        // Of two at one point, the later one hides the other.
        .max_by_key(|(point, _)| point.len())
        .map_or("unknown", |(_, kind)| kind)
        .to_owned()
}

fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => head,
        _ => format!("{head} with changes"),
    }
}

/// Makes room for so many open files, in this process and in those that it starts.
pub fn allow_files(count: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let most = limit.maximum.unwrap_or(count);
        ensure!(
            most >= count,
            "{count} open files are needed, and only {most} are allowed: raise the hard limit (`ulimit -Hn`)"
        );
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(most),
                maximum: limit.maximum,
            },
        )
        .context("cannot open more files")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                      30 22 0:26 / /tmp rw,nosuid shared:5 - tmpfs tmpfs rw\n\
                      31 22 0:27 / /tmp rw - xfs /dev/vdb rw\n";
        for (path, kind) in [("/home/x", "ext4"), ("/tmp/x", "xfs"), ("/tmpx", "ext4")] {
            assert_eq!(file_system(mounts, Path::new(path)), kind, "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), "unknown");
    }
}

//! What does the system say of this process?
//!
//! With the names that Prometheus' own libraries use, and FireFly with them. Where there is no `/proc`, nothing.

use std::fs;

use photinus_engine::metrics::{Family, Sink};

static CPU: Family = Family::counter(
    "process_cpu_seconds_total",
    &[],
    "Total user and system CPU time spent in seconds.",
);
static RESIDENT: Family = Family::gauge(
    "process_resident_memory_bytes",
    &[],
    "Resident memory size in bytes.",
);
static VIRTUAL: Family = Family::gauge(
    "process_virtual_memory_bytes",
    &[],
    "Virtual memory size in bytes.",
);
static START: Family = Family::gauge(
    "process_start_time_seconds",
    &[],
    "Start time of the process since unix epoch in seconds.",
);
static OPEN_FDS: Family =
    Family::gauge("process_open_fds", &[], "Number of open file descriptors.");
static MAX_FDS: Family = Family::gauge(
    "process_max_fds",
    &[],
    "Maximum number of open file descriptors.",
);
static THREADS: Family = Family::gauge("process_threads", &[], "Number of threads of the process.");

/// All of them.
#[cfg(test)]
pub(super) static FAMILIES: &[&Family] = &[
    &CPU, &RESIDENT, &VIRTUAL, &START, &OPEN_FDS, &MAX_FDS, &THREADS,
];

/// What was read; what could not be is left out.
#[derive(Debug, Default)]
pub(super) struct Process {
    figures: Vec<(&'static Family, f64)>,
}

impl Process {
    /// Reads it now.
    pub(super) fn look() -> Self {
        let mut process = Self::default();
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        process.read_stat(&text("/proc/self/stat"), &text("/proc/stat"));
        process.read_limits(&text("/proc/self/limits"));
        // The one that reads the directory is not counted.
        let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1));
        process.note(&OPEN_FDS, open.ok().map(|open| open as f64));
        process
    }

    pub(super) fn collect(&self, sink: &mut dyn Sink) {
        for (family, value) in &self.figures {
            sink.number(family, &[], *value);
        }
    }

    fn note(&mut self, family: &'static Family, value: Option<f64>) {
        self.figures.extend(value.map(|value| (family, value)));
    }

    /// See `man 5 proc_pid_stat`. The name of the program may have spaces, and ends with the last parenthesis.
    fn read_stat(&mut self, stat: &str, system: &str) {
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field after the name is number 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let cpu = field(14).zip(field(15));
        self.note(&CPU, cpu.map(|(user, system)| (user + system) / ticks));
        self.note(&THREADS, field(20));
        self.note(&VIRTUAL, field(23));
        let page = rustix::param::page_size() as f64;
        self.note(&RESIDENT, field(24).map(|pages| pages * page));
        let booted = system.lines().find_map(|line| line.strip_prefix("btime "));
        let booted = booted.and_then(|booted| booted.trim().parse::<f64>().ok());
        let start = field(22).zip(booted);
        self.note(&START, start.map(|(after, booted)| booted + after / ticks));
    }

    fn read_limits(&mut self, limits: &str) {
        let line = limits
            .lines()
            .find_map(|l| l.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_ascii_whitespace().next());
        self.note(&MAX_FDS, soft.and_then(|soft| soft.parse().ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_trouble() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 200 100 13 14 15 16 9 18 500 4096000 10 21";
        let mut process = Process::default();
        process.read_stat(stat, "cpu 1 2\nbtime 1000\n");
        let value = |family: &Family| {
            let found = process.figures.iter().find(|(f, _)| f.name == family.name);
            found.map(|(_, value)| *value)
        };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(value(&CPU), Some(300.0 / ticks));
        assert_eq!(value(&THREADS), Some(9.0));
        assert_eq!(value(&START), Some(1000.0 + 500.0 / ticks));
        assert_eq!(value(&VIRTUAL), Some(4_096_000.0));
        assert_eq!(
            value(&RESIDENT),
            Some(10.0 * rustix::param::page_size() as f64)
        );
    }

    #[test]
    fn without_proc_there_is_nothing() {
        let mut process = Process::default();
        process.read_stat("", "");
        process.read_limits("");
        assert!(process.figures.is_empty(), "{process:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn on_linux_all_is_known() {
        assert_eq!(Process::look().figures.len(), FAMILIES.len());
    }
}

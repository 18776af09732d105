//! What is left of a run that was ended before it was over?

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use photinus_bench::clock::now;
use photinus_bench::wire::socket::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};

use crate::binary::product;

/// Processes that were told of a file in this directory.
fn processes_of(directory: &Path) -> usize {
    let directory = directory.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(directory))
        .count()
}

#[test]
fn a_run_that_is_ended_leaves_no_server_and_no_file() {
    let place = tempfile::tempdir().unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_photinus-bench"))
        .args(["--quick", "--only", "latency-10", "--binary"])
        .arg(product())
        .arg("--in")
        .arg(place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(bench.stderr.take().unwrap());
    let round = said
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("round 1"));
    assert!(round.is_some(), "it ended by itself");
    // The bench, the product, and the bare server.
    assert_eq!(processes_of(place.path()), 3);

    let pid = Pid::from_raw(i32::try_from(bench.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(bench.wait().unwrap().code(), Some(130));
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // Those that were killed are gone when the system has buried them.
    let started = now();
    while processes_of(place.path()) > 0 {
        assert!(started.elapsed() < PATIENCE, "a server goes on");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

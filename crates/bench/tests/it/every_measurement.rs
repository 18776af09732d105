//! Does every measurement work, and does what it measures happen?
//!
//! Each runs once with tiny counts, against the real binary: its own checks (nothing lost, nothing twice, in order, the
//! offset reached) are what is tried. The figures mean nothing here.

use std::path::PathBuf;

use photinus_bench::measurement::Bench;
use photinus_bench::measurements;
use photinus_bench::progress::Progress;
use photinus_bench::rounds::{self, Outcome};
use photinus_bench::scale::Scale;

use crate::binary::product;

/// Runs those whose names begin like this.
fn run(start: &str) -> Vec<Outcome> {
    let scale = Scale::tiny();
    let place = tempfile::tempdir().unwrap();
    let own = PathBuf::from(env!("CARGO_BIN_EXE_photinus-bench"));
    let bench = Bench::new(product(), own, place.path(), scale.clone()).unwrap();
    let mut outcomes = Vec::new();
    for mut measurement in measurements::all(&scale) {
        if measurement.name().starts_with(start) {
            outcomes.push(rounds::run(
                &bench,
                measurement.as_mut(),
                &mut Progress::silent(),
            ));
        }
    }
    outcomes
}

#[track_caller]
fn all_are_measured(start: &str, count: usize) {
    let outcomes = run(start);
    assert_eq!(
        outcomes.len(),
        count,
        "measurements that begin with {start}"
    );
    for outcome in outcomes {
        assert_eq!(outcome.failed, None, "{}", outcome.name);
        for measured in &outcome.figures {
            let figure = format!("{}, {}", outcome.name, measured.figure.name);
            let product = measured
                .product
                .as_ref()
                .unwrap_or_else(|| panic!("{figure}: nothing"));
            assert_eq!(product.each.len(), 1, "{figure}");
            // CPU time is counted in hundredths of a second: there may be none. A difference may be anything.
            let may_be_none = ["CPU", "memory each", " − "];
            let may_be_none = may_be_none.iter().any(|part| figure.contains(part));
            assert!(product.median > 0.0 || may_be_none, "{figure}: {product:?}");
            let has_limit = measured
                .limits
                .iter()
                .all(|limit| limit.rounds.each.len() == 1);
            assert!(has_limit, "{figure}: {:?}", measured.limits);
        }
    }
}

#[test]
fn publishing_is_measured() {
    all_are_measured("publish-", 4);
}

#[test]
fn latencies_are_measured() {
    all_are_measured("latency-", 4);
}

#[test]
fn brokers_are_measured() {
    all_are_measured("brokers-", 4);
}

#[test]
fn drains_are_measured() {
    all_are_measured("drain-", 3);
}

#[test]
fn batches_are_measured() {
    all_are_measured("batch-", 2);
}

#[test]
fn many_subscriptions_are_measured() {
    all_are_measured("subscriptions-", 4);
    all_are_measured("match-", 1);
}

#[test]
fn many_sockets_are_measured() {
    all_are_measured("idle-sockets", 1);
    all_are_measured("ephemeral", 3);
}

#[test]
fn a_long_history_is_measured() {
    all_are_measured("catch-up-", 1);
    all_are_measured("start-", 1);
    all_are_measured("scan", 1);
    all_are_measured("growth", 1);
}

#[test]
fn memory_is_measured() {
    all_are_measured("memory", 2);
}

//! Are the promises kept over many runs?
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Mutex, OnceLock, PoisonError};

use photinus_sim::{Counts, run, tail};

/// Kinds of things that have to happen somewhere in the seeds, or they try less than they say.
const MUST_HAPPEN: [&str; 45] = [
    "ack timeouts",
    "acknowledged",
    "acknowledged with a reply",
    "answered with a park",
    "answers from elsewhere",
    "batches",
    "batches answered by items",
    "changes dropped",
    "changes told",
    "claims",
    "connections closed",
    "connections down",
    "crashes with writes waiting",
    "deliveries",
    "ephemeral subscriptions",
    "failing stores",
    "hand-overs busy",
    "hand-overs closed",
    "hand-overs failed",
    "keys found in use",
    "late answers ignored",
    "lists replaced",
    "pages read",
    "parks",
    "parks fenced",
    "pauses",
    "pauses found again",
    "pauses of applications stored",
    "positions fenced",
    "publishes answered",
    "replies",
    "replies fenced",
    "replies found their key",
    "retries",
    "second engines",
    "seeks",
    "seeks past the engine",
    "shutdowns",
    "skips",
    "subscriptions changed",
    "subscriptions deleted",
    "subscriptions paused",
    "subscriptions resumed",
    "voided by a reset",
    "voided by a rewind",
];

/// How many tests share the seeds, so that they use two processors.
const PARTS: u64 = 2;
const SEEDS: u64 = 200;

/// Chance comes from the seed alone. What this finds comes before everything else: without it nothing that the
/// others find could be repeated.
fn same_seed_same_bytes() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        for seed in 0..8 {
            let (once, again) = (run(seed), run(seed));
            let mut lines = once.history.lines().zip(again.history.lines());
            let differing = lines.find(|(line, other)| line != other);
            assert_eq!(differing, None, "seed {seed}");
            assert_eq!(once.history, again.history, "seed {seed}");
        }
    });
}

/// Runs one part of the seeds. Whoever is last looks whether all has happened.
fn part(number: u64) {
    static DONE: Mutex<(u64, Counts)> = Mutex::new((0, Counts::new()));
    same_seed_same_bytes();
    let mut counts = Counts::new();
    for seed in (0..SEEDS).filter(|seed| seed % PARTS == number) {
        let outcome = run(seed);
        for (kind, count) in outcome.counts {
            *counts.entry(kind).or_default() += count;
        }
        if let Some(violation) = outcome.violation {
            panic!(
                "{}\nseed {seed}: {violation}\nto repeat: cargo xtask sim --seed {seed}",
                tail(&outcome.history)
            );
        }
    }
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (kind, count) in counts {
        *done.1.entry(kind).or_default() += count;
    }
    done.0 += 1;
    if done.0 == PARTS {
        let never: Vec<&str> = MUST_HAPPEN
            .into_iter()
            .filter(|kind| !done.1.contains_key(kind))
            .collect();
        assert_eq!(never, Vec::<&str>::new(), "never happened: {:#?}", done.1);
    }
}

#[test]
fn a_the_same_seed_gives_the_same_bytes() {
    same_seed_same_bytes();
}

#[test]
fn every_promise_is_kept_in_the_even_seeds() {
    part(0);
}

#[test]
fn every_promise_is_kept_in_the_odd_seeds() {
    part(1);
}

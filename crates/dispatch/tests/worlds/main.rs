//! Does the dispatcher keep its promises in every interleaving of a small world?
//!
//! Three events, read-ahead 0 to 2, single deliveries and batches. Every order of answers (acknowledge, retry,
//! park, skip, late), closed connections, busy hand-overs, pauses from outside, timeouts and failed writes is tried,
//! within budgets that make the world finite. What is checked after each step stands in `world.rs`.

mod world;

use std::collections::HashSet;

use world::{Budget, World};

/// Walks all reachable states and returns how many there were.
fn explore(start: World) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        let next = state.steps();
        if next.is_empty() {
            state.assert_finished();
        }
        for state in next {
            if seen.insert(state.clone()) {
                open.push(state);
            }
        }
    }
    seen.len()
}

#[test]
fn single_deliveries_in_every_order() {
    for read_ahead in 0..=2 {
        for budget in [
            Budget {
                retries: 2,
                parks: 1,
                closes: 0,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                parks: 1,
                closes: 1,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                skips: 1,
                busy: 1,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                parks: 1,
                failed_writes: 1,
                ..Budget::default()
            },
            Budget {
                parks: 1,
                replies: 1,
                closes: 1,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                failed_hand_overs: 2,
                ..Budget::default()
            },
            Budget {
                pauses: 1,
                retries: 1,
                closes: 1,
                ..Budget::default()
            },
            Budget {
                asked_pauses: 2,
                pauses: 1,
                ..Budget::default()
            },
            Budget {
                asked_pauses: 1,
                retries: 1,
                closes: 1,
                ..Budget::default()
            },
            Budget {
                outages: 1,
                retries: 1,
                busy: 1,
                ..Budget::default()
            },
        ] {
            let states = explore(World::new(read_ahead, false, None, budget));
            assert!(
                states > 10,
                "read-ahead {read_ahead}, {budget:?}: only {states} states"
            );
        }
    }
}

#[test]
fn ack_timeouts_in_every_order() {
    for read_ahead in 0..=2 {
        for budget in [
            Budget {
                timeouts: 2,
                ..Budget::default()
            },
            Budget {
                timeouts: 1,
                retries: 1,
                parks: 1,
                ..Budget::default()
            },
            Budget {
                timeouts: 1,
                closes: 1,
                ..Budget::default()
            },
            Budget {
                timeouts: 2,
                outages: 1,
                ..Budget::default()
            },
            Budget {
                timeouts: 1,
                asked_pauses: 1,
                ..Budget::default()
            },
        ] {
            explore(World::new(read_ahead, false, Some(1), budget));
        }
    }
}

#[test]
fn batches_in_every_order() {
    for read_ahead in 1..=3 {
        for budget in [
            Budget {
                retries: 2,
                parks: 1,
                skips: 1,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                closes: 1,
                busy: 1,
                ..Budget::default()
            },
            Budget {
                retries: 1,
                replies: 1,
                failed_writes: 1,
                ..Budget::default()
            },
            Budget {
                timeouts: 1,
                retries: 1,
                ..Budget::default()
            },
            Budget {
                outages: 1,
                busy: 1,
                pauses: 1,
                ..Budget::default()
            },
            Budget {
                asked_pauses: 1,
                pauses: 1,
                retries: 1,
                ..Budget::default()
            },
        ] {
            let ack_timeout = (budget.timeouts > 0).then_some(1);
            let states = explore(World::new(read_ahead, true, ack_timeout, budget));
            assert!(
                states > 3,
                "batch of {read_ahead}, {budget:?}: only {states} states"
            );
        }
    }
}

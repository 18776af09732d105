//! Do they keep it in every interleaving of a small world?
//!
//! Four events with three keys, of which two share one, and replays of what is parked. Every order of hand-overs, answers,
//! writes, marks, discards, closed connections and restarts is tried, within budgets that make the world finite. What has
//! to hold after each step stands in `world.rs`; and each world that is left has to come to a good end.

use std::collections::HashSet;

use photinus_contract::retry::Then;

use super::world::{How, Setup, World};

/// How often each trouble may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Budget {
    fails: u8,
    parks: u8,
    skips: u8,
    replies: u8,
    failed_writes: u8,
    busy: u8,
    marks: u8,
    discards: u8,
    reconnects: u8,
    restarts: u8,
}

/// The states that one step leads to.
fn steps(world: &World, budget: Budget) -> Vec<(World, Budget)> {
    let mut next = Vec::new();
    let mut step = |budget: Budget, act: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        act(&mut world);
        world.check();
        next.push((world, budget));
    };
    // Reading comes first: it is what the driver does before it waits.
    let [can_feed, can_deliver, can_replay] = world.can_go_on();
    if can_feed {
        step(budget, &|world| world.feed(2));
        return next;
    }
    if can_replay {
        step(budget, &|world| world.read_replays(2));
    }
    if can_deliver {
        step(budget, &World::deliver);
        if let Some(busy) = budget.busy.checked_sub(1) {
            step(Budget { busy, ..budget }, &|world| world.refuse(false));
            step(Budget { busy, ..budget }, &|world| world.refuse(true));
        }
    }
    let [with_application, writing, parked] = world.counts();
    for which in 0..with_application {
        step(budget, &|world| world.answer(which, How::Acknowledge));
        let mut costly = |how: How, field: fn(&mut Budget) -> &mut u8| {
            let mut budget = budget;
            let left = field(&mut budget);
            if *left > 0 {
                *left -= 1;
                step(budget, &|world| world.answer(which, how));
            }
        };
        costly(How::Fail, |budget| &mut budget.fails);
        costly(How::Park, |budget| &mut budget.parks);
        costly(How::Skip, |budget| &mut budget.skips);
        costly(How::Reply, |budget| &mut budget.replies);
    }
    for which in 0..writing {
        step(budget, &|world| world.written(which, true));
        if let Some(failed_writes) = budget.failed_writes.checked_sub(1) {
            let budget = Budget {
                failed_writes,
                ..budget
            };
            step(budget, &|world| world.written(which, false));
        }
    }
    if let Some(marks) = budget.marks.checked_sub(1).filter(|_| parked > 0) {
        step(Budget { marks, ..budget }, &World::mark);
    }
    if let Some(discards) = budget.discards.checked_sub(1) {
        for which in 0..parked {
            step(Budget { discards, ..budget }, &|world| world.discard(which));
        }
    }
    if let Some(reconnects) = budget.reconnects.checked_sub(1) {
        step(
            Budget {
                reconnects,
                ..budget
            },
            &World::reconnect,
        );
    }
    if let Some(restarts) = budget.restarts.checked_sub(1) {
        step(Budget { restarts, ..budget }, &World::restart);
    }
    if world.waits() && with_application + writing == 0 && !can_deliver {
        step(budget, &|world| world.pass(2));
    }
    next
}

/// Walks all reachable states and returns how many there were.
fn explore(setup: Setup, budget: Budget) -> usize {
    let start = (World::new(setup), budget);
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some((world, budget)) = open.pop() {
        world.clone().finish();
        for state in steps(&world, budget) {
            if seen.insert(state.clone()) {
                open.push(state);
            }
        }
    }
    seen.len()
}

const BUDGETS: [Budget; 5] = [
    Budget {
        fails: 2,
        parks: 1,
        reconnects: 1,
        ..NOTHING
    },
    Budget {
        fails: 1,
        skips: 1,
        restarts: 1,
        busy: 1,
        ..NOTHING
    },
    Budget {
        fails: 1,
        parks: 2,
        marks: 1,
        ..NOTHING
    },
    Budget {
        parks: 1,
        marks: 1,
        restarts: 1,
        discards: 1,
        ..NOTHING
    },
    Budget {
        parks: 1,
        replies: 1,
        failed_writes: 1,
        marks: 1,
        ..NOTHING
    },
];

const NOTHING: Budget = Budget {
    fails: 0,
    parks: 0,
    skips: 0,
    replies: 0,
    failed_writes: 0,
    busy: 0,
    marks: 0,
    discards: 0,
    reconnects: 0,
    restarts: 0,
};

fn explore_all(keyed: bool, attempts_max: Option<u32>, then: Then) {
    for read_ahead in 0..=2 {
        for budget in BUDGETS {
            let setup = Setup {
                read_ahead,
                keyed,
                attempts_max,
                then,
                end: 4,
            };
            let states = explore(setup, budget);
            assert!(states > 50, "{setup:?}, {budget:?}: only {states} states");
        }
    }
}

#[test]
fn keys_in_every_order() {
    explore_all(true, None, Then::Hold);
}

#[test]
fn keys_and_attempts_that_end_in_every_order() {
    explore_all(true, Some(1), Then::Park);
}

#[test]
fn replays_in_every_order() {
    explore_all(false, None, Then::Hold);
}

#[test]
fn replays_and_attempts_that_end_in_every_order() {
    explore_all(false, Some(2), Then::Park);
}

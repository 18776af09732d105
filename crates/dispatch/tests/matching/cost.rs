//! How many instructions does an event take?
//!
//! Counted by valgrind, because times depend on the machine and on what else it does. The test starts itself under
//! valgrind: the workloads are tests, too, so that they also run without it.

use std::hint::black_box;
use std::process::Command;

use photinus_contract::Event;
use photinus_dispatch::{EventMatcher, Patterns};

use crate::{compiled, event, on_tag};

/// How many events a workload matches.
const EVENTS: u64 = 100;

/// Only what this does is counted.
#[inline(never)]
fn counted_work(matcher: &mut EventMatcher<u32>, events: &[Event]) -> usize {
    let mut found = Vec::with_capacity(16);
    for event in events {
        matcher.matches(event, &mut found);
    }
    found.len()
}

/// Matches events with a tag each, of which every second one is wanted, once.
fn match_tags(subscriptions: u32, pattern: impl Fn(u32) -> String) {
    let patterns = Patterns::default();
    let mut matcher = EventMatcher::new();
    for n in 0..subscriptions {
        matcher.insert(n, &on_tag(&patterns, &pattern(n)));
    }
    let events: Vec<_> = (0..EVENTS as u32)
        .map(|n| match n % 2 {
            0 => event("orders", &format!("tag-{:06}", n % subscriptions), "did:x"),
            _ => event("orders", &format!("other-{n:06}"), "did:x"),
        })
        .collect();
    let found = counted_work(&mut matcher, black_box(&events));
    assert_eq!(found as u64, EVENTS / 2);
}

fn exact(n: u32) -> String {
    format!("^tag-{n:06}$")
}

fn prefix(n: u32) -> String {
    format!("^tag-{n:06}")
}

#[test]
fn exact_100() {
    match_tags(100, exact);
}

#[test]
fn exact_100000() {
    match_tags(100_000, exact);
}

#[test]
fn prefix_100() {
    match_tags(100, prefix);
}

#[test]
fn prefix_100000() {
    match_tags(100_000, prefix);
}

/// Subscriptions with a tag each, and all with the same search for a topic.
#[test]
fn searched_100000() {
    let patterns = Patterns::default();
    let mut matcher = EventMatcher::new();
    for n in 0..100_000 {
        let filter = serde_json::json!({"topic": "or.*s", "message": {"tag": exact(n)}});
        matcher.insert(n, &compiled(&patterns, filter));
    }
    let events: Vec<_> = (0..EVENTS)
        .map(|n| event("orders", &format!("tag-{:06}", 2 * n), "did:x"))
        .collect();
    // The first search for a text is made, and not counted.
    matcher.matches(&events[0], &mut Vec::new());
    let found = counted_work(&mut matcher, black_box(&events));
    assert_eq!(found as u64, EVENTS);
}

/// Instructions for one event of a workload.
fn instructions(workload: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_work*")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("cost::{workload}")])
        .output()
        .expect("valgrind counts instructions; `cargo xtask test` installs it, or `apt-get install valgrind`");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let collected = collected.and_then(|(_, count)| count.trim().parse::<u64>().ok());
    let count = collected.unwrap_or_else(|| panic!("no count in {text}")) / EVENTS;
    println!("{workload}: {count} instructions an event");
    assert!(count > 50, "what was to be counted did not run");
    count
}

#[test]
fn an_event_costs_the_same_with_100_000_subscriptions_as_with_100() {
    for [few, many] in [
        ["exact_100", "exact_100000"],
        ["prefix_100", "prefix_100000"],
    ] {
        let (few, many) = (instructions(few), instructions(many));
        assert!(many < 1_200, "{many} instructions");
        assert!(many * 10 < few * 12, "{few} and {many}");
    }
    let searched = instructions("searched_100000");
    assert!(searched < 2_500, "{searched} instructions");
}

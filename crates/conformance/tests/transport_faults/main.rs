//! Does the suite refuse what it must refuse, and nothing else?

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests fail where they stand"
)]

mod callbacks;
mod far_end;
mod faults;
mod right;
mod wrong;

use std::sync::Arc;
use std::time::Duration;

use photinus_conformance::transport::{RULES, Subject, Verdict, check, run, run_rule};

use crate::far_end::Callers;
use crate::faults::{Fault, REFUSED};
use crate::right::Right;
use crate::wrong::Wrong;

fn subject(fault: Fault) -> Subject {
    let right = Right::default();
    let plugin = right.clone();
    Subject::new(
        move || {
            let right = plugin.clone();
            Arc::new(Wrong { fault, right })
        },
        move |_running| {
            let far = Callers::start(&right);
            Box::pin(async move { Ok(far) })
        },
    )
}

#[test]
fn the_right_transport_is_refused_by_no_rule_and_none_is_skipped() {
    let table = run(|| subject(Fault::None));
    println!("{table}");
    assert!(
        table.rows.iter().all(|row| row.1 == Verdict::Kept),
        "{table}"
    );
    assert_eq!(table.rows.len(), RULES.len());
}

#[test]
fn every_rule_refuses_a_transport_that_breaks_it() {
    for rule in RULES {
        let has_one = REFUSED.iter().any(|(_, name, _)| *name == rule.name);
        assert!(has_one, "no fault breaks '{}'", rule.name);
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    // Most of the time is spent waiting for what does not come.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some((fault, name, word)) = REFUSED.get(place) else {
                        return;
                    };
                    let rule = RULES.iter().find(|rule| rule.name == *name).unwrap();
                    let patience = Duration::from_secs(4);
                    let verdict = run_rule(|| subject(*fault).with_patience(patience), rule);
                    let text = verdict.refusal().unwrap_or("not refused");
                    let first = text.lines().next().unwrap_or_default();
                    println!("{fault:?} → {name}: {first}");
                    if !text.contains(word) {
                        let line = format!("{fault:?} by {name}, with '{word}': {text}");
                        missed.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
#[should_panic(expected = "Every event reaches the application once")]
fn a_test_of_a_rule_that_is_broken_fails_with_its_promise() {
    check(|| subject(Fault::AnswersStrangers), "order");
}

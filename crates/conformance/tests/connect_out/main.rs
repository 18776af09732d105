//! Can a transport be tried that connects to its applications?
//!
//! `calls` opens a connection for each event, as a webhook does, to the address in the subscription's
//! options. Its far end is a server.

#![allow(clippy::unwrap_used, reason = "a lock that is poisoned fails the test")]

mod far_end;
mod transport;

use std::sync::Arc;

use photinus_conformance::transport::Subject;

fn subject() -> Subject {
    Subject::new(
        || Arc::new(transport::Calls),
        |_running| Box::pin(far_end::Receiver::start()),
    )
}

photinus_conformance::transport_suite!(subject);

#[test]
fn what_one_event_at_a_time_can_show_is_tried() {
    let skipped = photinus_conformance::transport::skipped(subject);
    let skipped: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    let tried: Vec<_> = photinus_conformance::transport::NAMES
        .iter()
        .filter(|name| !skipped.contains(name))
        .copied()
        .collect();
    let expected = [
        "order",
        "retry",
        "park",
        "skip",
        "reply",
        "late_after_ack_timeout",
        "late_after_change",
        "failed_hand_over",
        "options_schema",
        "config_schema",
        "secrets",
        "panics",
        "shutdown",
        "after_shutdown",
    ];
    assert_eq!(tried, expected);
}

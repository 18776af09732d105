//! Does the transport keep the promises of every transport?

#[path = "conformance/far_end.rs"]
mod far_end;

photinus_conformance::transport_suite!(far_end::subject);

#[test]
fn only_what_the_protocol_cannot_say_is_skipped() {
    let skipped = photinus_conformance::transport::skipped(far_end::subject);
    let names: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, SKIPPED, "{skipped:?}");
}

/// There is one connection, which never ends, one event at a time, and no answer without a question; a request that is
/// given up is not heard any more; a reply holds what HTTP says.
const SKIPPED: &[&str] = &[
    "gaps",
    "reply",
    "late_after_rewind",
    "late_after_ack_timeout",
    "late_after_change",
    "busy",
    "never_blocks",
    "takeover",
    "after_closed",
    "replaced_list",
    "ephemeral_life",
    "ephemeral_refused",
    "changes",
    "changes_refused",
    "changes_dropped",
    "batch_items",
];

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

/// There is one connection to a broker that takes everything and never ends; applications ask for no subscription, no
/// batches and no changes; no option is a secret.
const SKIPPED: &[&str] = &[
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
    "batch",
    "batch_items",
    "secrets",
];

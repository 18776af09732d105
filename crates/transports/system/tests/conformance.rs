//! Does the transport keep the promises of every transport?
//!
//! Nobody outside of the server can subscribe on `system`: the engine refuses durable subscriptions for this name
//! (`FF10266`). Under its own name it is tried with ephemeral ones. So that all the other rules try it too, it
//! runs under another name besides, where a listener can serve a durable subscription
//! ([`attaching`]): with listeners that answer each event, and with such that acknowledge by asking for the next.

#![allow(clippy::unwrap_used, reason = "a lock that is poisoned fails the test")]

#[path = "conformance/attaching.rs"]
mod attaching;
#[path = "conformance/far_end.rs"]
mod far_end;

use photinus_conformance::transport::{NAMES, check, skipped};

use crate::far_end::{Manner, Name, subject};

mod answering_each {
    use photinus_conformance::transport::Subject;

    use crate::far_end::{Manner, Name};

    fn subject() -> Subject {
        crate::far_end::subject(Name::Attaching, Manner::Explicit)
    }

    photinus_conformance::transport_suite!(subject);
}

mod asking_for_the_next {
    use photinus_conformance::transport::Subject;

    use crate::far_end::{Manner, Name};

    fn subject() -> Subject {
        crate::far_end::subject(Name::Attaching, Manner::Next)
    }

    photinus_conformance::transport_suite!(subject);
}

mod under_its_own_name {
    use super::*;

    fn keeps(rule: &str) {
        for manner in [Manner::Explicit, Manner::Next] {
            check(|| subject(Name::Own, manner), rule);
        }
    }

    #[test]
    fn ephemeral_life() {
        keeps("ephemeral_life");
    }

    #[test]
    fn ephemeral_refused() {
        keeps("ephemeral_refused");
    }

    #[test]
    fn options_schema() {
        keeps("options_schema");
    }

    #[test]
    fn config_schema() {
        keeps("config_schema");
    }
}

/// Of [`NAMES`], in their order.
fn names_skipped(manner: Manner) -> Vec<&'static str> {
    let skipped = skipped(|| subject(Name::Attaching, manner));
    skipped.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn only_what_a_listener_cannot_do_is_skipped() {
    // A listener has one subscription, which is there when it is; the transport takes no changes and no batches,
    // and has no options.
    let always = [
        "matcher",
        "replaced_list",
        "changes",
        "changes_refused",
        "changes_dropped",
        "batch",
        "batch_items",
        "secrets",
    ];
    assert_eq!(names_skipped(Manner::Explicit), always);
    // Who asks for the next has one event at a time.
    let one_at_a_time = [
        "gaps",
        "late_after_rewind",
        "late_after_ack_timeout",
        "late_after_change",
        "busy",
        "never_blocks",
    ];
    let expected: Vec<_> = NAMES
        .iter()
        .filter(|name| always.contains(name) || one_at_a_time.contains(name))
        .copied()
        .collect();
    assert_eq!(names_skipped(Manner::Next), expected);
}

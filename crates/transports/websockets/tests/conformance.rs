//! Does the transport keep the promises of every transport?
//!
//! Twice: with clients that name the delivery which they answer, and with clients that answer by event id
//! alone, as FireFly's do.

#[path = "conformance/far_end.rs"]
mod far_end;

mod by_delivery {
    use photinus_conformance::transport::Subject;

    fn subject() -> Subject {
        crate::far_end::subject(crate::far_end::Naming::Delivery)
    }

    photinus_conformance::transport_suite!(subject);
}

mod by_event {
    use photinus_conformance::transport::Subject;

    fn subject() -> Subject {
        crate::far_end::subject(crate::far_end::Naming::Event)
    }

    photinus_conformance::transport_suite!(subject);
}

#[test]
fn only_what_the_protocol_cannot_say_is_skipped() {
    let subject = || far_end::subject(far_end::Naming::Delivery);
    let skipped = photinus_conformance::transport::skipped(subject);
    let names: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["reply", "secrets"], "{skipped:?}");
}

//! Is what an older version left understood, and is everything said that it said?

use std::collections::BTreeMap;

use photinus_e2e::fixture::{Fixture, assert_says, live, stored};
use photinus_e2e::{Server, StopSignal};
use serde_json::Value;

#[test]
fn what_older_versions_left_is_read_and_delivered_as_they_did_and_no_offset_moves() {
    for fixture in Fixture::all() {
        let before = fixture.snapshot("stored");
        let mut server = Server::start_with(fixture.data(), "127.0.0.1:0");
        assert_says(&before, &stored(&server), &fixture.name());
        // And again after deliveries without an answer and an orderly stop: nothing of that settled anything.
        server.stop(StopSignal::Term);
        server.start_again();
        let again = stored(&server);
        assert_eq!(
            events(&before["deliveries"]),
            events(&again["deliveries"]),
            "{}",
            fixture.name()
        );
    }
}

/// The events of all deliveries with their attempts, by subscription: not the ids, which are new with each owner.
fn events(deliveries: &Value) -> BTreeMap<&str, Vec<(&Value, &Value)>> {
    let subscriptions = deliveries.as_object().unwrap().iter();
    subscriptions
        .map(|(name, frames)| {
            let frames = frames.as_array().unwrap().iter();
            let events = frames.flat_map(|frame| match frame["events"].as_array() {
                Some(events) => events.iter().collect(),
                None => vec![frame],
            });
            let seen = events.map(|event| (&event["sequence"], &event["attempt"]));
            (name.as_str(), seen.collect())
        })
        .collect()
}

#[test]
fn a_conversation_is_what_it_was_in_older_versions() {
    let now = live(&Server::start());
    for fixture in Fixture::all() {
        assert_says(&fixture.snapshot("live"), &now, &fixture.name());
    }
}

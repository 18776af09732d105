//! Does a broker that is odd, old or broken harm more than what it is odd about?

use photinus_brokers::{OddMqtt, OddPacket, OddReaction, WELCOME_3};
use photinus_e2e::{Rest, Server, wait_until};
use serde_json::{Value, json};

use super::{Feed, publish, start, target};

const SOUND: OddReaction = Some(Vec::new());

#[track_caller]
fn with(broker: &OddMqtt) -> Server {
    start(&target("mqtt", &broker.url()))
}

#[track_caller]
fn published(broker: &OddMqtt, text: &str) -> Vec<OddPacket> {
    let seen = broker.seen().into_iter();
    seen.filter(|packet| packet.kind() == 3 && packet.says(text))
        .collect()
}

/// How often the target was connected to.
#[track_caller]
fn connections(rest: &Rest) -> u64 {
    let shown = rest.get("/api/v1/mqtt").expect(200);
    shown["targets"]["main"]["connections"].as_u64().unwrap()
}

#[test]
fn nobody_has_subscribed_is_heard_at_qos_2_as_well() {
    let broker = OddMqtt::start(|packet| match (packet.kind(), packet.number_of_publish()) {
        (3, Some([high, low])) => Some(vec![0x50, 3, high, low, 0x10]),
        _ => SOUND,
    });
    let server = with(&broker);
    let rest = server.rest();
    let deliver = Feed::new(
        &rest,
        "mqtt",
        "deliver",
        json!({"topic": "d", "qos": 2, "readAhead": 5}),
    );
    for number in 1..=3 {
        publish(&rest, "t", json!(number));
    }
    deliver.wait_for_offset(&rest, 3);
    let policy = json!({"delays": ["10ms"], "maxAttempts": 2, "then": "park"});
    let options = json!({"topic": "r", "qos": 2, "noSubscribers": "retry", "retryPolicy": policy});
    let retry = Feed::new(&rest, "mqtt", "retry", options);
    retry.wait_for_offset(&rest, 3);
    let parked = retry.parked(&rest);
    assert_eq!(parked.len(), 3);
    assert!(
        parked[0].to_string().contains("nobody has subscribed"),
        "{parked:?}"
    );
    // Each exchange went to its end, and so nothing had to be connected anew.
    let ended = broker
        .seen()
        .iter()
        .filter(|packet| packet.kind() == 6)
        .count();
    assert_eq!(ended, 3 + 2 * 3);
    assert_eq!(connections(&rest), 1);
}

#[test]
fn an_event_that_ends_the_connection_each_time_is_found_and_set_aside() {
    let broker = OddMqtt::start(|packet| match packet.kind() == 3 && packet.says("poison") {
        true => None,
        false => SOUND,
    });
    let server = with(&broker);
    let rest = server.rest();
    let policy = json!({"delays": ["10ms"], "maxAttempts": 2, "then": "park"});
    let options = json!({"topic": "a", "content": "data", "readAhead": 20, "retryPolicy": policy});
    let mut feeds = vec![Feed::new(&rest, "mqtt", "guilty", options.clone())];
    // Others of the same target have nothing to do with it.
    let mut innocent = options;
    innocent["topic"] = "b".into();
    innocent["content"] = "firefly".into();
    innocent["withData"] = false.into();
    feeds.push(Feed::new(&rest, "mqtt", "innocent", innocent));
    for value in [json!(1), json!(2), json!("poison"), json!(4), json!(5)] {
        publish(&rest, "t", value);
    }
    for feed in &feeds {
        feed.wait_for_offset(&rest, 5);
    }
    let parked = feeds[0].parked(&rest);
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0]["sequence"], 3);
    let reason = parked[0].to_string();
    assert!(reason.contains("the connection ends each time"), "{reason}");
    assert_eq!(feeds[1].parked(&rest), Vec::<Value>::new());
    for packet in published(&broker, "photinus-attempt") {
        let is_first = packet.says("photinus-attempt\0\u{1}1");
        assert!(
            is_first || packet.says("poison"),
            "an attempt of another was counted"
        );
    }
}

#[test]
fn what_the_library_of_the_protocol_cannot_bear_ends_a_connection_and_nothing_else() {
    let broker = OddMqtt::start(|packet| match (packet.kind(), packet.number_of_publish()) {
        (3, Some([high, low])) if packet.connection == 0 => {
            // A message with the number 0, which there is not.
            let mut said = vec![0x40, 2, high, low];
            said.extend([0x32, 6, 0, 1, b'a', 0, 0, 0]);
            Some(said)
        }
        _ => SOUND,
    });
    let server = with(&broker);
    let rest = server.rest();
    let feed = Feed::new(&rest, "mqtt", "odd", json!({"topic": "a"}));
    publish(&rest, "t", json!(1));
    wait_until("a second connection", || connections(&rest) > 1);
    publish(&rest, "t", json!(2));
    feed.wait_for_offset(&rest, 2);
}

#[test]
fn a_broker_that_knows_only_the_older_version_gets_events_in_that() {
    let broker = OddMqtt::start(|packet| match packet.kind() {
        1 if packet.body[6] == 5 => Some(vec![0x20, 2, 0, 1]),
        1 => Some(WELCOME_3.to_vec()),
        _ => SOUND,
    });
    let server = with(&broker);
    let rest = server.rest();
    let feed = Feed::new(
        &rest,
        "mqtt",
        "old",
        json!({"topic": "{topic}", "content": "data"}),
    );
    let asks = json!({"topic": "asks", "ack": "application"});
    let asks = Feed::new(&rest, "mqtt", "asks", asks);
    publish(&rest, "old-topic", json!({"a": 1}));
    feed.wait_for_offset(&rest, 1);
    let came = published(&broker, "old-topic");
    assert!(came[0].body.ends_with(br#"{"a":1}"#), "{came:?}");
    asks.wait_for_reason(&rest, "needs MQTT 5");
}

//! What do the subscriptions of an MQTT broker say when it says nothing?

use photinus_brokers::Proxy;
use photinus_e2e::{MqttApp, StopSignal};
use serde_json::json;

use super::{Feed, mosquitto, publish, start, target};

#[test]
fn a_broker_that_says_nothing_is_given_up_and_its_events_come_again() {
    let proxy = Proxy::to(mosquitto().port());
    let url = format!("mqtt://127.0.0.1:{}", proxy.port());
    let lines = format!(
        "{}confirm_timeout = \"500ms\"\nconnection_timeout = \"500ms\"\n",
        target("mqtt", &url)
    );
    let server = start(&lines);
    let rest = server.rest();
    let app = MqttApp::subscribed(mosquitto().port(), "silent/#", json!({}));
    let options = json!({"topic": "silent/{topic}", "content": "data"});
    let feed = Feed::new(&rest, "mqtt", "silent", options);
    publish(&rest, "t", json!(1));
    feed.wait_for_offset(&rest, 1);
    proxy.freeze();
    publish(&rest, "t", json!(2));
    feed.wait_for_reason(&rest, "within 500ms");
    proxy.thaw();
    feed.wait_for_offset(&rest, 2);
    assert_eq!(app.next()["body"], "1");
    let second = app.next();
    assert_eq!(
        (&second["body"], &second["words"]["photinus-attempt"]),
        (&json!("2"), &json!("1"))
    );
}

#[test]
fn an_orderly_stop_repeats_nothing() {
    let mut server = start(&target("mqtt", &mosquitto().url()));
    let app = MqttApp::subscribed(mosquitto().port(), "orderly/#", json!({}));
    let options = json!({"topic": "orderly/{topic}", "content": "data", "readAhead": 50});
    Feed::new(&server.rest(), "mqtt", "orderly", options);
    super::publish_many(&server, 1, 500);
    assert_eq!(app.next()["body"], "1");
    server.stop(StopSignal::Term);
    server.start_again();
    for number in 2..=500 {
        assert_eq!(app.next()["body"], number.to_string());
    }
}

//! Do the messages of a topic filter get into the log?

use photinus_brokers::Mosquitto;
use photinus_e2e::{DataDirectory, Launch, MqttApp, Server, wait_for};
use serde_json::{Value, json};

use super::{messages, mosquitto, start, target};

fn source(url: &str, more: &str) -> String {
    let target = target("mqtt", url);
    format!("{target}\n[transports.mqtt.sources.plant]\ntarget = \"main\"\n{more}\n")
}

#[track_caller]
fn wait_for_messages(server: &Server, topic: &str, count: usize) -> Vec<Value> {
    let rest = server.rest();
    wait_for(&format!("{count} messages of '{topic}'"), || {
        let all = messages(&rest, topic);
        (all.len() >= count).then_some(all)
    })
}

#[track_caller]
fn wait_until_connected(server: &Server) {
    wait_for("the source to be connected", || {
        let shown = server.rest().get("/api/v1/mqtt").expect(200);
        (shown["sources"]["plant"]["state"] == "connected").then_some(())
    });
}

#[test]
fn what_arrives_is_published_as_it_is() {
    for (id, protocol, qos) in [("in5", "5", 2), ("in3", "3.1.1", 1), ("in0", "5", 0)] {
        let lines = source(
            &mosquitto().url(),
            &format!("filter = \"{id}/#\"\nqos = {qos}\ntag = \"t\"\nclient_id = \"{id}\""),
        );
        let lines = lines.replace(
            "reconnect_delay =",
            &format!("protocol = \"{protocol}\"\nreconnect_delay ="),
        );
        let server = start(&lines);
        wait_until_connected(&server);
        let mut app = MqttApp::at(mosquitto().port());
        for message in [
            json!({"body": "21.5"}),
            json!({"body": "warm"}),
            json!({"base64": "/wA="}),
        ] {
            let mut message = message;
            message["topic"] = format!("{id}/1/temp").into();
            message["qos"] = 2.into();
            app.publish(message);
        }
        let all = wait_for_messages(&server, &format!("{id}.1.temp"), 3);
        let values: Vec<_> = all
            .iter()
            .map(|message| message["data"][0]["value"].clone())
            .collect();
        let bytes = json!({"contentType": "application/octet-stream", "base64": "/wA="});
        assert_eq!(values, [json!(21.5), json!("warm"), bytes], "{protocol}");
        assert_eq!(all[0]["header"]["tag"], "t");
    }
}

#[test]
fn the_broker_keeps_what_comes_while_the_server_is_away() {
    let mosquitto = Mosquitto::start();
    let lines = source(&mosquitto.url(), "filter = \"plant/#\"\ntopic = \"plant\"");
    let launch = Launch::default().configuration(&lines);
    let mut server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    wait_until_connected(&server);
    let mut app = MqttApp::at(mosquitto.port());
    let mut count = 0;
    for _ in 0..3 {
        for _ in 0..100 {
            count += 1;
            app.publish(json!({"topic": "plant/1", "body": count.to_string()}));
        }
        server.kill();
        for _ in 0..100 {
            count += 1;
            app.publish(json!({"topic": "plant/1", "body": count.to_string()}));
        }
        server.start_again();
        wait_until_connected(&server);
    }
    // MQTT cannot tell a message from one that comes again: at least once.
    let rest = server.rest();
    let all = wait_for("all of them", || {
        let all = messages(&rest, "plant");
        let mut values: Vec<_> = all
            .iter()
            .map(|message| message["data"][0]["value"].as_u64().unwrap())
            .collect();
        values.sort_unstable();
        values.dedup();
        (values.len() == count).then_some(values)
    });
    assert_eq!(all, (1..=count as u64).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_taken_goes_to_the_dead_letters_with_the_reason() {
    let lines = source(
        &mosquitto().url(),
        "filter = \"wrong/#\"\nnamespace = \"nowhere\"\ndead_letter_topic = \"dead\"\nclient_id = \"wrong\"",
    );
    let server = start(&lines);
    wait_until_connected(&server);
    let dead = MqttApp::subscribed(mosquitto().port(), "dead", json!({}));
    let mut app = MqttApp::at(mosquitto().port());
    app.publish(json!({"topic": "wrong/1", "body": "lost"}));
    let message = dead.next();
    assert_eq!(message["body"], "lost");
    let reason = message["words"]["photinus-reason"].as_str().unwrap();
    assert!(reason.contains("nowhere"), "{reason}");
    assert_eq!(message["words"]["photinus-source-topic"], "wrong/1");
    let shown = server.rest().get("/api/v1/mqtt").expect(200);
    assert_eq!(shown["sources"]["plant"]["refused"], 1);
}

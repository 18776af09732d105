//! Does the server stop cleanly when asked, and go on where it was?

use photinus_e2e::{Frame, Server, StopSignal};
use serde_json::json;

#[test]
fn both_stop_signals_end_an_idle_server_with_status_0() {
    let mut server = Server::start();
    server.stop(StopSignal::Term);
    server.start_again();
    server.stop(StopSignal::Int);
}

#[test]
fn a_stop_does_not_wait_for_clients_that_stay_connected() {
    for signal in [StopSignal::Term, StopSignal::Int] {
        let mut server = Server::start();
        let rest = server.rest();
        rest.subscribe("app", json!({}), json!({}));
        rest.broadcast("never-answered", "t");
        let mut busy = server.socket("/ws");
        busy.start("app");
        busy.receive_topic("never-answered");
        let mut idle = server.socket("/ws");
        server.stop(signal);
        assert_eq!(idle.next_frame(), Frame::Closed);
        assert_eq!(busy.next_frame(), Frame::Closed);
        assert!(rest.try_get("/api/v1/status").is_err());
    }
}

#[test]
fn after_a_stop_nothing_acknowledged_is_delivered_again() {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 4}));
    let topics: Vec<String> = (1..=30).map(|number| format!("t{number}")).collect();
    for topic in &topics {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(topics[..15].iter().map(String::as_str));
    // With five in flight, the twentieth comes only when the fifteenth was acknowledged.
    for topic in &topics[15..20] {
        socket.receive_topic(topic);
    }
    server.stop(StopSignal::Term);

    server.start_again();
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_and_ack(topics[15..].iter().map(String::as_str));
}

#[test]
fn what_was_published_before_a_stop_is_there_after_it() {
    let mut server = Server::start();
    let rest = server.rest();
    let mut sent = Vec::new();
    for number in 0..10 {
        sent.push(rest.broadcast(&format!("t{number}"), "t"));
    }
    server.stop(StopSignal::Int);
    server.start_again();
    let rest = server.rest();
    for message in &sent {
        let id = message["header"]["id"].as_str().unwrap();
        let stored = rest.get(&format!("/api/v1/messages/{id}")).expect(200);
        assert_eq!(stored["hash"], message["hash"]);
    }
    let last = rest.get("/api/v1/events?limit=1").expect(200)[0]["sequence"].clone();
    rest.broadcast("next", "t");
    let next = rest.get("/api/v1/events?limit=1").expect(200)[0]["sequence"].clone();
    assert!(
        next.as_i64() > last.as_i64(),
        "sequences go on: {last} then {next}"
    );
}

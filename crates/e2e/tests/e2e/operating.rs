//! Can a subscription be moved, and be told to wait, while its application is connected?

use std::time::Duration;

use photinus_e2e::{Server, Shell, StopSignal, later, now, wait_until};
use serde_json::{Value, json};

/// How long nothing comes to what is paused.
const QUIET: Duration = Duration::from_millis(300);

fn path_of(subscription: &Value) -> String {
    let id = subscription["id"].as_str().unwrap();
    format!("/api/v1/subscriptions/{id}")
}

#[test]
fn a_seek_moves_a_connected_application_and_late_acks_change_nothing() {
    let server = Server::start();
    let rest = server.rest();
    let path = path_of(&rest.subscribe("app", json!({}), json!({"readAhead": 1})));
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let first = socket.receive_topic("t1");
    let second = socket.receive_topic("t2");
    let seek = format!("{path}/seek");
    let to_last = json!({"to": second["sequence"], "dryRun": true});
    let dry = rest.post(&seek, &to_last).expect(200);
    assert_eq!((&dry["events"], &dry["more"]), (&json!(1), &json!(false)));
    let done = rest
        .post(&seek, &json!({"to": second["sequence"]}))
        .expect(200);
    assert_eq!(done, json!({"offset": second["sequence"], "dryRun": false}));
    let third = socket.receive_topic("t3");
    socket.ack(&first);
    socket.ack(&second);
    socket.ack(&third);
    rest.post(&seek, &json!({"to": first["id"]})).expect(200);
    socket.receive_and_ack(["t1", "t2", "t3"]);
    rest.post(&seek, &json!({"to": "oldest"})).expect(200);
    let again = ["t1", "t2"].map(|topic| socket.receive_topic(topic));
    rest.post(&seek, &json!({"to": "newest"})).expect(200);
    for event in &again {
        socket.ack(event);
    }
    rest.broadcast("t4", "t");
    socket.receive_and_ack(["t4"]);
}

#[test]
fn a_paused_application_gets_nothing_new_until_it_is_resumed_also_after_a_restart() {
    let mut server = Server::start();
    let rest = server.rest();
    let path = path_of(&rest.subscribe("app", json!({}), json!({"readAhead": 9})));
    rest.subscribe("other", json!({}), json!({}));
    let mut socket = server.socket("/ws");
    socket.start("app");
    let mut other = server.socket("/ws");
    other.start("other");
    rest.broadcast("t1", "t");
    let one = socket.receive_topic("t1");
    let body = json!({"reason": "stocktaking"});
    let paused = rest.post(&format!("{path}/pause"), &body).expect(200);
    assert_eq!(
        (&paused["state"], &paused["reason"], &paused["inFlight"]),
        (&json!("paused"), &json!("stocktaking"), &json!(1))
    );
    rest.broadcast("t2", "t");
    other.receive_and_ack(["t1", "t2"]);
    assert!(socket.next_within(QUIET).is_none());
    socket.ack(&one);
    wait_until("what it had to be settled", || {
        rest.get(&format!("{path}?fetchstatus")).expect(200)["status"]["inFlight"] == 0
    });

    server.stop(StopSignal::Term);
    server.start_again();
    let rest = server.rest();
    let mut socket = server.socket("/ws");
    socket.start("app");
    assert!(socket.next_within(QUIET).is_none());
    let shell = Shell::new(server.address());
    let shown = shell.prints(&["subscription", "show", "app"]);
    assert!(
        shown.contains("State      paused: stocktaking") && shown.contains("at most 1 behind"),
        "{shown}"
    );
    assert_eq!(
        shell.prints(&["subscription", "resume", "app"]).trim_end(),
        "app is delivering"
    );
    socket.receive_and_ack(["t2"]);
    wait_until("it to be idle", || {
        rest.get(&format!("{path}?fetchstatus")).expect(200)["status"]["state"] == "idle"
    });
}

#[test]
fn a_pause_until_a_time_ends_by_itself() {
    let server = Server::start();
    let rest = server.rest();
    let path = path_of(&rest.subscribe("app", json!({}), json!({})));
    let mut socket = server.socket("/ws");
    socket.start("app");
    let shell = Shell::new(server.address());
    let far = shell.prints(&["sub", "pause", "app", "--until", "2101-01-01T00:00:00Z"]);
    assert_eq!(far.trim_end(), "app is paused: it was paused");
    rest.broadcast("t1", "t");
    let second = Duration::from_secs(1);
    let (begun, until) = (now(), json!({"until": later(second)}));
    rest.post(&format!("{path}/pause"), &until).expect(200);
    socket.receive_and_ack(["t1"]);
    assert!(begun.elapsed() > second / 2);
}

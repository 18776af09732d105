//! Is nothing lost and nothing stuck when events fail, whatever is killed meanwhile?

use std::time::Duration;

use photinus_e2e::{Rest, Server, Shell, Socket, StopSignal, wait_until};
use serde_json::{Value, json};

/// How long nothing comes to what waits.
const QUIET: Duration = Duration::from_millis(300);

fn path_of(subscription: &Value) -> String {
    let id = subscription["id"].as_str().unwrap();
    format!("/api/v1/subscriptions/{id}")
}

fn nack(socket: &mut Socket, event: &Value, reason: &str) {
    let nack = json!({"type": "nack", "delivery": event["delivery"], "reason": reason});
    assert!(socket.send(nack));
}

/// The sequences of what is parked, with whether they are being replayed.
fn parked(rest: &Rest, path: &str) -> Vec<(i64, bool)> {
    let all = rest.get(&format!("{path}/parked")).expect(200);
    let all = all.as_array().unwrap().iter();
    all.map(|parked| {
        let sequence = parked["sequence"].as_i64().unwrap();
        (sequence, parked["replaying"].as_bool().unwrap())
    })
    .collect()
}

#[test]
fn what_fails_is_parked_shown_replayed_and_given_up_across_kills() {
    let mut server = Server::start();
    let rest = server.rest();
    let policy = json!({"delays": ["10ms"], "maxAttempts": 2, "then": "park"});
    let options = json!({"readAhead": 0, "retryPolicy": policy});
    let subscription = rest.subscribe("app", json!({}), options);
    assert_eq!(subscription["options"]["retryPolicy"], policy);
    let path = path_of(&subscription);
    for topic in ["t1", "bad2", "t3", "bad4", "t5"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    for topic in ["t1", "bad2", "bad2", "t3", "bad4", "bad4", "t5"] {
        let event = socket.receive_topic(topic);
        match topic.starts_with("bad") {
            true => nack(&mut socket, &event, &format!("cannot read {topic}")),
            false => assert!(socket.ack(&event)),
        }
    }
    wait_until("both to be parked", || parked(&rest, &path).len() == 2);
    wait_until("its position to be written", || {
        let status = &rest.get(&format!("{path}?fetchstatus")).expect(200)["status"];
        status["currentOffset"] == status["tail"]
    });
    let all = rest.get(&format!("{path}/parked")).expect(200);
    assert_eq!(
        (&all[0]["attempts"], &all[0]["reason"], &all[0]["error"]),
        (
            &json!(2),
            &json!("it failed 2 times"),
            &json!("cannot read bad2")
        )
    );
    let event = all[0]["event"].as_str().unwrap();
    let one = rest.get(&format!("{path}/parked/{event}")).expect(200);
    assert_eq!(one["payload"]["topic"], "bad2");
    assert_eq!(one["data"][0]["value"], json!({"topic": "bad2"}));
    let query = format!("{path}/parked?error=^cannot&attempts=%3E=2&sort=-sequence&limit=1&count");
    let found = rest.get(&query).expect(200);
    assert_eq!((&found["count"], &found["total"]), (&json!(1), &json!(2)));
    assert_eq!(found["items"][0]["event"], all[1]["event"]);

    server.kill();
    server.start_again();
    let rest = server.rest();
    let both = parked(&rest, &path);
    assert_eq!(both.len(), 2);
    let status = rest.get(&format!("{path}?fetchstatus")).expect(200);
    assert_eq!(status["status"]["parked"], 2);
    let shell = Shell::new(server.address());
    let said = shell.prints(&["subscription", "parked", "replay", "app", "--all"]);
    assert_eq!(
        said.trim_end(),
        "2 parked events are to be delivered again by app"
    );

    // Marked, and killed; delivered, and killed; failed once, and killed: it goes on.
    server.kill();
    server.start_again();
    assert!(
        parked(&server.rest(), &path)
            .iter()
            .all(|(_, replaying)| *replaying)
    );
    let mut socket = server.socket("/ws");
    socket.start("app");
    socket.receive_topic("bad2");
    server.kill();
    server.start_again();
    let rest = server.rest();
    let mut socket = server.socket("/ws");
    socket.start("app");
    rest.broadcast("t6", "t");
    let mut came = Vec::new();
    while came.len() < 3 {
        let event = socket.receive();
        came.push(event["topic"].as_str().unwrap().to_owned());
        assert_eq!(
            event["attempt"], 1,
            "a replay has attempts of its own: {event}"
        );
        socket.ack(&event);
    }
    let replayed: Vec<&str> = came
        .iter()
        .map(String::as_str)
        .filter(|topic| *topic != "t6")
        .collect();
    assert_eq!(replayed, ["bad2", "bad4"]);
    wait_until("nothing to be parked", || parked(&rest, &path).is_empty());
}

#[test]
fn a_shell_lists_shows_and_gives_up_parked_events() {
    let server = Server::start();
    let rest = server.rest();
    let path = path_of(&rest.subscribe("app", json!({}), json!({"readAhead": 9})));
    let mut socket = server.socket("/ws");
    socket.start("app");
    let shell = Shell::new(server.address());
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
        let event = socket.receive_topic(topic);
        let park = json!({"type": "nack", "delivery": event["delivery"], "action": "park", "reason": format!("no {topic}")});
        assert!(socket.send(park));
    }
    wait_until("all to be parked", || parked(&rest, &path).len() == 3);
    let listed = shell.prints(&["sub", "parked", "list", "app"]);
    assert!(
        listed.starts_with("EVENT") && listed.contains("no t2"),
        "{listed}"
    );
    let all = rest.get(&format!("{path}/parked")).expect(200);
    let event = |number: usize| all[number]["event"].as_str().unwrap().to_owned();
    let shown = shell.prints(&["sub", "parked", "show", "app", &event(1)]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["payload"]["topic"], &shown["reason"]),
        (&json!("t2"), &json!("no t2"))
    );
    let said = shell.prints(&["sub", "parked", "discard", "app", &event(1)]);
    assert_eq!(said.trim_end(), "1 parked event is given up by app");
    let from = all[2]["sequence"].to_string();
    let said = shell.prints(&["sub", "parked", "replay", "app", "--from", &from]);
    assert_eq!(
        said.trim_end(),
        "1 parked event is to be delivered again by app"
    );
    let again = socket.receive_topic("t3");
    socket.ack(&again);
    let first = all[0]["sequence"].as_i64().unwrap();
    wait_until("one to be left", || {
        parked(&rest, &path) == [(first, false)]
    });
    // A seek back delivers it again, and what was given up: to settle it ends its parking.
    rest.post(&format!("{path}/seek"), &json!({"to": "oldest"}))
        .expect(200);
    socket.receive_and_ack(["t1", "t2", "t3"]);
    wait_until("nothing to be parked", || parked(&rest, &path).is_empty());
    let none = shell.run(&["sub", "parked", "list", "app"]);
    assert!(
        none.stderr.contains("app has set nothing aside"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_key_that_is_held_holds_back_nobody_else_and_a_restart_repeats_only_what_is_open() {
    let mut server = Server::start();
    let rest = server.rest();
    let policy = json!({"delays": ["24h"]});
    let options = json!({"readAhead": 3, "orderingKey": "data.key", "retryPolicy": policy});
    rest.subscribe("app", json!({}), options);
    let publish = |rest: &Rest, tag: &str, key: &str| {
        let body =
            json!({"header": {"topics": ["t"], "tag": tag}, "data": [{"value": {"key": key}}]});
        rest.post("/api/v1/messages/broadcast", &body).expect(202);
    };
    for (tag, key) in [
        ("a1", "a"),
        ("b1", "b"),
        ("a2", "a"),
        ("b2", "b"),
        ("c1", "c"),
    ] {
        publish(&rest, tag, key);
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let tag = |event: &Value| {
        event["message"]["header"]["tag"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first: Vec<Value> = (0..3).map(|_| socket.receive()).collect();
    assert_eq!(
        first.iter().map(&tag).collect::<Vec<_>>(),
        ["a1", "b1", "c1"]
    );
    assert!(first.iter().all(|event| event.get("data").is_none()));
    nack(&mut socket, &first[0], "not now");
    socket.ack(&first[1]);
    let second = socket.receive();
    assert_eq!(tag(&second), "b2");
    socket.ack(&second);
    // Many more than may be in flight go by.
    for number in 0..50 {
        let name = format!("d{number}");
        publish(&rest, &name, "d");
        let event = socket.receive();
        assert_eq!(tag(&event), name);
        socket.ack(&event);
    }
    publish(&rest, "a3", "a");
    assert!(socket.next_within(QUIET).is_none(), "its key waits");
    server.stop(StopSignal::Term);
    server.start_again();
    let mut socket = server.socket("/ws");
    socket.start("app");
    // The wait ends with the process; what other keys have settled does not come again.
    let again: Vec<Value> = (0..2).map(|_| socket.receive()).collect();
    assert_eq!(again.iter().map(&tag).collect::<Vec<_>>(), ["a1", "c1"]);
    assert_eq!(again[0]["attempt"], 2);
    socket.ack(&again[0]);
    for expected in ["a2", "a3"] {
        let event = socket.receive();
        assert_eq!(tag(&event), expected);
        socket.ack(&event);
    }
    assert!(socket.next_within(QUIET).is_none());
}

#[test]
fn a_seek_ends_a_wait_and_leaves_what_is_parked_behind_it() {
    let server = Server::start();
    let rest = server.rest();
    let policy = json!({"delays": ["24h"]});
    let options = json!({"readAhead": 4, "retryPolicy": policy});
    let path = path_of(&rest.subscribe("app", json!({}), options));
    for topic in ["t1", "t2", "t3", "t4"] {
        rest.broadcast(topic, "t");
    }
    let mut socket = server.socket("/ws");
    socket.start("app");
    let events = ["t1", "t2", "t3", "t4"].map(|topic| socket.receive_topic(topic));
    let park = json!({"type": "nack", "delivery": events[0]["delivery"], "action": "park", "reason": "odd"});
    assert!(socket.send(park));
    nack(&mut socket, &events[1], "not now");
    wait_until("it to be held", || {
        let status = &rest.get(&format!("{path}?fetchstatus")).expect(200)["status"];
        (&status["state"], &status["reason"]) == (&json!("holding"), &json!("not now"))
    });
    // Answers to what is void are late, whatever they say.
    socket.ack(&events[2]);
    rest.post(&format!("{path}/pause"), &json!({})).expect(200);
    let sequence = &events[2]["sequence"];
    rest.post(&format!("{path}/seek"), &json!({"to": sequence}))
        .expect(200);
    socket.ack(&events[3]);
    assert!(socket.next_within(QUIET).is_none(), "it is paused");
    rest.post(&format!("{path}/resume"), &json!({})).expect(200);
    socket.receive_and_ack(["t4"]);
    // What was parked before the seek is behind it, and comes when it is asked for.
    assert_eq!(parked(&rest, &path).len(), 1);
    let all = json!({"all": true});
    rest.post(&format!("{path}/pause"), &json!({})).expect(200);
    rest.post(&format!("{path}/parked/replay"), &all)
        .expect(200);
    assert!(
        socket.next_within(QUIET).is_none(),
        "a replay waits for a pause, too"
    );
    rest.post(&format!("{path}/resume"), &json!({})).expect(200);
    socket.receive_and_ack(["t1"]);
    wait_until("nothing to be parked", || parked(&rest, &path).is_empty());
    rest.broadcast("t5", "t");
    socket.receive_and_ack(["t5"]);
}

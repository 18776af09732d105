//! Are namespaces worlds of their own?

use photinus_e2e::{Server, StopSignal};
use serde_json::{Value, json};

#[test]
fn a_namespace_can_be_made_and_is_there_after_a_restart() {
    let mut server = Server::start();
    let rest = server.rest();
    let body = json!({"name": "team-a", "description": "of team A"});
    let created = rest.post("/api/v1/namespaces", &body).expect(201);
    assert_eq!(created["name"], "team-a");
    assert_eq!(created["description"], "of team A");
    assert!(created["created"].is_string(), "{created}");
    assert_eq!(rest.post("/api/v1/namespaces", &body).status, 409);
    assert_eq!(
        rest.post("/api/v1/namespaces", &json!({"name": "default"}))
            .status,
        409
    );
    for name in ["", "-x", "a/b", "ä"] {
        let reply = rest.post("/api/v1/namespaces", &json!({"name": name}));
        assert_eq!(reply.status, 400, "{name}: {}", reply.text());
    }

    server.stop(StopSignal::Term);
    server.start_again();
    let rest = server.rest();
    let list = rest.get("/api/v1/namespaces").expect(200);
    let mut names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|namespace| namespace["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["default", "team-a"]);
    let one = rest.get("/api/v1/namespaces/team-a").expect(200);
    assert_eq!(one["description"], "of team A");
    assert_eq!(one["created"], created["created"]);
    let status = rest.get("/api/v1/namespaces/team-a/status").expect(200);
    assert_eq!(status["namespace"]["name"], "team-a");
}

#[test]
fn namespaces_do_not_see_each_others_events_data_or_subscriptions() {
    let server = Server::start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let spaces = ["default", "other"];
    let mut subscriptions = Vec::new();
    for space in spaces {
        // One name in both, and one idempotency key: neither is shared.
        let body = json!({"name": "app", "options": {"firstEvent": "oldest"}});
        let path = format!("/api/v1/namespaces/{space}/subscriptions");
        subscriptions.push(rest.post(&path, &body).expect(201));
        let body = json!({"header": {"topics": [space]}, "data": [{"value": space}], "idempotencyKey": "k"});
        let path = format!("/api/v1/namespaces/{space}/messages/broadcast");
        let message = rest.post(&path, &body).expect(202);
        assert_eq!(message["header"]["namespace"], space);
        assert_eq!(message["localNamespace"], space);
        let foreign = if space == "other" { "default" } else { "other" };
        for (kind, id) in [
            ("messages", &message["header"]["id"]),
            ("data", &message["data"][0]["id"]),
            ("subscriptions", &subscriptions.last().unwrap()["id"]),
        ] {
            let path = |space: &str| format!("/api/v1/namespaces/{space}/{kind}/{}", text(id));
            assert_eq!(rest.get(&path(space)).status, 200, "{kind}");
            assert_eq!(rest.get(&path(foreign)).status, 404, "{kind}");
        }
    }
    for space in spaces {
        let events = rest
            .get(&format!("/api/v1/namespaces/{space}/events"))
            .expect(200);
        assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
        assert_eq!(events[0]["topic"], space);
    }

    // One socket for both, and one that is pinned to its namespace and need not name it.
    let mut socket = server.socket("/ws");
    for (space, subscription) in spaces.iter().zip(&subscriptions) {
        socket.send(json!({"type": "start", "namespace": space, "name": "app"}));
        let event = socket.receive_topic(space);
        assert_eq!(event["subscription"]["id"], subscription["id"]);
        assert_eq!(event["namespace"], *space);
    }
    drop(socket);
    let mut socket = server.socket("/api/v1/namespaces/other/ws");
    socket.send(json!({"type": "start", "name": "app"}));
    socket.receive_and_ack(["other"]);
    for space in ["default", "other"] {
        let body = json!({"header": {"topics": [format!("{space}-2")]}});
        let path = format!("/api/v1/namespaces/{space}/messages/broadcast");
        rest.post(&path, &body).expect(202);
    }
    socket.receive_and_ack(["other-2"]);
}

#[test]
fn the_short_paths_are_those_of_the_default_namespace() {
    let server = Server::start();
    let rest = server.rest();
    let message = rest
        .post("/api/v1/messages/broadcast", &json!({}))
        .expect(202);
    let path = format!("messages/{}", text(&message["header"]["id"]));
    let short = rest.get(&format!("/api/v1/{path}")).expect(200);
    let long = rest
        .get(&format!("/api/v1/namespaces/default/{path}"))
        .expect(200);
    assert_eq!(short, long);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

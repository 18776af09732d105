//! Does a request over HTTP get the reply that an application gives over its own transport?

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use photinus_e2e::{NodeApp, PATIENCE, Reply, Rest, Server, StopSignal, now};
use serde_json::{Value, json};
use ureq::http;

const PATH: &str = "/api/v1/namespaces/default/messages/requestreply";
const PRIVATE: &str = "/api/v1/namespaces/default/messages/private";

fn question(value: impl Into<Value>) -> Value {
    json!({
        "header": {"tag": "ask", "topics": ["questions"]},
        "group": {"members": [{"identity": "did:firefly:org/org_1"}]},
        "data": [{"value": value.into()}],
    })
}

/// A request with a time limit.
fn ask(address: SocketAddr, limit: &str, body: &Value) -> Result<Reply, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    let request = http::Request::post(format!("http://{address}{PATH}"))
        .header("Content-Type", "application/json")
        .header("Request-Timeout", limit);
    let mut response = ureq::Agent::from(config).run(request.body(body.to_string())?)?;
    Ok(Reply {
        status: response.status().as_u16(),
        content_type: None,
        body: response.body_mut().read_to_vec()?,
    })
}

/// A subscription to questions.
fn subscribe(rest: &Rest, name: &str) {
    let filter = json!({"message": {"tag": "^ask$"}});
    let options = json!({"readAhead": 10, "firstEvent": "newest"});
    rest.subscribe(name, filter, options);
}

/// What an application does with a question: answers it to the same group.
fn answer(rest: &Rest, event: &Value) -> Value {
    let header = &event["message"]["header"];
    let id = header["id"].as_str().unwrap();
    let data = rest.get(&format!("/api/v1/messages/{id}/data")).expect(200);
    let reply = json!({
        "header": {"cid": id, "tag": "answer", "group": header["group"]},
        "data": [{"value": {"answer to": data[0]["value"]}}],
    });
    rest.post(PRIVATE, &reply).expect(202)
}

#[test]
fn an_application_on_a_socket_answers_many_requests_at_once() {
    const REQUESTS: usize = 20;
    let server = Server::start();
    let rest = server.rest();
    for (name, autoack) in [("explicit", false), ("automatic", true)] {
        subscribe(&rest, name);
        let mut socket = server.socket("/ws");
        socket.send(
            json!({"type": "start", "namespace": "default", "name": name, "autoack": autoack}),
        );
        let together = Barrier::new(REQUESTS);
        std::thread::scope(|scope| {
            let (together, server) = (&together, &server);
            for number in 0..REQUESTS {
                scope.spawn(move || {
                    together.wait();
                    let asked = ask(server.address(), "30s", &question(number)).unwrap();
                    let reply = asked.expect(200);
                    assert_eq!(reply["data"][0]["value"], json!({"answer to": number}));
                    assert_eq!(reply["header"]["tag"], "answer");
                    assert_eq!(reply["header"]["type"], "private");
                    assert_eq!(reply["state"], "confirmed");
                });
            }
            for _ in 0..REQUESTS {
                let event = socket.receive();
                answer(&rest, &event);
                if !autoack {
                    assert!(socket.ack(&event));
                }
            }
        });
        let subscriptions = rest.get("/api/v1/subscriptions").expect(200);
        rest.delete(&format!(
            "/api/v1/subscriptions/{}",
            subscriptions[0]["id"].as_str().unwrap()
        ));
    }
}

#[test]
fn a_request_that_nobody_answers_ends_in_time_and_a_late_reply_harms_nobody() {
    let server = Server::start();
    let rest = server.rest();
    subscribe(&rest, "app");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let begun = now();
    let unanswered = ask(server.address(), "500ms", &question(1)).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_eq!(unanswered.status, 408, "{}", unanswered.text());
    let text = unanswered.json()["error"].as_str().unwrap().to_owned();
    let event = socket.receive();
    let id = event["message"]["header"]["id"].as_str().unwrap();
    let start = format!("FF10260: The request with id '{id}' timed out after 5");
    assert!(text.starts_with(&start) && text.ends_with("ms"), "{text}");

    let late = answer(&rest, &event);
    socket.ack(&event);
    std::thread::scope(|scope| {
        let next = scope.spawn(|| ask(server.address(), "30s", &question(2)).unwrap());
        let event = socket.receive();
        answer(&rest, &event);
        socket.ack(&event);
        let reply = next.join().unwrap().expect(200);
        assert_eq!(reply["data"][0]["value"], json!({"answer to": 2}));
    });
    let late = late["header"]["id"].as_str().unwrap();
    let late = rest.get(&format!("/api/v1/messages/{late}")).expect(200);
    assert_eq!(late["header"]["cid"], id);
}

#[test]
fn a_kill_between_request_and_reply_loses_the_wait_and_nothing_else() {
    let mut server = Server::start();
    subscribe(&server.rest(), "app");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let address = server.address();
    let asking = std::thread::spawn(move || ask(address, "30s", &question("before")));
    let event = socket.receive();
    server.kill();
    assert!(asking.join().unwrap().is_err(), "nobody can answer it");

    server.start_again();
    let rest = server.rest();
    let mut socket = server.socket("/ws");
    socket.start("app");
    let again = socket.receive();
    assert_eq!(again["id"], event["id"], "it was not acknowledged");
    let reply = answer(&rest, &again);
    socket.ack(&again);
    let reply = reply["header"]["id"].as_str().unwrap();
    let stored = rest.get(&format!("/api/v1/messages/{reply}")).expect(200);
    assert_eq!(
        stored["header"]["cid"], event["message"]["header"]["id"],
        "the reply is kept"
    );
    // Somebody who asks anew waits for his own reply only.
    let unanswered = ask(server.address(), "200ms", &question("after")).unwrap();
    assert_eq!(unanswered.status, 408, "{}", unanswered.text());
    assert!(unanswered.text().contains("FF10260"));
}

#[test]
fn a_stop_answers_those_who_wait_for_a_reply() {
    let mut server = Server::start();
    subscribe(&server.rest(), "app");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let address = server.address();
    let asking = std::thread::spawn(move || ask(address, "60s", &question(1)).unwrap());
    let event = socket.receive();
    let begun = now();
    server.stop(StopSignal::Term);
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited");
    let told = asking.join().unwrap();
    assert_eq!(told.status, 503, "{}", told.text());
    let id = event["message"]["header"]["id"].as_str().unwrap();
    assert!(told.text().contains("PH00503") && told.text().contains(id));
}

#[test]
fn fireflys_client_asks_and_gets_the_reply() {
    let server = Server::start();
    let rest = server.rest();
    subscribe(&rest, "app");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let address = server.address();
    let asking = std::thread::spawn(move || {
        let mut app = NodeApp::start(address);
        let options = json!({"requestReply": true});
        let asked = json!({"message": question("from the SDK"), "options": options});
        app.call("private", asked)
    });
    let event = socket.receive();
    answer(&rest, &event);
    socket.ack(&event);
    let reply = asking.join().unwrap();
    assert_eq!(
        reply["data"][0]["value"],
        json!({"answer to": "from the SDK"})
    );
    assert_eq!(reply["header"]["cid"], event["message"]["header"]["id"]);
}

#[test]
fn a_client_that_goes_away_while_it_waits_is_noticed() {
    let server = Server::start();
    let rest = server.rest();
    subscribe(&rest, "app");
    let mut socket = server.socket("/ws");
    socket.start("app");
    let body = question(1).to_string();
    let mut client = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    socket.receive();
    // What is left of its connection shows that it was noticed long before the time limit.
    client.shutdown(Shutdown::Write).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("FF00166"), "{answer}");
}

//! Is there a port where other systems can observe this one, as FireFly's SPI is?

use photinus_e2e::{
    DataDirectory, Heard, Launch, RawSocket, Rest, Server, StopSignal, UpgradeRequest, free_port,
};
use serde_json::{Value, json};

use crate::change_events::{FLOOD_CHANGES, Sum, flood, limited};

const ON: &str = "[spi]\nlisten = '127.0.0.1:0'\n";

fn start() -> Server {
    let launch = Launch::default().configuration(ON);
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

#[track_caller]
fn socket(server: &Server, start: Value) -> RawSocket {
    let mut socket = RawSocket::open(server.spi().unwrap(), "/spi/ws");
    say(&mut socket, start);
    socket
}

#[track_caller]
fn say(socket: &mut RawSocket, frame: Value) {
    assert!(socket.send(&frame));
    assert_eq!(socket.settle(), Vec::<Value>::new());
}

#[test]
fn it_is_off_unless_it_is_told_where_to_listen() {
    assert_eq!(Server::start().spi(), None);
    let taken = format!("127.0.0.1:{}", free_port());
    let launch = Launch::default().configuration(&format!("[spi]\nlisten = '{taken}'\n"));
    let first = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch.clone());
    assert_eq!(first.spi().unwrap().to_string(), taken);
    let mut second = Server::prepared(DataDirectory::new(), "127.0.0.1:0", launch);
    second.try_start().unwrap_err();
    let log = second.log();
    assert!(log.contains("[spi] listen: cannot listen on"), "{log}");
}

#[test]
fn it_shows_the_namespaces_and_nothing_that_is_not_there() {
    let server = start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let spi = Rest::new(server.spi().unwrap());
    for path in ["namespaces", "namespaces/other"] {
        let shown = spi.get(&format!("/spi/v1/{path}")).expect(200);
        assert_eq!(shown, rest.get(&format!("/api/v1/{path}")).expect(200));
    }
    let unknown = spi.get("/spi/v1/namespaces/nowhere");
    assert_eq!(unknown.status, 404);
    assert!(unknown.error().starts_with("FF10436: "));
    for path in ["/", "/spi", "/spi/v1/operations", "/api/v1/status", "/ws"] {
        let reply = spi.get(path);
        assert_eq!(
            (reply.status, reply.text().trim_end()),
            (404, "404 page not found"),
            "{path}"
        );
    }
    let reply = spi.get("/spi/ws");
    assert_eq!(reply.status, 400);
    assert!(reply.error().starts_with("PH00426: "), "{}", reply.error());
    assert_eq!(
        rest.get("/spi/v1/namespaces").status,
        404,
        "not on the API's port"
    );
}

#[test]
fn a_page_of_another_origin_may_not_listen() {
    let server = start();
    let mut socket = RawSocket::connect(server.spi().unwrap());
    let request = UpgradeRequest::new("/spi/ws").and("Origin", "https://evil.example");
    socket.write(&request.bytes());
    let head = socket.read_head();
    assert_eq!(head.status, 403);
}

#[test]
fn a_socket_is_told_what_its_newest_start_names_and_nothing_before_it() {
    let server = start();
    let rest = server.rest();
    rest.post("/api/v1/namespaces", &json!({"name": "other"}))
        .expect(201);
    let mut socket = RawSocket::open(server.spi().unwrap(), "/spi/ws");
    for frame in ["{}", r#"{"type":"stop"}"#, "null"] {
        socket.send_text(frame);
    }
    rest.broadcast("silent", "t");
    let all = ["messages", "events", "data", "subscriptions"];
    say(&mut socket, json!({"type": "start", "collections": all}));
    let subscription = rest.subscribe("app", json!({}), json!({}));
    assert_eq!(
        socket.receive(),
        json!({"collection": "subscriptions", "type": "created", "namespace": "default",
            "id": subscription["id"]})
    );
    let message = rest.broadcast("t", "t");
    assert_eq!(socket.receive()["id"], message["data"][0]["id"]);
    let told = socket.receive();
    assert_eq!(told["id"], message["header"]["id"]);
    assert_eq!(told["collection"], "messages");
    let event = socket.receive();
    assert_eq!(event["sequence"], told["sequence"]);

    // In place of the first.
    say(
        &mut socket,
        json!({"type": "start", "collections": ["events", "nothing", "Data"],
            "filter": {"types": ["created"], "namespaces": ["other"]}}),
    );
    rest.broadcast("t", "t");
    let path = "/api/v1/namespaces/other/messages/broadcast?confirm";
    rest.post(path, &json!({"data": [{"value": 1}]}))
        .expect(200);
    let told = socket.receive();
    assert_eq!(
        (&told["namespace"], &told["collection"]),
        (&json!("other"), &json!("events"))
    );
    say(&mut socket, json!({"type": "start"}));
    rest.broadcast("t", "t");
    assert_eq!(socket.settle(), Vec::<Value>::new());

    socket.send_text("{");
    socket.expect_end(1008);
}

#[test]
fn a_socket_that_does_not_read_holds_up_nobody_and_learns_how_much_it_missed() {
    let mut server = limited(ON);
    let rest = server.rest();
    let everything = json!({"type": "start", "collections": ["messages", "events", "data"]});
    let mut slow = socket(&server, everything.clone());
    slow.narrow();
    let never = socket(&server, everything);
    let mut few = socket(
        &server,
        json!({"type": "start", "collections": ["messages"]}),
    );
    let mut committed = 0;
    for _ in 0..80 {
        flood(&rest);
        committed += FLOOD_CHANGES;
    }
    let missed = Sum::up_to(&mut slow, committed);
    assert!(missed.dropped > 0, "{missed:?}");
    assert_eq!(missed.told + missed.dropped, committed);
    let message = rest.broadcast("after", "t");
    assert_eq!(slow.receive()["id"], message["data"][0]["id"]);
    // What was dropped is said whatever is asked for, and counts all.
    let mut told = 0;
    loop {
        let change = few.receive();
        if change["id"] == message["header"]["id"] {
            break;
        }
        told += 1;
        assert!(change["type"] == "dropped" || change["collection"] == "messages");
    }
    assert!((1..=160).contains(&told), "{told}");
    server.stop(StopSignal::Term);
    drop(never);
}

#[test]
fn it_ends_with_the_server_and_is_there_again_after_a_kill() {
    let address = format!("127.0.0.1:{}", free_port());
    let launch = Launch::default().configuration(&format!("[spi]\nlisten = '{address}'\n"));
    let mut server = Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch);
    let wanted = json!({"type": "start", "collections": ["messages"]});
    let mut first = socket(&server, wanted.clone());
    server.kill();
    assert!(matches!(first.hear(), Heard::End | Heard::Reset));
    server.start_again();
    server.rest().broadcast("unheard", "t");
    let mut second = socket(&server, wanted);
    let message = server.rest().broadcast("heard", "t");
    assert_eq!(second.receive()["id"], message["header"]["id"]);
    server.stop(StopSignal::Term);
    second.expect_end(1001);
}

//! Does a producer that keeps a WebSocket open learn of each message what became of it?

use std::time::Duration;

use photinus_e2e::{
    DataDirectory, FrameBytes, Heard, Launch, RawSocket, Rest, Server, StopSignal, UpgradeRequest,
    now, opcode, wait_until,
};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/default/publish";

fn configured(toml: &str) -> Server {
    let launch = Launch::default().configuration(toml);
    Server::start_as(DataDirectory::new(), "127.0.0.1:0", launch)
}

fn head(rest: &Rest) -> i64 {
    let events = rest.get("/api/v1/events?limit=1").expect(200);
    events[0]["sequence"].as_i64().unwrap_or(0)
}

#[track_caller]
fn answer(socket: &mut RawSocket) -> Value {
    match socket.hear() {
        Heard::Json(answer) => answer,
        other => panic!("expected an answer, not {other:?}"),
    }
}

#[track_caller]
fn expect_error(socket: &mut RawSocket, reference: Value, start: &str) {
    let answer = answer(socket);
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["ref"], reference, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with(start), "{error}, expected {start}");
}

#[track_caller]
fn expect_published(socket: &mut RawSocket, reference: Value, sequence: i64) -> String {
    let answer = answer(socket);
    assert_eq!(answer["type"], "published", "{answer}");
    assert_eq!(answer["ref"], reference, "{answer}");
    assert_eq!(answer["sequence"], sequence, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_message_that_is_answered_is_committed() {
    let server = Server::start();
    let rest = server.rest();
    for (number, path) in [PATH, "/api/v1/publish"].into_iter().enumerate() {
        let mut socket = RawSocket::open(server.address(), path);
        let first = 4 * number as i64;
        socket.send(&json!({"ref": "first", "header": {"topics": ["a", "b"], "tag": "t"}}));
        let id = expect_published(&mut socket, json!("first"), first + 2);
        let message = rest.get(&format!("/api/v1/messages/{id}")).expect(200);
        assert_eq!(message["header"]["tag"], "t");
        socket.send(&json!({"ref": 7, "group": {"members": [{"identity": "x"}]}}));
        let id = expect_published(&mut socket, json!(7), first + 3);
        let message = rest.get(&format!("/api/v1/messages/{id}")).expect(200);
        assert_eq!(message["header"]["type"], "private");
        socket.send(&json!({}));
        let answer = answer(&mut socket);
        assert_eq!(answer.get("ref"), None, "{answer}");
        assert_eq!(answer["sequence"], first + 4);
        socket.close();
    }
}

#[test]
fn what_is_wrong_with_one_frame_harms_no_other() {
    let server = Server::start();
    let mut socket = RawSocket::open(server.address(), PATH);
    let frames = [
        r#"{"ref":1,"idempotencyKey":"k"}"#,
        r#"{"ref":2,"idempotencyKey":"k"}"#,
        "nonsense",
        "[]",
        "",
        r#"{"ref":{"a":1}}"#,
        r#"{"ref":3,"header":5}"#,
        r#"{"ref":4,"header":{"topics":["!"]}}"#,
        r#"{"ref":5}"#,
    ];
    for frame in frames {
        assert!(socket.send_text(frame));
    }
    let holder = expect_published(&mut socket, json!(1), 1);
    let used = format!("FF10430: Idempotency key 'k' already used for message '{holder}'");
    expect_error(&mut socket, json!(2), &used);
    for _ in 0..3 {
        expect_error(&mut socket, Value::Null, "PH00453: ");
    }
    expect_error(&mut socket, Value::Null, "PH00452: ");
    expect_error(&mut socket, json!(3), "PH00453: ");
    expect_error(&mut socket, json!(4), "FF00140: ");
    expect_published(&mut socket, json!(5), 2);
    assert!(socket.write(&FrameBytes::ping(b"there?").bytes()));
    assert_eq!(socket.hear(), Heard::Pong(b"there?".to_vec()));
    socket.close();
}

#[test]
fn what_is_no_frame_of_ours_ends_it_with_the_right_code_after_what_was_asked() {
    let server = configured("[api]\nbody_bytes_max = 1000\n");
    let large = format!(r#"{{"ref":"{}"}}"#, "x".repeat(1_000));
    let rest = server.rest();
    for (frame, code, error) in [
        (FrameBytes::new(opcode::BINARY, "{}"), 1003, "PH00453: "),
        (FrameBytes::text(&large), 1009, "PH00413: "),
        (
            FrameBytes::new(opcode::TEXT, b"\xff\xfe"),
            1007,
            "PH00453: ",
        ),
        (FrameBytes::text("{}").unmasked(), 1002, ""),
        (FrameBytes::text("{}").reserved(4), 1002, ""),
    ] {
        let before = head(&rest);
        let mut socket = RawSocket::open(server.address(), PATH);
        let mut bytes = Vec::new();
        for number in 1..=50 {
            bytes.extend(FrameBytes::text(&format!(r#"{{"ref":{number}}}"#)).bytes());
        }
        bytes.extend(frame.bytes());
        assert!(socket.write(&bytes));
        for number in 1..=50 {
            expect_published(&mut socket, json!(number), before + number);
        }
        if !error.is_empty() {
            expect_error(&mut socket, Value::Null, error);
        }
        socket.expect_end(code);
    }
}

#[test]
fn answers_come_in_order_while_frames_go_on() {
    const FRAMES: i64 = 50_000;
    let server = Server::start();
    let mut socket = RawSocket::open(server.address(), PATH);
    let mut next = 1;
    for number in 1..=FRAMES {
        assert!(socket.send_text(&format!(r#"{{"ref":{number}}}"#)));
        // Not more than the kernel keeps for both of us.
        if number - next >= 5_000 {
            expect_published(&mut socket, json!(next), next);
            next += 1;
        }
    }
    while next <= FRAMES {
        expect_published(&mut socket, json!(next), next);
        next += 1;
    }
}

#[test]
fn a_client_that_reads_nothing_is_not_read_for_ever_and_is_cut_off() {
    let server = configured(
        "[api]\npublish_stall_max = '2s'\npublish_unanswered_max = 100\npublish_sockets_max = 2\n",
    );
    let rest = server.rest();
    let mut neighbour = RawSocket::open(server.address(), PATH);
    let mut socket = RawSocket::open(server.address(), PATH);
    let frame = FrameBytes::text(&format!(r#"{{"ref":"{}"}}"#, "r".repeat(250)));
    let frames = frame.bytes().repeat(1_000);
    let begun = now();
    // Its own writes stop when the server stops reading, and fail when it is cut off.
    let mut sent = 0;
    while socket.write(&frames) {
        sent += 1_000;
        assert!(sent < 10_000_000, "it is read for ever");
    }
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let kept = head(&rest);
    assert!(kept > 100 && kept < sent, "{kept} of {sent}");
    wait_until("its place to be free, although it has not closed", || {
        let mut next = RawSocket::connect(server.address());
        next.write(&UpgradeRequest::new(PATH).bytes());
        next.read_head().status == 101
    });
    neighbour.send(&json!({"ref": 1}));
    expect_published(&mut neighbour, json!(1), kept + 1);
}

#[test]
fn a_stop_answers_what_was_read_and_says_goodbye() {
    let mut server = Server::start();
    let mut idle = RawSocket::open(server.address(), PATH);
    let mut socket = RawSocket::open(server.address(), PATH);
    for number in 0..500 {
        assert!(socket.send(&json!({"ref": number})));
    }
    expect_published(&mut socket, json!(0), 1);
    server.stop(StopSignal::Term);
    idle.expect_end(1001);
    let mut last = 1;
    let code = loop {
        match socket.hear() {
            Heard::Json(answer) => {
                last += 1;
                assert_eq!(answer["sequence"], last, "{answer}");
            }
            Heard::Close(code, _) => break code,
            other => panic!("expected a goodbye, not {other:?}"),
        }
    };
    assert_eq!(code, Some(1001));
    server.start_again();
    assert_eq!(head(&server.rest()), last);
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_takes_nothing() {
    let mut server = configured("[api]\npublish_stall_max = '10m'\n");
    let rest = server.rest();
    let mut socket = RawSocket::open(server.address(), PATH);
    let frame = FrameBytes::text(&format!(r#"{{"ref":"{}"}}"#, "r".repeat(250)));
    let frames = frame.bytes().repeat(1_000);
    let writing = std::thread::spawn(move || while socket.write(&frames) {});
    let mut held = (0, now());
    wait_until("the server to be held back", || {
        let newest = head(&rest);
        if newest != held.0 {
            held = (newest, now());
        }
        newest > 1_000 && held.1.elapsed() > Duration::from_millis(500)
    });
    let begun = now();
    server.stop(StopSignal::Term);
    assert!(begun.elapsed() < Duration::from_secs(9));
    writing.join().unwrap();
}

#[test]
fn a_client_that_goes_away_leaves_what_was_read() {
    let server = configured("[api]\npublish_sockets_max = 1\n");
    let rest = server.rest();
    let mut socket = RawSocket::open(server.address(), PATH);
    for _ in 0..100 {
        assert!(socket.send(&json!({})));
    }
    let mut second = RawSocket::connect(server.address());
    assert!(second.write(&UpgradeRequest::new(PATH).bytes()));
    let head_of = second.read_head();
    assert_eq!(head_of.status, 503);
    assert!(head_of.error().starts_with("PH00450: "), "{head_of:?}");
    answer(&mut socket);
    socket.reset();
    wait_until("its place to be free", || {
        let mut next = RawSocket::connect(server.address());
        next.write(&UpgradeRequest::new(PATH).bytes());
        next.read_head().status == 101
    });
    assert!(head(&rest) >= 1);
}

#[test]
fn only_upgrades_of_those_who_may_are_served() {
    let server = Server::start();
    let address = server.address();
    let own = format!("http://{address}");
    for (request, status, error) in [
        (
            UpgradeRequest::new(PATH).without("Upgrade"),
            400,
            "PH00426: ",
        ),
        (
            UpgradeRequest::new(PATH).with("Sec-WebSocket-Version", "12"),
            400,
            "PH00426: ",
        ),
        (
            UpgradeRequest::new(PATH).with("Sec-WebSocket-Key", "x"),
            400,
            "PH00426: ",
        ),
        (
            UpgradeRequest::new("/api/v1/namespaces/nowhere/publish"),
            404,
            "FF10436: ",
        ),
        (
            UpgradeRequest::new(PATH).and("Origin", "http://evil.example"),
            403,
            "PH00403: ",
        ),
        (
            UpgradeRequest::new(PATH).with("Host", "evil.example"),
            421,
            "PH00421: ",
        ),
    ] {
        let mut socket = RawSocket::connect(address);
        assert!(socket.write(&request.bytes()));
        let head = socket.read_head();
        assert_eq!(head.status, status, "{head:?}");
        assert!(head.error().starts_with(error), "{head:?}");
    }
    let mut page = RawSocket::connect(address);
    let request = UpgradeRequest::new(PATH)
        .with("Host", &address.to_string())
        .and("Origin", &own);
    assert!(page.write(&request.bytes()));
    assert_eq!(page.read_head().status, 101);
    let plain = server.rest().get(PATH);
    assert!(plain.error().starts_with("PH00426: "), "{}", plain.error());
}

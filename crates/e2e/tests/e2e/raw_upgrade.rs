//! Does an HTTP request become a WebSocket when it should, and only then?

use std::time::Duration;

use photinus_e2e::{
    FrameBytes, Heard, PATIENCE, RawSocket, Server, UpgradeRequest, now, wait_until,
};
use serde_json::json;

/// The server waits 10 s for the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_answer_proves_the_key_and_negotiates_nothing() {
    let server = Server::start();
    for (key, accept) in [
        ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    ] {
        let mut socket = RawSocket::connect(server.address());
        let request = UpgradeRequest::new("/ws")
            .with("Sec-WebSocket-Key", key)
            .and("Sec-WebSocket-Protocol", "chat, firefly")
            .and(
                "Sec-WebSocket-Extensions",
                "permessage-deflate; client_max_window_bits",
            );
        socket.write(&request.bytes());
        let head = socket.read_head();
        assert_eq!(head.status, 101);
        assert_eq!(head.header("sec-websocket-accept"), Some(accept));
        assert_eq!(head.header("sec-websocket-protocol"), None);
        assert_eq!(head.header("sec-websocket-extensions"), None);
        let upgrade = head.header("upgrade").unwrap().to_ascii_lowercase();
        let connection = head.header("connection").unwrap().to_ascii_lowercase();
        assert_eq!((&*upgrade, &*connection), ("websocket", "upgrade"));
        assert_eq!(head.header("content-length"), None);
        socket.settle();
    }
}

#[test]
fn what_is_no_proper_upgrade_is_refused_before_it() {
    let server = Server::start();
    let ws = || UpgradeRequest::new("/ws");
    let key = "Sec-WebSocket-Key";
    let version = "Sec-WebSocket-Version";
    for (request, status, code) in [
        (ws().with(version, "8"), 400, "PH00426: "),
        (ws().with(version, "14"), 400, "PH00426: "),
        (ws().with(version, ""), 400, "PH00426: "),
        (ws().without(version), 400, "PH00426: "),
        (ws().without(key), 400, "PH00426: "),
        (ws().with(key, ""), 400, "PH00426: "),
        (ws().with(key, "AAAA"), 400, "PH00426: "),
        (ws().with(key, "AAAAAAAAAAAAAAAAAA=="), 400, "PH00426: "),
        (
            ws().with(key, "AAAAAAAAAAAAAAAAAAAAAAAAAA=="),
            400,
            "PH00426: ",
        ),
        (ws().with(key, "!!!!!!!!!!!!!!!!!!!!!!=="), 400, "PH00426: "),
        (ws().with(key, "AAAAAAAAAAAAAAAAAAAAAAA="), 400, "PH00426: "),
        (ws().and(key, "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "PH00426: "),
        (ws().without("Upgrade"), 400, "PH00426: "),
        (ws().with("Upgrade", "h2c"), 400, "PH00426: "),
        (ws().with("Upgrade", "websocket2"), 400, "PH00426: "),
        (ws().without("Connection"), 400, "PH00426: "),
        (ws().with("Connection", "keep-alive"), 400, "PH00426: "),
        (ws().line("POST /ws HTTP/1.1"), 400, "PH00426: "),
        (
            UpgradeRequest::new("/api/v1/namespaces/default/ws").without(key),
            400,
            "PH00426: ",
        ),
        (
            UpgradeRequest::new("/api/v1/namespaces/nowhere/ws"),
            404,
            "FF10109: ",
        ),
        (UpgradeRequest::new("/api/v1/ws"), 404, "FF10109: "),
        (UpgradeRequest::new("/ws/more"), 404, "FF10109: "),
        (UpgradeRequest::new("/WS"), 404, "FF10109: "),
        (
            ws().and("Origin", "https://elsewhere.example"),
            403,
            "PH00403: ",
        ),
        (ws().with("Host", "elsewhere.example"), 421, "PH00421: "),
    ] {
        let mut socket = RawSocket::connect(server.address());
        socket.write(&request.bytes());
        let head = socket.read_head();
        assert_eq!(head.status, status, "{request:?}: {head:?}");
        assert!(head.error().starts_with(code), "{request:?}: {head:?}");
        if code == "PH00426: " {
            assert_eq!(head.header("sec-websocket-version"), Some("13"));
        }
        // It is a connection of HTTP still, and may do better.
        socket.write(&ws().bytes());
        assert_eq!(socket.read_head().status, 101, "after {request:?}");
        socket.settle();
    }
    // An older HTTP knows no upgrades.
    let mut socket = RawSocket::connect(server.address());
    socket.write(&ws().line("GET /ws HTTP/1.0").bytes());
    assert_eq!(socket.read_head().status, 400);
    assert_eq!(socket.hear(), Heard::End);
}

#[test]
fn an_upgrade_is_recognised_whatever_else_it_says() {
    let server = Server::start();
    let ws = || UpgradeRequest::new("/ws");
    for request in [
        ws().with("Connection", "keep-alive, Upgrade"),
        ws().with("Connection", "UPGRADE"),
        ws().with("Connection", "keep-alive")
            .and("Connection", "upgrade"),
        ws().with("Upgrade", "WebSocket"),
        ws().without("Upgrade").and("UPGRADE", "h2c, websocket"),
        ws().without("Sec-WebSocket-Version")
            .and("sec-websocket-version", "13"),
        ws().and("Authorization", "Basic OgA="),
        ws().and("Authorization", "Bearer nothing"),
        ws().and("Content-Type", "text/plain"),
        UpgradeRequest::new("/api/v1/namespaces/default/ws"),
        UpgradeRequest::new("/api/v1/namespaces/%64efault/ws"),
        UpgradeRequest::new("/ws?"),
        UpgradeRequest::new("/ws?unknown=%zz&&="),
    ] {
        let mut socket = RawSocket::connect(server.address());
        socket.write(&request.bytes());
        let head = socket.read_head();
        assert_eq!(head.status, 101, "{request:?}: {head:?}");
        socket.settle();
    }
}

#[test]
fn frames_directly_behind_the_request_are_understood() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    let start = json!({"type": "start", "namespace": "default", "name": "app"}).to_string();
    let mut bytes = UpgradeRequest::new("/ws").bytes();
    bytes.extend(FrameBytes::ping(b"first").bytes());
    bytes.extend(FrameBytes::text(&start).bytes());
    bytes.extend(FrameBytes::ping(b"last").bytes());
    let whole = bytes.len();
    // Also cut within the last frame, within the first, and within the request.
    for cut in [whole, whole - 1, whole - 12, bytes.len() / 2, 160, 20] {
        let mut socket = RawSocket::connect(server.address());
        socket.write(&bytes[..cut]);
        if cut > 200 {
            assert_eq!(socket.read_head().status, 101);
            socket.write(&bytes[cut..]);
        } else {
            socket.write(&bytes[cut..]);
            assert_eq!(socket.read_head().status, 101);
        }
        let mut heard = vec![socket.hear(), socket.hear(), socket.hear()];
        let event = heard
            .iter()
            .position(|heard| matches!(heard, Heard::Json(event) if event["topic"] == "t1"))
            .unwrap_or_else(|| panic!("no event: {heard:?}"));
        heard.remove(event);
        let pongs = ["first", "last"].map(|payload| Heard::Pong(payload.into()));
        assert_eq!(heard, pongs, "cut at {cut}");
        socket.close();
    }
}

#[test]
fn the_body_of_a_request_is_no_frame() {
    let server = Server::start();
    let ping = FrameBytes::ping(b"a frame").bytes();
    for (header, value, body) in [
        ("Content-Length", ping.len().to_string(), ping.clone()),
        (
            "Transfer-Encoding",
            "chunked".to_owned(),
            [
                format!("{:x}\r\n", ping.len()).into_bytes(),
                ping,
                b"\r\n0\r\n\r\n".to_vec(),
            ]
            .concat(),
        ),
    ] {
        let mut socket = RawSocket::connect(server.address());
        let mut bytes = UpgradeRequest::new("/ws").and(header, &value).bytes();
        bytes.extend(body);
        bytes.extend(FrameBytes::ping(b"behind it").bytes());
        socket.write(&bytes);
        assert_eq!(socket.read_head().status, 101, "{header}");
        assert_eq!(
            socket.hear(),
            Heard::Pong(b"behind it".to_vec()),
            "{header}"
        );
    }
}

#[test]
fn a_head_that_is_no_http_ends_its_connection() {
    let server = Server::start();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n".to_vec(),
        b"\x81\x85\0\0\0\0hello\r\n\r\n".to_vec(),
        b"GET /ws\r\n\r\n".to_vec(),
        UpgradeRequest::new("/ws").and("bad name", "x").bytes(),
        UpgradeRequest::new("/ws").and("X", "a\r\n folded").bytes(),
        UpgradeRequest::new("/ws")
            .and("X", &"x".repeat(1 << 20))
            .bytes(),
    ] {
        let mut socket = RawSocket::connect(server.address());
        socket.write(&bytes);
        let head = socket.read_head();
        assert!(matches!(head.status, 400 | 431), "{head:?}");
        assert!(matches!(socket.hear(), Heard::End | Heard::Reset));
    }
    RawSocket::open(server.address(), "/ws").settle();
}

#[test]
fn a_slow_head_is_waited_for_and_an_endless_one_is_not() {
    let server = Server::start();
    let mut socket = RawSocket::connect(server.address());
    assert!(socket.write_in_drops(&UpgradeRequest::new("/ws").bytes()));
    assert_eq!(socket.read_head().status, 101);
    socket.settle();

    let began = now();
    let mut silent = RawSocket::connect(server.address());
    silent.write(b"GET /ws HTTP/1.1\r\nHost: loc");
    let mut mute = RawSocket::connect(server.address());
    let mut endless = RawSocket::connect(server.address());
    endless.write(b"GET /ws HTTP/1.1\r\nX: ");
    // A byte now and then gains no time.
    wait_until("the endless head to be given up", || {
        let ended = endless.hear_within(Duration::from_millis(100)).is_some();
        endless.write(b"x");
        ended
    });
    for socket in [&mut silent, &mut mute] {
        assert!(matches!(socket.hear(), Heard::End | Heard::Reset));
    }
    let took = now() - began;
    assert!(took > HEAD_PATIENCE / 2, "ended after {took:?} already");
    assert!(took < PATIENCE / 2, "ended only after {took:?}");
    // None of these was ever a connection.
    socket.settle();
    let status = server.rest().get("/api/v1/websockets").expect(200);
    assert_eq!(
        status["connections"].as_array().unwrap().len(),
        1,
        "{status}"
    );
}

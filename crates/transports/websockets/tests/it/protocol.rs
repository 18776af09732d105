//! Does the transport speak WebSocket properly, also with those who do not?

use futures_util::SinkExt;
use photinus_contract::HandOver;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};

use crate::harness::{Call, World, event_id, within};

/// The headers of an upgrade.
const UPGRADE: &str = "Host: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request by hand and returns the status and the JSON body.
async fn request(world: &World, line: &str, headers: &str) -> (u16, Value) {
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(async {
        loop {
            socket.read_buf(&mut answer).await.unwrap();
            let text = std::str::from_utf8(&answer).unwrap();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && let Ok(body) = serde_json::from_str(body)
            {
                assert!(head.contains("content-type: application/json"), "{head}");
                let status = head.split(' ').nth(1).unwrap();
                return (status.parse().unwrap(), body);
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so() {
    let world = World::new().await;
    for (line, headers, missing) in [
        ("GET /ws", "Host: x\r\n".to_owned(), "'Connection: Upgrade'"),
        ("POST /ws", UPGRADE.to_owned(), "GET"),
        (
            "GET /ws",
            UPGRADE.replace("WebSocket\r", "h2c\r"),
            "'Upgrade: websocket'",
        ),
        (
            "GET /ws",
            UPGRADE.replace("13", "8"),
            "'Sec-WebSocket-Version'",
        ),
        (
            "GET /ws",
            UPGRADE.replace("dGhl", ""),
            "'Sec-WebSocket-Key'",
        ),
        (
            "GET /ws",
            UPGRADE.replace("dGhl", "d-hl"),
            "'Sec-WebSocket-Key'",
        ),
        (
            "GET /ws",
            format!("{UPGRADE}Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
            "'Sec-WebSocket-Key'",
        ),
        (
            "GET /api/v1/namespaces/default/ws",
            "Host: x\r\n".to_owned(),
            "'Connection: Upgrade'",
        ),
    ] {
        let (status, body) = request(&world, line, &headers).await;
        let error = body["error"].as_str().unwrap();
        assert_eq!(status, 400, "{error}");
        assert!(
            error.starts_with("PH00426: ") && error.contains(missing),
            "{error}"
        );
    }
    assert!(world.engine.is_quiet());
}

#[tokio::test]
async fn an_unknown_namespace_in_the_path_is_not_found() {
    let world = World::new().await;
    let (status, body) = request(&world, "GET /api/v1/namespaces/nope/ws", UPGRADE).await;
    assert_eq!(status, 404);
    assert!(body["error"].as_str().unwrap().starts_with("FF10109: "));
}

#[tokio::test]
async fn connections_are_limited() {
    let world = World::with(json!({"connections_max": 1})).await;
    let (client, _) = world.started().await;
    let (status, body) = request(&world, "GET /ws", UPGRADE).await;
    assert_eq!(status, 503);
    let error = body["error"].as_str().unwrap();
    assert!(
        error.starts_with("PH00503: ") && error.contains("connections_max"),
        "{error}"
    );
    drop(client);
    world.engine.closed().await;
}

#[tokio::test]
async fn a_ping_is_answered_at_once_with_its_payload() {
    let world = World::new().await;
    let mut client = world.connect("/ws").await;
    for payload in ["ping", "", &"x".repeat(125)] {
        let ping = Message::Ping(payload.to_owned().into());
        client.socket.send(ping).await.unwrap();
        assert_eq!(
            client.message().await,
            Message::Pong(payload.to_owned().into())
        );
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    for code in [1000, 1001, 3000, 4001] {
        let world = World::new().await;
        let (mut client, connection) = world.started().await;
        let close = CloseFrame {
            code: CloseCode::from(code),
            reason: "bye".into(),
        };
        client
            .socket
            .send(Message::Close(Some(close)))
            .await
            .unwrap();
        client.closed_with(code).await;
        assert_eq!(world.engine.closed().await, connection);
        assert_eq!(world.hand_over(&connection, "app", 1, 1), HandOver::Closed);
        assert!(world.engine.is_quiet(), "the end is told once");
    }
}

#[tokio::test]
async fn a_close_frame_without_a_code_is_answered_without_one() {
    let world = World::new().await;
    let mut client = world.connect("/ws").await;
    client.socket.send(Message::Close(None)).await.unwrap();
    assert_eq!(client.message().await, Message::Close(None));
    world.engine.closed().await;
}

#[tokio::test]
async fn a_frame_may_come_in_fragments_with_a_ping_between() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    client.event(1).await;
    let text = json!({"type": "ack", "id": event_id(1)}).to_string();
    let (first, rest) = text.split_at(10);
    let (second, third) = rest.split_at(10);
    let part = |text: &str, opcode, last| {
        Message::Frame(Frame::message(text.to_owned(), OpCode::Data(opcode), last))
    };
    client
        .socket
        .feed(part(first, Data::Text, false))
        .await
        .unwrap();
    client
        .socket
        .feed(part(second, Data::Continue, false))
        .await
        .unwrap();
    client.socket.feed(Message::Ping("x".into())).await.unwrap();
    client
        .socket
        .feed(part(third, Data::Continue, true))
        .await
        .unwrap();
    client.socket.flush().await.unwrap();
    world.engine.acked(1).await;
    assert_eq!(client.message().await, Message::Pong("x".into()));
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_refused() {
    let world = World::with(json!({"frame_bytes_max": 100})).await;
    let other = world.started().await;
    let mut client = world.connect("/ws").await;
    client.send_text(&" ".repeat(101)).await;
    client
        .refused_with(
            "FF10176: Invalid data: PH00413: Frame too large: at most 100",
            1009,
        )
        .await;
    world.engine.closed().await;

    let mut client = world.connect("/ws").await;
    for opcode in [Data::Text, Data::Continue] {
        let part = Frame::message("x".repeat(60), OpCode::Data(opcode), false);
        client.socket.send(Message::Frame(part)).await.unwrap();
    }
    client
        .refused_with("FF10176: Invalid data: PH00413: ", 1009)
        .await;
    world.engine.closed().await;
    let (mut other, connection) = other;
    world.deliver(&connection, "app", 1, 1);
    other.event(1).await;
}

#[tokio::test]
async fn garbage_ends_the_connection_that_sent_it_and_no_other() {
    let world = World::new().await;
    let (mut bystander, connection) = world.started().await;
    for (frame, expected) in [
        ("", "EOF while parsing"),
        ("x", "expected value"),
        ("[]", "invalid type: sequence"),
        ("5", "invalid type: integer"),
        ("{} {}", "trailing characters"),
        (r#"{"type":"ack","id":"zz"}"#, "UUID"),
        (r#"{"type":"ack","subscription":{"id":"zz"}}"#, "UUID"),
        (r#"{"type":7}"#, "invalid type: integer"),
        ("{}", "FF10177: "),
        ("null", "FF10177: "),
        (r#"{"type":"event_batch"}"#, "FF10177: "),
        (r#"{"type":"stop"}"#, "FF10177: "),
    ] {
        for binary in [false, true] {
            let mut client = world.connect("/ws").await;
            let message = match binary {
                true => Message::binary(frame.to_owned()),
                false => Message::text(frame),
            };
            client.socket.send(message).await.unwrap();
            let error = client.receive().await["error"].as_str().unwrap().to_owned();
            assert!(
                error.starts_with("FF10176: Invalid data: "),
                "{frame}: {error}"
            );
            assert!(error.contains(expected), "{frame}: {error}");
            client.closed_with(1008).await;
            world.engine.closed().await;
        }
    }
    world.deliver(&connection, "app", 1, 1);
    bystander.event(1).await;
    bystander.ack(1).await;
    world.engine.acked(1).await;
}

/// Upgrades by hand, sends these bytes, and returns what the server says until it closes.
async fn raw(world: &World, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET /ws HTTP/1.1\r\n{UPGRADE}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    within(socket.read_to_end(&mut answer)).await.unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101"));
    answer.split_off(end + 4)
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection() {
    let world = World::new().await;
    for (bytes, code) in [
        // Not masked.
        (&b"\x81\x02{}"[..], 1002u16),
        // Reserved bits, a reserved opcode, a fragmented ping, a continuation of nothing.
        (b"\xf1\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        // A close frame with half a code.
        (b"\x88\x81\0\0\0\0\x03", 1002),
        // A text that is not UTF-8.
        (b"\x81\x81\0\0\0\0\xff", 1007),
        // A length of 2^63 bytes.
        (b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 1009),
    ] {
        let answer = raw(&world, bytes).await;
        let close = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert!(answer.ends_with(&close), "{bytes:?}: {answer:?}");
        world.engine.closed().await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_closed_once() {
    let world = World::new().await;
    let (client, connection) = world.started().await;
    world.deliver(&connection, "app", 1, 1);
    drop(client);
    assert_eq!(world.engine.closed().await, connection);
    assert_eq!(world.hand_over(&connection, "app", 2, 2), HandOver::Closed);
    within(world.transport.shutdown()).await;
    assert!(world.engine.is_quiet());
}

#[tokio::test]
async fn a_shutdown_says_goodbye_to_all_and_takes_nobody_new() {
    let world = World::new().await;
    let (mut one, _) = world.started().await;
    let mut two = world.connect("/ws").await;
    two.settled().await;
    let shutdown = world.transport.shutdown();
    let goodbyes = async {
        one.closed_with(1001).await;
        two.closed_with(1001).await;
    };
    within(async { tokio::join!(shutdown, goodbyes) }).await;
    world.engine.closed().await;
    world.engine.closed().await;
    assert!(world.engine.is_quiet());
    let (status, body) = request(&world, "GET /ws", UPGRADE).await;
    assert_eq!(status, 503);
    assert!(body["error"].as_str().unwrap().starts_with("PH00503: "));
    let status = world.transport.status().unwrap();
    assert_eq!(status["connections"], json!([]));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_client_that_is_stuck() {
    let world = World::with(json!({"send_queue_bytes_max": 100_000_000})).await;
    let (client, connection) = world.started().await;
    for n in 1..=64 {
        let large = crate::harness::event(n, 1 << 20);
        let id = photinus_contract::DeliveryId::new(1, n);
        let app = crate::harness::subscription("app");
        let delivery = photinus_contract::Delivery::new(connection.clone(), app, id, 1, large);
        assert_eq!(world.transport.deliver(delivery), HandOver::Ok);
    }
    within(world.transport.shutdown()).await;
    assert_eq!(world.engine.closed().await, connection);
    drop(client);
}

#[tokio::test]
async fn a_panic_of_one_connection_is_the_end_of_that_one_only() {
    let world = World::new().await;
    let (mut bystander, connection) = world.started().await;
    world.engine.panic_at_ephemeral();
    let mut client = world.connect("/ws").await;
    client
        .send(json!({"type": "start", "namespace": "default", "ephemeral": true}))
        .await;
    assert!(matches!(world.engine.next().await, Call::Register(..)));
    world.engine.closed().await;
    world.deliver(&connection, "app", 1, 1);
    bystander.event(1).await;
    bystander.ack(1).await;
    world.engine.acked(1).await;
    within(async { tokio::join!(world.transport.shutdown(), bystander.closed_with(1001)) }).await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let world = World::with(json!({"ping_interval": "1s"})).await;
    let (mut client, _) = world.started().await;
    for _ in 0..2 {
        assert!(matches!(client.message().await, Message::Ping(_)));
    }
    client.send(json!({"type": "ack"})).await;
    loop {
        match client.message().await {
            Message::Ping(_) => {}
            Message::Text(text) => break assert!(text.contains("FF10175"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_disconnected() {
    let world = World::with(json!({"ping_interval": "10ms"})).await;
    let client = world.connect("/ws?namespace=default&name=app").await;
    let connection = world.registered("app").await;
    assert_eq!(world.engine.closed().await, connection);
    drop(client);
}

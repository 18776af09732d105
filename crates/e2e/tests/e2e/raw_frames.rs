//! Is every form of a frame read that the protocol allows?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_e2e::{FrameBytes, Heard, LengthForm, RawSocket, Server, StopSignal, opcode};
use serde_json::{Value, json};

/// Letters of two, three and four bytes.
const LETTERS: &str = "ä€😀";

/// An acknowledgement that is this long. What pads it needs UTF-8 of every length.
fn ack_of(event: &Value, length: usize) -> String {
    let ack = |padding: &str| {
        json!({"type": "ack", "id": event["id"], "ignored": format!("{LETTERS}{padding}")})
            .to_string()
    };
    let bare = ack("").len();
    ack(&"x".repeat(length.saturating_sub(bare)))
}

fn join(frames: impl IntoIterator<Item = FrameBytes>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.bytes()).collect()
}

#[test]
fn a_message_is_read_in_every_form() {
    type Form = fn(&str) -> Vec<u8>;
    let forms: &[(&str, usize, Form)] = &[
        ("7-bit length", 0, |text| FrameBytes::text(text).bytes()),
        ("16-bit length", 126, |text| FrameBytes::text(text).bytes()),
        ("longest 16-bit length", 0xffff, |text| {
            FrameBytes::text(text).bytes()
        }),
        ("64-bit length", 0x1_0000, |text| {
            FrameBytes::text(text).bytes()
        }),
        ("longer than needed: 16 bits", 0, |text| {
            FrameBytes::text(text).length(LengthForm::Bits16).bytes()
        }),
        ("longer than needed: 64 bits", 0, |text| {
            FrameBytes::text(text).length(LengthForm::Bits64).bytes()
        }),
        ("as large as a message may be", 1 << 20, |text| {
            FrameBytes::text(text).bytes()
        }),
        ("bytes", 0, |text| {
            FrameBytes::new(opcode::BINARY, text).bytes()
        }),
        ("a mask of zeros", 0, |text| {
            FrameBytes::text(text).mask([0; 4]).bytes()
        }),
        ("a mask of ones", 0, |text| {
            FrameBytes::text(text).mask([0xff; 4]).bytes()
        }),
        ("a fragment for each byte", 0, |text| {
            join(FrameBytes::fragments(
                opcode::TEXT,
                text.as_bytes().chunks(1),
            ))
        }),
        ("a fragment of bytes for each byte", 0, |text| {
            join(FrameBytes::fragments(
                opcode::BINARY,
                text.as_bytes().chunks(1),
            ))
        }),
        ("fragments, some of them empty", 0, |text| {
            let (one, two) = text.as_bytes().split_at(9);
            join(FrameBytes::fragments(
                opcode::TEXT,
                [&b""[..], one, b"", two, b""],
            ))
        }),
        ("fragments as large as a message may be", 1 << 20, |text| {
            join(FrameBytes::fragments(
                opcode::TEXT,
                text.as_bytes().chunks(100_000),
            ))
        }),
        ("fragments with pings and pongs between them", 0, |text| {
            let fragments = FrameBytes::fragments(opcode::TEXT, text.as_bytes().chunks(7));
            let between = [
                FrameBytes::ping(b"between"),
                FrameBytes::new(opcode::PONG, "x"),
            ];
            join(
                fragments
                    .into_iter()
                    .flat_map(|fragment| std::iter::once(fragment).chain(between.clone())),
            )
        }),
        ("behind blanks", 0, |text| {
            FrameBytes::text(&format!(" \t\r\n{text}\n")).bytes()
        }),
    ];
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    for (number, (form, length, bytes)) in forms.iter().enumerate() {
        // One is in flight at a time: an event comes only when the last one was acknowledged.
        rest.broadcast(&format!("t{number}"), "t");
        rest.broadcast(&format!("t{number}-drops"), "t");
        let event = receive_past_pongs(&mut socket, &format!("t{number}"));
        let frame = bytes(&ack_of(&event, *length));
        assert!(socket.write(&frame), "{form}");
        let event = receive_past_pongs(&mut socket, &format!("t{number}-drops"));
        let frame = bytes(&ack_of(&event, *length));
        let in_drops = frame.len() < 1 << 17;
        let written = match in_drops {
            true => socket.write_in_drops(&frame),
            false => socket.write(&frame),
        };
        assert!(written, "{form}");
    }
    rest.broadcast("last", "t");
    receive_past_pongs(&mut socket, "last");
    socket.close();
}

#[track_caller]
fn receive_past_pongs(socket: &mut RawSocket, topic: &str) -> Value {
    loop {
        match socket.hear() {
            Heard::Pong(payload) => assert_eq!(payload, b"between"),
            Heard::Json(event) => {
                assert_eq!(event["topic"], topic, "{event}");
                return event;
            }
            other => panic!("{topic}: {other:?}"),
        }
    }
}

#[test]
fn a_ping_of_every_length_comes_back_with_its_payload() {
    let server = Server::start();
    let mut socket = RawSocket::open(server.address(), "/ws");
    let payloads: Vec<Vec<u8>> = (0..=125_u8)
        .map(|length| {
            (0..length)
                .map(|byte| byte.wrapping_mul(37) ^ 0xff)
                .collect()
        })
        .collect();
    for payload in &payloads {
        socket.write(&FrameBytes::ping(payload).bytes());
        assert_eq!(socket.hear(), Heard::Pong(payload.clone()));
    }
    // All in one piece, and with longer lengths than needed.
    let frames = payloads.iter().map(|payload| FrameBytes::ping(payload));
    socket.write(&join(frames.map(|ping| ping.length(LengthForm::Bits64))));
    for payload in &payloads {
        assert_eq!(socket.hear(), Heard::Pong(payload.clone()));
    }
    // Before the message goes on in whose midst it was sent.
    let [one, two] = [&b"{\"type\":"[..], b"\"ack\"}"];
    let fragments = FrameBytes::fragments(opcode::TEXT, [one, two]);
    socket.write(&fragments[0].bytes());
    socket.write(&FrameBytes::ping(b"in the midst").bytes());
    assert_eq!(socket.hear(), Heard::Pong(b"in the midst".to_vec()));
    // A pong that nobody asked for means nothing.
    socket.write(&FrameBytes::new(opcode::PONG, "unasked").bytes());
    socket.settle();
    socket.write(&fragments[1].bytes());
    assert!(socket.receive_error_and_end(1008).contains("FF10175"));
}

#[test]
fn pings_are_answered_while_events_flow() {
    const PINGS: usize = 50;
    let server = Server::start();
    let rest = server.rest();
    let mut socket = RawSocket::open(server.address(), "/ws?ephemeral&namespace=default&autoack");
    socket.settle();
    // The events do not end before the pongs are there: a pong that had to wait for them would never come.
    let answered = Arc::new(AtomicBool::new(false));
    let seen = answered.clone();
    let publisher = std::thread::spawn(move || {
        let mut sent = 0;
        while !seen.load(Ordering::Relaxed) {
            rest.broadcast(&format!("t{sent}"), "t");
            sent += 1;
        }
        sent
    });
    let mut events = 0;
    let expect_event = |event: Value, events: &mut usize| {
        assert_eq!(event["topic"], format!("t{events}"));
        *events += 1;
    };
    for number in 0..PINGS {
        let payload = format!("ping {number}").into_bytes();
        socket.write(&FrameBytes::ping(&payload).bytes());
        loop {
            match socket.hear() {
                Heard::Json(event) => expect_event(event, &mut events),
                Heard::Pong(echo) => break assert_eq!(echo, payload),
                other => panic!("{other:?}"),
            }
        }
        // At least one event for each ping.
        expect_event(socket.receive(), &mut events);
    }
    answered.store(true, Ordering::Relaxed);
    let sent = publisher.join().unwrap();
    while events < sent {
        expect_event(socket.receive(), &mut events);
    }
}

#[test]
fn many_frames_in_one_segment_are_all_read_in_order() {
    const EVENTS: usize = 200;
    let server = Server::start();
    let rest = server.rest();
    let options = json!({"readAhead": EVENTS - 1});
    rest.subscribe("app", json!({}), options);
    let topics: Vec<String> = (0..=EVENTS).map(|number| format!("t{number}")).collect();
    for topic in &topics {
        rest.broadcast(topic, "t");
    }
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    let events: Vec<Value> = topics[..EVENTS]
        .iter()
        .map(|topic| socket.receive_topic(topic))
        .collect();
    let mut bytes = Vec::new();
    for (number, event) in events.iter().enumerate() {
        bytes.extend(FrameBytes::text(&ack_of(event, 0)).bytes());
        bytes.extend(FrameBytes::ping(&number.to_be_bytes()).bytes());
    }
    socket.write(&bytes);
    let mut last = None;
    for number in 0..EVENTS {
        loop {
            match socket.hear() {
                Heard::Pong(payload) => break assert_eq!(payload, number.to_be_bytes()),
                Heard::Json(event) if last.is_none() => last = Some(event),
                other => panic!("{other:?}"),
            }
        }
    }
    let last = last.unwrap_or_else(|| socket.receive());
    assert_eq!(last["topic"], topics[EVENTS]);
    // Each counted: the next connection goes on behind them.
    socket.close();
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    socket.receive_topic(&topics[EVENTS]);
}

#[test]
fn a_close_frame_is_answered_with_its_code_and_then_the_end() {
    let server = Server::start();
    let mut codes = vec![1000, 1001, 1002, 1003];
    codes.extend([1007, 1008, 1009, 1010, 1011, 1012, 1013]);
    codes.extend([3000, 3999, 4000, 4001, 4999]);
    let long = "x".repeat(123);
    for code in codes {
        for reason in ["", "bye", LETTERS, &long] {
            let mut socket = RawSocket::open(server.address(), "/ws");
            socket.write(&FrameBytes::close(code, reason).bytes());
            socket.expect_end(code);
        }
    }
    // None is none.
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.write(&FrameBytes::new(opcode::CLOSE, "").bytes());
    assert_eq!(socket.hear(), Heard::Close(None, String::new()));
    assert_eq!(socket.hear(), Heard::End);
    // Codes that nobody may send.
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 0xffff,
    ] {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.write(&FrameBytes::close(code, "").bytes());
        socket.expect_end(1002);
    }
}

#[test]
fn a_close_ends_what_comes_behind_it_and_nothing_before_it() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    for topic in ["t1", "t2"] {
        rest.broadcast(topic, "t");
    }
    let close = FrameBytes::close(1000, "").bytes();
    let in_flight = |topic: &str| {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.start("app");
        let event = socket.receive_topic(topic);
        (socket, FrameBytes::text(&ack_of(&event, 0)))
    };

    // Behind it in the same segment: not read any more.
    let (mut socket, ack) = in_flight("t1");
    socket.write(&[close.clone(), ack.bytes()].concat());
    socket.expect_end(1000);
    // In the midst of an acknowledgement: there is none.
    let (mut socket, ack) = in_flight("t1");
    socket.write(&[ack.unfinished().bytes(), close.clone()].concat());
    socket.expect_end(1000);
    // Before it in the same segment: it counts.
    let (mut socket, ack) = in_flight("t1");
    socket.write(&[ack.bytes(), close].concat());
    // The next event may still have been on its way.
    loop {
        match socket.hear() {
            Heard::Json(event) => assert_eq!(event["topic"], "t2"),
            Heard::Close(Some(1000), _) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(socket.hear(), Heard::End);
    in_flight("t2");
}

#[test]
fn half_a_frame_is_waited_for_and_ends_with_its_connection() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    for topic in ["t1", "t2"] {
        rest.broadcast(topic, "t");
    }
    let ack = |event: &Value| FrameBytes::text(&ack_of(event, 200)).bytes();

    // Cut in the length, in the mask, and in the payload. The silence costs nobody anything.
    for cut in [1, 3, 6, 100] {
        let mut half = RawSocket::open(server.address(), "/ws");
        half.start("app");
        let event = half.receive_topic("t1");
        half.write(&ack(&event)[..cut]);
        let mut other = RawSocket::open(server.address(), "/ws");
        other.start("app");
        other.settle();
        // The end of sending, within a frame, is the end.
        half.finish_sending();
        assert!(matches!(half.hear(), Heard::End | Heard::Reset));
        other.receive_topic("t1");
        other.close();
    }
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    let event = socket.receive_topic("t1");
    let bytes = ack(&event);
    socket.write(&bytes[..5]);
    let mut other = RawSocket::open(server.address(), "/ws");
    other.settle();
    socket.write(&bytes[5..]);
    socket.receive_topic("t2");
}

#[test]
fn a_stop_says_goodbye_to_all_whatever_they_were_doing() {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    rest.broadcast("t1", "t");
    let open = || RawSocket::open(server.address(), "/ws");
    let mut idle = open();
    let mut unanswered = open();
    unanswered.start("app");
    unanswered.receive_topic("t1");
    let mut waiting = open();
    waiting.start("app");
    let mut in_a_frame = open();
    in_a_frame.settle();
    in_a_frame.write(&FrameBytes::text("{}").bytes()[..5]);
    let mut in_a_message = open();
    in_a_message.write(&FrameBytes::text("{").unfinished().bytes());
    for socket in [&mut idle, &mut unanswered, &mut waiting, &mut in_a_message] {
        socket.settle();
    }
    server.stop(StopSignal::Term);
    for mut socket in [idle, unanswered, waiting, in_a_frame, in_a_message] {
        socket.expect_end(1001);
    }
}

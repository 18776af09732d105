//! Does a connection that breaks the protocol end, alone, and without a trace?

use photinus_e2e::{FrameBytes, Heard, LengthForm, RawSocket, Rest, Server, opcode, wait_until};
use serde_json::json;

/// `[transports.websockets] frame_bytes_max`.
pub(crate) const FRAME_BYTES_MAX: u64 = 1 << 20;

/// How a connection has to end.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With this close code alone.
    Closed(u16),
    /// With an error that has these codes in it, and this close code.
    Refused(&'static str, u16),
}

/// Everything that RFC 6455 forbids a client, and what is too much for the server.
fn violations() -> Vec<(String, Vec<u8>, Ending)> {
    let mut all = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>, ending: Ending| {
        all.push((name.to_owned(), bytes, ending));
    };
    let join = |frames: &[FrameBytes]| frames.iter().flat_map(FrameBytes::bytes).collect();
    let protocol = Ending::Closed(1002);
    let not_utf8 = Ending::Refused("FF10176: Invalid data: not UTF-8", 1007);
    let too_large = Ending::Refused("FF10176: Invalid data: PH00413: ", 1009);
    let text = |text: &str| FrameBytes::text(text);
    let ping = || FrameBytes::ping(b"");

    for frame in [text("{}"), text(""), ping(), FrameBytes::close(1000, "")] {
        add("not masked", frame.clone().unmasked().bytes(), protocol);
        for bits in 1..=7 {
            add(
                "reserved bits",
                frame.clone().reserved(bits).bytes(),
                protocol,
            );
        }
    }
    for code in (3..=7).chain(11..=15) {
        let frame = FrameBytes::new(code, "");
        add("reserved opcode", frame.bytes(), protocol);
        add(
            "reserved opcode",
            FrameBytes::new(code, "{}").bytes(),
            protocol,
        );
    }
    for code in [opcode::CLOSE, opcode::PING, opcode::PONG] {
        let unfinished = FrameBytes::new(code, [3, 232]).unfinished();
        add("control in fragments", unfinished.bytes(), protocol);
        for length in [126, 127, 0x1_0000] {
            let long = FrameBytes::new(code, vec![3; length]);
            add("control too long", long.bytes(), protocol);
        }
    }
    let continuation = |payload: &[u8]| FrameBytes::new(opcode::CONTINUATION, payload);
    add("goes on with nothing", continuation(b"").bytes(), protocol);
    let unfinished = continuation(b"{").unfinished();
    add("goes on with nothing", unfinished.bytes(), protocol);
    for other in [opcode::TEXT, opcode::BINARY] {
        let frames = [text("{").unfinished(), FrameBytes::new(other, "}")];
        add("a message within a message", join(&frames), protocol);
    }
    add(
        "half a close code",
        FrameBytes::new(opcode::CLOSE, [3]).bytes(),
        protocol,
    );

    let broken: [&[u8]; 8] = [
        b"\xff",
        b"{\"type\":\"\x80\"}",
        b"\xc0\xaf",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf0\x9f\x98",
    ];
    for bytes in broken {
        add(
            "not UTF-8",
            FrameBytes::new(opcode::TEXT, bytes).bytes(),
            not_utf8,
        );
        let parts: Vec<&[u8]> = bytes.chunks(1).collect();
        let fragments = FrameBytes::fragments(opcode::TEXT, parts);
        add("not UTF-8 in fragments", join(&fragments), not_utf8);
        let close = [&1000_u16.to_be_bytes(), bytes].concat();
        add(
            "a reason not UTF-8",
            FrameBytes::new(opcode::CLOSE, close).bytes(),
            not_utf8,
        );
        // Of bytes, the decoder says so.
        add(
            "bytes not UTF-8",
            FrameBytes::new(opcode::BINARY, bytes).bytes(),
            Ending::Refused("FF10176: Invalid data: ", 1008),
        );
    }
    // It is known to be broken before it ends.
    let start = FrameBytes::new(opcode::TEXT, b"{\xff").unfinished();
    add("not UTF-8 at once", start.bytes(), not_utf8);

    for length in [
        FRAME_BYTES_MAX + 1,
        1 << 32,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX,
    ] {
        for code in [opcode::TEXT, opcode::BINARY, opcode::PING] {
            let frame = FrameBytes::new(code, "").length(LengthForm::Announced(length));
            add("announced too large", frame.bytes(), too_large);
        }
    }
    let half = vec![b' '; FRAME_BYTES_MAX as usize / 2];
    for code in [opcode::TEXT, opcode::BINARY] {
        let parts = [&half[..], &half, b" "];
        let fragments = FrameBytes::fragments(code, parts);
        add("too large in fragments", join(&fragments), too_large);
    }
    all
}

#[track_caller]
fn expect(socket: &mut RawSocket, what: &str, ending: Ending) {
    let code = match ending {
        Ending::Closed(code) => code,
        Ending::Refused(expected, code) => {
            match socket.hear() {
                Heard::Json(frame) => {
                    let error = frame["error"].as_str().unwrap_or_default();
                    assert!(error.starts_with(expected), "{what}: {frame}");
                }
                other => panic!("{what}: {other:?}"),
            }
            code
        }
    };
    match socket.hear() {
        Heard::Close(Some(said), _) => assert_eq!(said, code, "{what}"),
        other => panic!("{what}: expected to be closed with {code}, not {other:?}"),
    }
    assert_eq!(socket.hear(), Heard::End, "{what}");
}

pub(crate) fn connections(rest: &Rest) -> usize {
    let status = rest.get("/api/v1/websockets").expect(200);
    status["connections"].as_array().unwrap().len()
}

#[test]
fn a_violation_ends_its_connection_with_its_code_and_no_other() {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut neighbour = RawSocket::open(server.address(), "/ws");
    neighbour.start("app");
    let violations = violations();
    assert!(violations.len() > 100, "{}", violations.len());
    let mut number = 0;
    for round in 0..2 {
        for (what, bytes, ending) in &violations {
            number += 1;
            rest.broadcast(&format!("t{number}"), "t");
            let mut socket = RawSocket::open(server.address(), "/ws");
            if round == 1 {
                // It may be in the midst of something.
                socket.send(&json!({"type": "start", "namespace": "default", "ephemeral": true}));
            }
            assert!(socket.write(bytes));
            expect(&mut socket, what, *ending);
            neighbour.receive_and_ack([&*format!("t{number}")]);
        }
    }
    // Those that hang up without reading are no more trouble.
    for (index, (_, bytes, _)) in violations.iter().enumerate() {
        number += 1;
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.write(bytes);
        if index % 2 == 0 {
            socket.reset();
        }
        rest.broadcast(&format!("t{number}"), "t");
        neighbour.receive_and_ack([&*format!("t{number}")]);
    }
    wait_until("the others to be gone", || connections(&rest) == 1);
    neighbour.settle();
    server.assert_running();
}

#[test]
fn what_came_before_a_violation_counts_and_what_comes_behind_it_does_not() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    for topic in ["t1", "t2", "t3"] {
        rest.broadcast(topic, "t");
    }
    let ack = FrameBytes::text(r#"{"type":"ack"}"#).bytes();
    let bad = FrameBytes::ping(b"").unmasked().bytes();
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    socket.receive_topic("t1");
    // All in one segment.
    socket.write(&[ack.clone(), bad, ack].concat());
    loop {
        match socket.hear() {
            Heard::Json(event) => assert_eq!(event["topic"], "t2"),
            Heard::Close(Some(1002), _) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(socket.hear(), Heard::End);
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.start("app");
    socket.receive_topic("t2");
}

#[test]
fn the_last_words_reach_a_client_that_is_still_sending() {
    let server = Server::start();
    let rest = server.rest();
    for (bad, ending) in [
        (
            FrameBytes::text("{}"),
            Ending::Refused("FF10176: Invalid data: FF10177: ", 1008),
        ),
        (FrameBytes::new(3, ""), Ending::Closed(1002)),
        (
            FrameBytes::new(opcode::TEXT, b"\xff"),
            Ending::Refused("FF10176: ", 1007),
        ),
        (FrameBytes::close(4000, "bye"), Ending::Closed(4000)),
    ] {
        let mut socket = RawSocket::open(server.address(), "/ws");
        socket.settle();
        let mut bytes = bad.bytes();
        let ack = FrameBytes::text(r#"{"type":"ack"}"#).bytes();
        // More than the buffers of both sides take.
        bytes.extend(ack.repeat((12 << 20) / ack.len()));
        assert!(socket.write(&bytes), "{bad:?}");
        expect(&mut socket, &format!("{bad:?}"), ending);
    }
    wait_until("all to be gone", || connections(&rest) == 0);
}

#[test]
fn two_hundred_bad_clients_at_once_leave_nothing_behind() {
    let mut server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({"readAhead": 9}));
    let mut neighbour = RawSocket::open(server.address(), "/ws");
    neighbour.start("app");
    let address = server.address();
    let violations = violations();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let violations = violations.clone();
            std::thread::spawn(move || {
                let mut open = Vec::new();
                for index in 0..50 {
                    let (what, bytes, ending) =
                        &violations[(thread + index * 4) % violations.len()];
                    let mut socket = RawSocket::open(address, "/ws");
                    // They want what the neighbour has, and must not get it by their end.
                    socket.start("app");
                    socket.write(bytes);
                    open.push((socket, what.clone(), *ending));
                }
                for (socket, what, ending) in &mut open {
                    expect(socket, what, *ending);
                }
            })
        })
        .collect();
    let mut number = 0;
    while number < 100 || threads.iter().any(|thread| !thread.is_finished()) {
        number += 1;
        rest.broadcast(&format!("t{number}"), "t");
        neighbour.receive_and_ack([&*format!("t{number}")]);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    wait_until("the others to be gone", || connections(&rest) == 1);
    server.assert_running();
}

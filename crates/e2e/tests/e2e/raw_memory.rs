//! Does what a client announces, or never ends, take no memory?

use photinus_e2e::{FrameBytes, LengthForm, RawSocket, Server, opcode, wait_until};
use serde_json::json;

use crate::raw_violations::{FRAME_BYTES_MAX, connections};

/// What the server may grow by while it is attacked, in KiB.
const GROWTH_KIB_MAX: u64 = 48 << 10;

#[test]
fn what_a_client_announces_takes_no_memory() {
    let server = Server::start();
    let rest = server.rest();
    // Once, so that what is made on first use is there.
    RawSocket::open(server.address(), "/ws").settle();
    let before = resident_kib(&server);
    for length in [1 << 63, (1 << 63) - 1, u64::MAX, FRAME_BYTES_MAX + 1] {
        for _ in 0..25 {
            let mut socket = RawSocket::open(server.address(), "/ws");
            let frame = FrameBytes::new(opcode::BINARY, "").length(LengthForm::Announced(length));
            socket.write(&frame.bytes());
            let error = socket.receive_error_and_end(1009);
            assert!(error.contains("PH00413: "), "{error}");
        }
    }
    // What is just allowed is believed, and still takes nothing before it is there.
    let waiting: Vec<RawSocket> = (0..200)
        .map(|_| {
            let mut socket = RawSocket::open(server.address(), "/ws");
            let frame = FrameBytes::text("{").length(LengthForm::Announced(FRAME_BYTES_MAX));
            socket.write(&frame.bytes());
            socket
        })
        .collect();
    wait_until("all to be there", || connections(&rest) >= waiting.len());
    assert_grew_little(&server, before);
    drop(waiting);
    wait_until("all to be gone", || connections(&rest) == 0);
}

#[test]
fn an_endless_message_is_ended_at_the_limit_and_not_kept() {
    const CLIENTS: usize = 8;
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("app", json!({}), json!({}));
    let mut neighbour = RawSocket::open(server.address(), "/ws");
    neighbour.start("app");
    neighbour.settle();
    let before = resident_kib(&server);
    let address = server.address();

    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            std::thread::spawn(move || {
                let mut socket = RawSocket::open(address, "/ws");
                let code = [opcode::TEXT, opcode::BINARY][client % 2];
                let begin = FrameBytes::new(code, "{").unfinished();
                let piece = vec![b' '; 32 << 10];
                let more = FrameBytes::new(opcode::CONTINUATION, piece).unfinished();
                let more = more.bytes();
                let mut sent: u64 = 0;
                socket.write(&begin.bytes());
                // Goes on until the connection breaks; the server reads on for a while, so that its last
                // words are not lost.
                while socket.write(&more) {
                    sent += more.len() as u64;
                    assert!(sent < 16 << 30, "it takes everything");
                }
                sent
            })
        })
        .collect();
    let mut number = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        number += 1;
        rest.broadcast(&format!("t{number}"), "t");
        neighbour.receive_and_ack([&*format!("t{number}")]);
        assert_grew_little(&server, before);
    }
    for client in clients {
        assert!(client.join().unwrap() > FRAME_BYTES_MAX);
    }
    wait_until("them to be gone", || connections(&rest) == 1);
    neighbour.settle();
}

#[test]
fn an_endless_message_of_nothing_is_no_burden() {
    let server = Server::start();
    let rest = server.rest();
    let mut socket = RawSocket::open(server.address(), "/ws");
    socket.settle();
    let before = resident_kib(&server);
    socket.write(&FrameBytes::text("").unfinished().bytes());
    let nothing = FrameBytes::new(opcode::CONTINUATION, "")
        .unfinished()
        .bytes();
    let many = nothing.repeat(10_000);
    for _ in 0..50 {
        assert!(socket.write(&many));
        socket.settle();
    }
    assert_grew_little(&server, before);
    // It is still a message, and can come to an end.
    let end = FrameBytes::new(opcode::CONTINUATION, r#"{"type":"ack"}"#);
    socket.write(&end.bytes());
    let error = socket.receive_error_and_end(1008);
    assert!(error.contains("FF10175"), "{error}");
    wait_until("it to be gone", || connections(&rest) == 0);
}

#[track_caller]
fn assert_grew_little(server: &Server, before: u64) {
    let after = resident_kib(server);
    assert!(
        after < before + GROWTH_KIB_MAX,
        "it grew from {before} KiB to {after} KiB"
    );
}

/// How much memory the server's process has, in KiB.
#[track_caller]
pub(crate) fn resident_kib(server: &Server) -> u64 {
    proc_number(server, "status", "VmRSS:")
}

/// The number behind this key in a file of `/proc` about the server's process, which is the one that was given this data
/// directory.
#[track_caller]
pub(crate) fn proc_number(server: &Server, file: &str, key: &str) -> u64 {
    let data = server.data();
    let data = data.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|process| {
            let arguments = std::fs::read(process.join("cmdline")).unwrap_or_default();
            arguments
                .split(|byte| *byte == 0)
                .any(|it| it == data.as_bytes())
        })
        .find_map(|process| {
            let text = std::fs::read_to_string(process.join(file)).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        })
        .expect("the server's process is listed")
}

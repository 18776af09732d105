//! Who loads the server, without allocating anything while it does?
//!
//! What is sent is made before, and what comes is read into buffers that are there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::thread::JoinHandle;

const ID_BYTES: usize = 36;
/// Frames that are read before they are acknowledged together.
const TOGETHER: usize = 25;
const BUFFER_BYTES: usize = 1 << 20;
/// A message as an application would publish it.
const MESSAGE: &str = concat!(
    r#"{"header":{"topics":["orders"],"tag":"order.placed","author":"did:firefly:org/acme"},"#,
    r#""data":[{"value":{"order":"A-2041-77","lines":[{"sku":"P-100-200","amount":3}]}},{"value":{"gift":false}}]}"#,
    "\n"
);
/// How a client's text frame of an acknowledgement begins: its length fits a byte, and its mask is none.
const ACK_HEAD: [u8; 6] = [0x81, 0x80 | ACK_BYTES as u8, 0, 0, 0, 0];
const ACK_START: &[u8] = br#"{"type":"ack","id":""#;
const ACK_END: &[u8] = br#""}"#;
const ACK_BYTES: usize = ACK_START.len() + ID_BYTES + ACK_END.len();

/// A bulk request that is sent when it is run.
pub(crate) struct Upload {
    count: usize,
    stream: TcpStream,
    answer: Vec<u8>,
    /// Sends while the answer is read.
    sending: JoinHandle<()>,
    go: std::sync::mpsc::SyncSender<()>,
}

impl Upload {
    /// Of so many messages.
    pub(crate) fn new(address: SocketAddr, count: usize) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /api/v1/namespaces/default/messages/bulk HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
            MESSAGE.len() * count
        );
        let request = head + &MESSAGE.repeat(count);
        let mut sender = stream.try_clone().unwrap();
        let (go, gone) = std::sync::mpsc::sync_channel(1);
        let sending = std::thread::spawn(move || {
            gone.recv().unwrap();
            sender.write_all(request.as_bytes()).unwrap();
        });
        Self {
            count,
            stream,
            answer: Vec::with_capacity(count * 1024),
            sending,
            go,
        }
    }

    /// Sends it, and checks that all was stored.
    pub(crate) fn run(mut self) {
        self.go.send(()).unwrap();
        self.stream.read_to_end(&mut self.answer).unwrap();
        self.sending.join().unwrap();
        let field = br#""sequence":"#;
        let stored = self.answer.windows(field.len());
        assert_eq!(stored.filter(|part| part == field).count(), self.count);
    }
}

/// A WebSocket that gets a durable subscription's events, all from the oldest on.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was read and not looked at.
    from: usize,
    to: usize,
    acks: Vec<u8>,
}

/// Makes the subscription, and attaches to it.
pub(crate) fn subscribed(address: SocketAddr, name: &str) -> Socket {
    let body =
        format!(r#"{{"name":"{name}","options":{{"firstEvent":"oldest","readAhead":100}}}}"#);
    let answer = ask(
        address,
        &format!(
            "POST /api/v1/namespaces/default/subscriptions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    Socket::open(address, &format!("/ws?namespace=default&name={name}"))
}

/// A WebSocket on which ephemeral subscriptions are started, each with a filter of its own.
pub(crate) struct Starter {
    socket: Socket,
    frames: Vec<Vec<u8>>,
    started: usize,
}

impl Starter {
    /// Starts subscriptions of these numbers.
    pub(crate) fn new(address: SocketAddr, numbers: Range<usize>) -> Self {
        let socket = Socket::open(address, "/ws");
        let frames = numbers.map(|number| {
            let frame = format!(
                r#"{{"type":"start","namespace":"default","ephemeral":true,"autoack":false,"filter":{{"message":{{"tag":"^tag-{number:08}$"}}}},"options":{{}}}}"#
            );
            let length = u16::try_from(frame.len()).unwrap().to_be_bytes();
            let head = [0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0];
            [&head, frame.as_bytes()].concat()
        });
        Self {
            socket,
            frames: frames.collect(),
            started: 0,
        }
    }

    /// Starts so many of them.
    pub(crate) fn start(&mut self, count: usize) {
        for frame in &self.frames[self.started..][..count] {
            self.socket.stream.write_all(frame).unwrap();
        }
        self.started += count;
    }
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

impl Socket {
    fn open(address: SocketAddr, path: &str) -> Self {
        let mut socket = Socket {
            stream: TcpStream::connect(address).unwrap(),
            buffer: vec![0; BUFFER_BYTES],
            from: 0,
            to: 0,
            acks: Vec::with_capacity(TOGETHER * (ACK_HEAD.len() + ACK_BYTES)),
        };
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.stream.set_nodelay(true).unwrap();
        socket.stream.write_all(upgrade.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.take(1)[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
        socket
    }

    /// Receives and acknowledges so many events.
    pub(crate) fn drain(&mut self, count: usize) {
        for number in 1..=count {
            let length = self.frame_length();
            let frame = self.take(length);
            let id = frame
                .strip_prefix(br#"{"id":""#)
                .and_then(|rest| rest.first_chunk::<ID_BYTES>())
                .unwrap_or_else(|| panic!("not an event: {}", frame.escape_ascii()));
            let id = *id;
            for part in [&ACK_HEAD, ACK_START, &id, ACK_END] {
                self.acks.extend_from_slice(part);
            }
            if number.is_multiple_of(TOGETHER) || number == count {
                self.stream.write_all(&self.acks).unwrap();
                self.acks.clear();
            }
        }
    }

    /// Of the text frame that comes next, whose head is taken.
    fn frame_length(&mut self) -> usize {
        let &[0x81, length] = self.take(2) else {
            panic!("not a text frame");
        };
        match length {
            126 => usize::from(u16::from_be_bytes(self.take(2).try_into().unwrap())),
            127 => panic!("a frame that is too long for this test"),
            length => usize::from(length),
        }
    }

    /// The next bytes.
    fn take(&mut self, count: usize) -> &[u8] {
        if self.buffer.len() - self.from < count {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        while self.to - self.from < count {
            let read = self.stream.read(&mut self.buffer[self.to..]).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.to += read;
        }
        self.from += count;
        &self.buffer[self.from - count..self.from]
    }
}

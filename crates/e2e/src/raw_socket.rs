//! How does a test speak WebSocket byte by byte?
//!
//! No library stands between: what a client must never send is sent here, and what the server sends is read
//! more strictly than by any client, so that each test of a promise is one of the protocol as well.

mod frame;
mod upgrade;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::{Value, json};

pub use frame::{FrameBytes, LengthForm, opcode};
pub use upgrade::{Head, UpgradeRequest};

use crate::waiting::{Deadline, PATIENCE};

/// A TCP connection to the server, which an upgrade may make a WebSocket.
pub struct RawSocket {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// A text frame with one JSON object and a line feed behind it.
    Json(Value),
    /// A ping with its payload.
    Ping(Vec<u8>),
    /// A pong with its payload.
    Pong(Vec<u8>),
    /// A close frame with its code, if it has one.
    Close(Option<u16>, String),
    /// The server has closed its side.
    End,
    /// The connection was cut.
    Reset,
}

impl RawSocket {
    /// A connection on which nothing was said yet.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has this option");
        let patience = Some(PATIENCE);
        stream
            .set_write_timeout(patience)
            .expect("a timeout above zero can be set");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// A WebSocket at this path and query.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str) -> Self {
        let mut socket = Self::connect(address);
        assert!(socket.write(&UpgradeRequest::new(path).bytes()));
        let head = socket.read_head();
        assert_eq!(head.status, 101, "{path}: {head:?}");
        assert_eq!(head.header("sec-websocket-accept"), Some(upgrade::ACCEPT));
        socket
    }

    /// From now on the system takes in little before this end reads it.
    #[track_caller]
    pub fn narrow(&self) {
        let set = rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, 64 << 10);
        set.expect("a socket has this option");
    }

    /// The address of this end.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("it is connected")
    }

    /// Writes these bytes, whatever they are. False if the connection is gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Writes these bytes one by one, each in a TCP segment of its own as far as that is ours to say.
    pub fn write_in_drops(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| {
            std::thread::yield_now();
            self.write(&[*byte])
        })
    }

    /// Sends a text frame.
    pub fn send_text(&mut self, text: &str) -> bool {
        self.write(&FrameBytes::text(text).bytes())
    }

    /// Sends a text frame of JSON.
    pub fn send(&mut self, frame: &Value) -> bool {
        self.send_text(&frame.to_string())
    }

    /// Starts a durable subscription of the default namespace; says nothing about acknowledgements.
    pub fn start(&mut self, name: &str) -> bool {
        self.send(&json!({"type": "start", "namespace": "default", "name": name}))
    }

    /// Acknowledges an event or a batch as FireFly's clients do.
    pub fn ack(&mut self, delivery: &Value) -> bool {
        self.send(
            &json!({"type": "ack", "id": delivery["id"], "subscription": delivery["subscription"]}),
        )
    }

    /// Sends a close frame, and waits for its answer and the end.
    #[track_caller]
    pub fn close(mut self) {
        assert!(self.write(&FrameBytes::close(1000, "").bytes()));
        // What was on its way may come first.
        let answer = loop {
            match self.hear() {
                Heard::Json(_) | Heard::Pong(_) => {}
                other => break other,
            }
        };
        assert_eq!(answer, Heard::Close(Some(1000), String::new()));
        assert_eq!(self.hear(), Heard::End);
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Cuts the connection, as a client does that crashes with the server's words unread.
    #[track_caller]
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))
            .expect("a socket has this option");
    }

    /// Sends a ping and waits for its pong: all that was sent before has been read and acted on. Events that
    /// come meanwhile are no fault and are returned.
    #[track_caller]
    pub fn settle(&mut self) -> Vec<Value> {
        assert!(self.write(&FrameBytes::ping(b"settled?").bytes()));
        let mut events = Vec::new();
        loop {
            match self.hear() {
                Heard::Pong(payload) if payload == b"settled?" => return events,
                Heard::Json(event) if event["type"] != "protocol_error" => events.push(event),
                other => panic!("expected a pong or an event, not {other:?}"),
            }
        }
    }

    /// What comes next, or nothing within that time.
    #[track_caller]
    pub fn hear_within(&mut self, duration: Duration) -> Option<Heard> {
        let deadline = Deadline::after(duration);
        loop {
            if let Some((heard, length)) = frame::read(&self.unread) {
                self.unread.drain(..length);
                return Some(heard);
            }
            match self.fill(deadline)? {
                None => {}
                Some(Heard::End) => {
                    assert!(self.unread.is_empty(), "it ended in a frame");
                    return Some(Heard::End);
                }
                end => return end,
            }
        }
    }

    /// What comes next, whatever it is.
    #[track_caller]
    pub fn hear(&mut self) -> Heard {
        self.hear_within(PATIENCE)
            .unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}"))
    }

    /// The next frame, which must be JSON and no error.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        match self.hear() {
            Heard::Json(frame) if frame["type"] != "protocol_error" => frame,
            other => panic!("expected an event, not {other:?}"),
        }
    }

    /// The next frame, which must be an event of this topic.
    #[track_caller]
    pub fn receive_topic(&mut self, topic: &str) -> Value {
        let event = self.receive();
        assert_eq!(event["topic"], topic, "{event}");
        event
    }

    /// Receives an event for each of these topics, in this order, and acknowledges each.
    #[track_caller]
    pub fn receive_and_ack<'a>(&mut self, topics: impl IntoIterator<Item = &'a str>) {
        for topic in topics {
            let event = self.receive_topic(topic);
            assert!(self.ack(&event), "the connection is gone at {event}");
        }
    }

    /// The text of the next frame, which must be an error and nothing else.
    #[track_caller]
    pub fn receive_error(&mut self) -> String {
        match self.hear() {
            Heard::Json(frame) if frame["type"] == "protocol_error" => {
                assert_eq!(frame.as_object().map(|keys| keys.len()), Some(2), "{frame}");
                let text = frame["error"].as_str();
                text.unwrap_or_else(|| panic!("{frame}")).to_owned()
            }
            other => panic!("expected a protocol_error, not {other:?}"),
        }
    }

    /// The text of the next frame, which must be an error, and then the end with this close code.
    #[track_caller]
    pub fn receive_error_and_end(&mut self, code: u16) -> String {
        let error = self.receive_error();
        self.expect_end(code);
        error
    }

    /// A close frame with this code, and then the end.
    #[track_caller]
    pub fn expect_end(&mut self, code: u16) {
        match self.hear() {
            Heard::Close(Some(said), _) if said == code => {}
            other => panic!("expected to be closed with {code}, not {other:?}"),
        }
        assert_eq!(self.hear(), Heard::End);
    }

    /// Reads the head of an HTTP answer, and its body if it is none that switches protocols.
    #[track_caller]
    pub fn read_head(&mut self) -> Head {
        let deadline = Deadline::after(PATIENCE);
        loop {
            if let Some((head, length)) = upgrade::read(&self.unread) {
                self.unread.drain(..length);
                return head;
            }
            match self.fill(deadline) {
                Some(None) => {}
                other => panic!(
                    "expected an answer, not {other:?} after {:?}",
                    String::from_utf8_lossy(&self.unread)
                ),
            }
        }
    }

    /// Reads what is there. Nothing if the time is over; else the end, if that is what was read.
    fn fill(&mut self, deadline: Deadline) -> Option<Option<Heard>> {
        let remaining = deadline.remaining()?;
        let timeout = self.stream.set_read_timeout(Some(remaining));
        timeout.expect("a timeout above zero can be set");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Some(Some(Heard::End)),
            Ok(length) => {
                self.unread.extend_from_slice(&chunk[..length]);
                Some(None)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                Some(None)
            }
            Err(_) => Some(Some(Heard::Reset)),
        }
    }
}

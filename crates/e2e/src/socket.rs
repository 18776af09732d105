//! How does a test speak to the server over a WebSocket, rightly or wrongly?

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, Message, WebSocket};

use crate::waiting::{Deadline, PATIENCE};

/// One WebSocket connection.
pub struct Socket(WebSocket<TcpStream>);

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// A text frame with a JSON object.
    Json(Value),
    /// The answer to a ping, with its payload.
    Pong(Vec<u8>),
    /// The connection has ended, properly or not.
    Closed,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Refused {
    /// The server answered the upgrade with this HTTP status.
    Status(u16),
    /// There was no answer.
    Unreachable(String),
}

impl Socket {
    /// Connects to this path and query.
    pub fn open(address: SocketAddr, path: &str) -> Result<Self, Refused> {
        let unreachable = |error: &dyn std::fmt::Display| Refused::Unreachable(error.to_string());
        let stream = TcpStream::connect(address).map_err(|error| unreachable(&error))?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|error| unreachable(&error))?;
        match tungstenite::client(format!("ws://{address}{path}"), stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                Err(Refused::Status(response.status().as_u16()))
            }
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Sends one frame of JSON. False if the connection is gone.
    pub fn send(&mut self, frame: Value) -> bool {
        self.send_text(&frame.to_string())
    }

    /// Sends one text frame, JSON or not. False if the connection is gone.
    pub fn send_text(&mut self, text: &str) -> bool {
        self.0.send(Message::text(text)).is_ok()
    }

    /// Sends a ping with this payload.
    pub fn ping(&mut self, payload: &'static [u8]) -> bool {
        self.0.send(Message::Ping(payload.into())).is_ok()
    }

    /// Writes bytes that need not be a frame.
    pub fn write_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.get_mut().write_all(bytes).is_ok()
    }

    /// Starts a durable subscription of the default namespace, with acknowledgements.
    pub fn start(&mut self, name: &str) -> bool {
        self.send(json!({"type": "start", "autoack": false, "namespace": "default", "name": name}))
    }

    /// Acknowledges an event or a batch as FireFly's clients do.
    pub fn ack(&mut self, delivery: &Value) -> bool {
        self.send(json!({
            "type": "ack",
            "id": delivery["id"],
            "subscription": delivery["subscription"],
        }))
    }

    /// The next frame, or nothing within that time.
    pub fn next_within(&mut self, duration: Duration) -> Option<Frame> {
        let deadline = Deadline::after(duration);
        loop {
            let remaining = deadline.remaining()?;
            let timeout = self.0.get_ref().set_read_timeout(Some(remaining));
            timeout.expect("a timeout above zero can be set");
            match self.0.read() {
                Ok(Message::Text(text)) => {
                    let json = serde_json::from_str(&text);
                    return Some(Frame::Json(json.unwrap_or_else(|error| {
                        panic!("the server sent what is no JSON ({error}): {text}")
                    })));
                }
                Ok(Message::Pong(payload)) => return Some(Frame::Pong(payload.to_vec())),
                // The answer to it goes out with the next call.
                Ok(Message::Ping(_)) => {}
                Ok(Message::Close(_)) => return Some(Frame::Closed),
                Ok(other) => panic!("the server sent {other:?}"),
                Err(Error::Io(error))
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => return Some(Frame::Closed),
            }
        }
    }

    /// The next frame, whatever it is.
    #[track_caller]
    pub fn next_frame(&mut self) -> Frame {
        self.next_within(PATIENCE)
            .unwrap_or_else(|| panic!("nothing came within {PATIENCE:?}"))
    }

    /// The next frame, which must be JSON and no error.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        match self.next_frame() {
            Frame::Json(frame) if frame["type"] != "protocol_error" => frame,
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

    /// The text of the next frame, which must be an error.
    #[track_caller]
    pub fn receive_error(&mut self) -> String {
        match self.next_frame() {
            Frame::Json(frame) if frame["type"] == "protocol_error" => frame["error"]
                .as_str()
                .unwrap_or_else(|| panic!("no text in {frame}"))
                .to_owned(),
            other => panic!("expected a protocol_error, not {other:?}"),
        }
    }

    /// As [`Socket::receive_error`], then the end of the connection.
    #[track_caller]
    pub fn receive_error_and_end(&mut self) -> String {
        let error = self.receive_error();
        self.expect_end();
        error
    }

    /// The end of the connection. One event that was on its way may come first.
    #[track_caller]
    pub fn expect_end(&mut self) {
        for _ in 0..2 {
            if self.next_frame() == Frame::Closed {
                return;
            }
        }
        panic!("the connection goes on");
    }
}

//! What does a receiver do with a request, well or badly?

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::Value;

/// An answer that is not over.
const BEGUN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nand then";

/// What is done with a request.
#[derive(Clone, Debug)]
pub struct Reaction {
    how: How,
    after: Duration,
}

#[derive(Clone, Debug)]
enum How {
    /// Answered as HTTP says.
    Said {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// These bytes, and then the end of the connection.
    Bytes(Vec<u8>),
    /// The connection is cut with a reset.
    Reset,
    /// These bytes, and then nothing until the other end gives up.
    Stuck(Vec<u8>),
}

impl Reaction {
    /// An answer with this status and an empty body.
    pub fn status(status: u16) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self::new(How::Said {
            status,
            headers,
            body,
        })
    }

    /// An answer with a value.
    pub fn json(status: u16, value: &Value) -> Self {
        let answer = Self::status(status).with("content-type", "application/json");
        answer.body(value.to_string())
    }

    /// These bytes in place of an answer, and then the end of the connection.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(How::Bytes(bytes.into()))
    }

    /// The head of a good answer, and less than half of its body.
    pub fn truncated() -> Self {
        Self::bytes(BEGUN)
    }

    /// Something else than HTTP.
    pub fn garbage() -> Self {
        Self::bytes("SSH-2.0-OpenSSH_9.2\r\n")
    }

    /// The connection is cut with a reset.
    pub fn reset() -> Self {
        Self::new(How::Reset)
    }

    /// Nothing, until the other end gives up.
    pub fn silence() -> Self {
        Self::new(How::Stuck(Vec::new()))
    }

    /// The head of a good answer and a part of its body, and then nothing until the other end gives up.
    pub fn stuck() -> Self {
        Self::new(How::Stuck(BEGUN.into()))
    }

    fn new(how: How) -> Self {
        let after = Duration::ZERO;
        Self { how, after }
    }

    /// With this header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let How::Said { headers, .. } = &mut self.how {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let How::Said { body, .. } = &mut self.how {
            *body = bytes.into();
        }
        self
    }

    /// Not before this time has passed: a receiver that is slow.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    pub(super) fn is_well(&self) -> bool {
        matches!(
            self.how,
            How::Said {
                status: 200..300,
                ..
            }
        )
    }

    /// What a slow receiver does first.
    pub(super) fn wait(&self) {
        if !self.after.is_zero() {
            std::thread::sleep(self.after);
        }
    }

    /// Writes the head of what HTTP says. False if the connection is of no use any more.
    pub(super) fn begin(&self, stream: &mut impl Write) -> bool {
        let How::Said {
            status,
            headers,
            body,
        } = &self.how
        else {
            return true;
        };
        let mut head = format!("HTTP/1.1 {status} Said\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if *status != 204 {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        written(stream, head.as_bytes())
    }

    /// Does the rest. False if the connection is of no use any more. `raw` is the one below what may be TLS.
    pub(super) fn end(&self, stream: &mut (impl Read + Write), raw: &TcpStream) -> bool {
        match &self.how {
            How::Said { body, .. } => body.is_empty() || written(stream, body),
            How::Bytes(bytes) => {
                written(stream, bytes);
                false
            }
            How::Reset => {
                // Whatever is closed so says no goodbye.
                let _ = set_socket_linger(raw, Some(Duration::ZERO));
                false
            }
            How::Stuck(bytes) => {
                let _ = written(stream, bytes) && stream.read(&mut [0]).is_ok();
                false
            }
        }
    }
}

fn written(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok() && stream.flush().is_ok()
}

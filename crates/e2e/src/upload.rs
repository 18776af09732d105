//! How does a test upload many messages, with a hand on every byte?

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use crate::waiting::PATIENCE;

/// A request of `messages/bulk` in the default namespace, on a connection of its own.
pub struct Upload {
    stream: TcpStream,
    chunked: bool,
    answer: UploadAnswer,
}

/// What comes back. It can be read while somebody else writes.
pub struct UploadAnswer {
    stream: TcpStream,
    unread: Vec<u8>,
    /// What is left of the chunk that is being read.
    chunk: usize,
    text: Vec<u8>,
    ended: bool,
}

impl Upload {
    /// An upload whose length nobody knows before.
    #[track_caller]
    pub fn chunked(address: SocketAddr) -> Self {
        Self::with(address, "Transfer-Encoding: chunked\r\n", true)
    }

    /// An upload of so many bytes.
    #[track_caller]
    pub fn sized(address: SocketAddr, bytes: usize) -> Self {
        Self::with(address, &format!("Content-Length: {bytes}\r\n"), false)
    }

    /// An upload with these further headers.
    #[track_caller]
    pub fn with(address: SocketAddr, headers: &str, chunked: bool) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has this option");
        let patience = Some(PATIENCE);
        let timeouts = stream
            .set_write_timeout(patience)
            .and_then(|()| stream.set_read_timeout(patience));
        timeouts.expect("a timeout above zero can be set");
        let head = format!(
            "POST /api/v1/messages/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n{headers}\r\n"
        );
        let answer = UploadAnswer {
            stream: stream.try_clone().expect("a socket can be shared"),
            unread: Vec::new(),
            chunk: 0,
            text: Vec::new(),
            ended: false,
        };
        let mut upload = Self {
            stream,
            chunked,
            answer,
        };
        assert!(upload.write(head.as_bytes()));
        upload
    }

    /// Writes these bytes, whatever they are. False if the connection is gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a part of the body.
    pub fn send(&mut self, text: &str) -> bool {
        if !self.chunked {
            return self.write(text.as_bytes());
        }
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.write(chunk.as_bytes())
    }

    /// Ends the body.
    pub fn finish(&mut self) -> bool {
        !self.chunked || self.write(b"0\r\n\r\n")
    }

    /// Closes the connection as it is.
    pub fn hang_up(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// What comes back.
    pub fn answer(&mut self) -> &mut UploadAnswer {
        &mut self.answer
    }

    /// The writer's end and the reader's, for two threads.
    pub fn split(self) -> (Self, UploadAnswer) {
        let spare = UploadAnswer {
            stream: self.stream.try_clone().expect("a socket can be shared"),
            unread: Vec::new(),
            chunk: 0,
            text: Vec::new(),
            ended: true,
        };
        let Self {
            stream,
            chunked,
            answer,
        } = self;
        let writer = Self {
            stream,
            chunked,
            answer: spare,
        };
        (writer, answer)
    }

    /// Sends all of this, and only then reads.
    #[track_caller]
    pub fn all(mut self, text: &str) -> Vec<Value> {
        assert!(self.send(text) && self.finish(), "it can be written");
        self.answer.head(200);
        self.answer.rest()
    }
}

impl UploadAnswer {
    /// The head of the answer, which must have this status. A `100 Continue` is read as a head of its own.
    #[track_caller]
    pub fn head(&mut self, status: u16) -> String {
        let end = loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => assert!(self.fill(), "it ended in its head"),
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).expect("a head is text");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        head
    }

    /// The status of the answer, if it comes.
    pub fn status(&mut self) -> Option<u16> {
        while !self.unread.windows(4).any(|four| four == b"\r\n\r\n") {
            if !self.fill() {
                return None;
            }
        }
        str::from_utf8(self.unread.get(9..12)?).ok()?.parse().ok()
    }

    /// The answer to the next line; nothing when the answer is over, which must be said.
    #[track_caller]
    pub fn line(&mut self) -> Option<Value> {
        self.try_line().expect("the answer ends as it should")
    }

    /// As [`UploadAnswer::line`]; an error if the connection ends before the answer does.
    pub fn try_line(&mut self) -> Result<Option<Value>, ErrorKind> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                let line = serde_json::from_slice(&line).expect("a line is JSON");
                return Ok(Some(line));
            }
            if self.ended {
                assert!(self.text.is_empty(), "the last line has an end");
                return Ok(None);
            }
            self.decode()?;
        }
    }

    /// The answers to all further lines.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.line()).collect()
    }

    /// Takes more of the text out of the chunks.
    fn decode(&mut self) -> Result<(), ErrorKind> {
        if self.chunk == 0 {
            let size = loop {
                let end = self.unread.windows(2).position(|two| two == b"\r\n");
                match end {
                    // Behind each chunk there is an empty line.
                    Some(0) => drop(self.unread.drain(..2)),
                    Some(end) => {
                        let size: Vec<u8> = self.unread.drain(..end + 2).collect();
                        let size = str::from_utf8(&size[..end]).expect("a size is text");
                        break usize::from_str_radix(size, 16).expect("a size is a number");
                    }
                    None if !self.fill() => return Err(ErrorKind::UnexpectedEof),
                    None => {}
                }
            };
            if size == 0 {
                while self.unread.len() < 2 {
                    if !self.fill() {
                        return Err(ErrorKind::UnexpectedEof);
                    }
                }
                self.unread.drain(..2);
                self.ended = true;
                return Ok(());
            }
            self.chunk = size;
        }
        if self.unread.is_empty() && !self.fill() {
            return Err(ErrorKind::UnexpectedEof);
        }
        let length = self.chunk.min(self.unread.len());
        self.text.extend(self.unread.drain(..length));
        self.chunk -= length;
        Ok(())
    }

    fn fill(&mut self) -> bool {
        let mut piece = [0; 64 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&piece[..length]);
                true
            }
        }
    }
}

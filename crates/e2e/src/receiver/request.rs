//! What does a receiver get?

use std::io::{self, BufRead};
use std::time::Instant;

use serde_json::Value;

use crate::waiting::now;

/// A request, as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// Of the connection on which it came, from 0 on.
    pub connection: usize,
    /// Its first line.
    pub line: String,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
    /// When it was read.
    pub at: Instant,
}

impl Request {
    /// An error at the end of the stream, and where no request begins.
    pub(super) fn read(stream: &mut impl BufRead, connection: usize) -> io::Result<Self> {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            match line.split_once(':') {
                Some((name, value)) => {
                    headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                }
                None => break,
            }
        }
        let mut request = Self {
            connection,
            line,
            headers,
            body: Vec::new(),
            at: now(),
        };
        let length = request.header("content-length");
        let length = length.and_then(|length| length.parse().ok());
        request.body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut request.body)?;
        Ok(request)
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// What `Rest::broadcast` has published as the value; empty for another body.
    pub fn topic(&self) -> String {
        let value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        value["topic"].as_str().unwrap_or_default().to_owned()
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

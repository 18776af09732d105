//! How does a test ask for an upgrade, rightly or wrongly?

use serde_json::Value;

/// The key of the example in RFC 6455, and the hash that answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// See [`KEY`].
pub(super) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request, line by line.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    line: String,
    headers: Vec<(String, String)>,
}

/// The head of an answer, with its body.
#[derive(Debug)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl UpgradeRequest {
    /// As a client should ask.
    pub fn new(path: &str) -> Self {
        let headers = [
            ("Host", "localhost"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ];
        Self {
            line: format!("GET {path} HTTP/1.1"),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    /// With another first line.
    pub fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    /// Without this header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With one more header.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this header instead of the one of the same name.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{}\r\n{headers}\r\n", self.line).into_bytes()
    }
}

impl Head {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "'{name}' twice in {self:?}");
        value
    }

    /// The text of an error body.
    #[track_caller]
    pub fn error(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"));
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) if body["error"].is_string() => body["error"].as_str().map(str::to_owned),
            _ => None,
        }
        .unwrap_or_else(|| panic!("no error text: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Reads an answer, and says how long it was. Nothing if it is not complete.
pub(super) fn read(bytes: &[u8]) -> Option<(Head, usize)> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("no status line: {line}"));
    let headers: Vec<(String, String)> = lines
        .map(|line| match line.split_once(':') {
            Some((name, value)) => (name.to_ascii_lowercase(), value.trim().to_owned()),
            None => panic!("no header: {line}"),
        })
        .collect();
    let mut head = Head {
        status,
        headers,
        body: Vec::new(),
    };
    let start = end + 4;
    let length = match head.header("content-length") {
        Some(length) => length.parse().expect("a length is a number"),
        None => 0,
    };
    head.body = bytes.get(start..start + length)?.to_vec();
    Some((head, start + length))
}

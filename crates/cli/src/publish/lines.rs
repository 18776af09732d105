//! How are lines read, however long the input is?

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::Failure;

/// Largest line, in bytes. The server has a limit of its own, and says so.
const LINE_BYTES_MAX: usize = 64 << 20;
/// How much is read at once.
const PIECE_BYTES: usize = 256 << 10;

/// The lines of a file, or of standard input.
pub(crate) struct Lines {
    source: Box<dyn AsyncRead + Unpin>,
    buffer: Vec<u8>,
    /// What of the buffer was given out.
    given: usize,
    /// How far the buffer has been searched for the end of a line.
    searched: usize,
    at_end: bool,
    /// The rest of a line that was too long is left out.
    skipping: bool,
    number: u64,
    bytes: u64,
    /// The length of the input, where it is known.
    pub(crate) length: Option<u64>,
}

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1; blank lines count.
    pub(crate) number: u64,
    /// Without its end, or why it cannot be published.
    pub(crate) text: Result<String, String>,
}

impl Lines {
    /// Opens a file; `-` is standard input.
    pub(crate) async fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == super::STDIN {
            return Ok(Self::new(Box::new(tokio::io::stdin()), None));
        }
        let cannot = |error: std::io::Error| {
            Failure::failed(format!("cannot read {}: {error}", path.display()))
        };
        let file = tokio::fs::File::open(path).await.map_err(cannot)?;
        let metadata = file.metadata().await.map_err(cannot)?;
        if metadata.is_dir() {
            return Err(Failure::failed(format!(
                "{} is a directory",
                path.display()
            )));
        }
        let length = metadata.is_file().then_some(metadata.len());
        Ok(Self::new(Box::new(file), length))
    }

    fn new(source: Box<dyn AsyncRead + Unpin>, length: Option<u64>) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            given: 0,
            searched: 0,
            at_end: false,
            skipping: false,
            number: 0,
            bytes: 0,
            length,
        }
    }

    /// The number of the last line that was given out or left out.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How much of the input was given out.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; nothing at the end. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            if let Some(line) = self.ready() {
                return Ok(Some(line));
            }
            if self.at_end {
                return Ok(None);
            }
            self.buffer.drain(..self.given);
            self.searched -= self.given;
            self.given = 0;
            self.buffer.reserve(PIECE_BYTES);
            let read = self.source.read_buf(&mut self.buffer).await;
            let read = read.map_err(|error| Failure::failed(format!("cannot read on: {error}")))?;
            self.at_end = read == 0;
        }
    }

    /// The next line, if it has been read already.
    pub(crate) fn ready(&mut self) -> Option<Line> {
        loop {
            let unread = &self.buffer[self.given..];
            let from = self.searched - self.given;
            let end = unread[from..].iter().position(|byte| *byte == b'\n');
            let (length, after) = match end {
                Some(end) => (from + end, from + end + 1),
                None if self.at_end && !unread.is_empty() => (unread.len(), unread.len()),
                None => {
                    self.searched = self.buffer.len();
                    if unread.len() <= LINE_BYTES_MAX {
                        return None;
                    }
                    // It is known to be too long, so its beginning is not kept.
                    let length = unread.len();
                    self.take(length);
                    if !std::mem::replace(&mut self.skipping, true) {
                        self.number += 1;
                        return Some(too_long(self.number));
                    }
                    return None;
                }
            };
            let line = &unread[..length];
            let line = match self.number {
                // What Windows puts before a text is no part of it.
                0 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
                _ => line,
            };
            let text = text(line);
            self.take(after);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.number += 1;
            match text {
                Ok(text) if text.trim_ascii().is_empty() => {}
                Ok(text) if text.len() > LINE_BYTES_MAX => return Some(too_long(self.number)),
                text => {
                    return Some(Line {
                        number: self.number,
                        text,
                    });
                }
            }
        }
    }

    fn take(&mut self, length: usize) {
        self.given += length;
        self.searched = self.given;
        self.bytes += length as u64;
    }
}

fn text(line: &[u8]) -> Result<String, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to() + 1))?;
    Ok(text.to_owned())
}

fn too_long(number: u64) -> Line {
    Line {
        number,
        text: Err(format!("longer than {LINE_BYTES_MAX} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl AsyncRead for Slow {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            let length = self.1.min(self.0.len());
            let piece: Vec<u8> = self.0.drain(..length).collect();
            buffer.put_slice(&piece);
            std::task::Poll::Ready(Ok(()))
        }
    }

    async fn all(input: &[u8], piece: usize) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines::new(Box::new(Slow(input.to_vec(), piece)), None);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push((line.number, line.text));
        }
        assert_eq!(lines.bytes(), input.len() as u64);
        found
    }

    #[tokio::test]
    async fn lines_are_numbered_as_an_editor_does() {
        for (input, expected) in [
            ("", &[][..]),
            ("a", &[(1, "a")]),
            ("a\n", &[(1, "a")]),
            ("a\r\n\r\n \t\nb c \n\n", &[(1, "a"), (4, "b c ")]),
            ("ä\n世界", &[(1, "ä"), (2, "世界")]),
            ("\u{feff}a\r\n\u{feff}b\r\n", &[(1, "a"), (2, "\u{feff}b")]),
        ] {
            for piece in 1..=input.len().max(1) {
                let found = all(input.as_bytes(), piece).await;
                let expected: Vec<_> = expected
                    .iter()
                    .map(|(number, text)| (*number, Ok((*text).to_owned())))
                    .collect();
                assert_eq!(found, expected, "{input:?} by {piece}");
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_published_has_a_number_too() {
        let found = all(b"a\n\xff\nb\n", 2).await;
        assert_eq!(found[1], (2, Err("not UTF-8 at byte 1".to_owned())));
        assert_eq!(found[2], (3, Ok("b".to_owned())));

        let mut input = vec![b'x'; LINE_BYTES_MAX + PIECE_BYTES * 3];
        input.extend(b"\nb\n");
        let found = all(&input, PIECE_BYTES).await;
        assert_eq!(found.len(), 2);
        assert!(found[0].1.is_err());
        assert_eq!(found[1], (2, Ok("b".to_owned())));
    }
}

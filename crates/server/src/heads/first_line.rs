//! Which bytes are those of a URL, and which of them are escaped?

use memchr::{memchr, memchr2, memchr3};

use super::conversation::Conversation;

/// Most bytes of a first line that are escaped. The parser takes no URL above 64 KiB, so one that is longer is refused
/// as it is.
const LINE_BYTES_MAX: usize = 72 << 10;

/// Follows what is read from one head to the next.
#[derive(Debug)]
pub(super) struct FirstLine {
    place: Place,
    /// The last bytes of all.
    last: [u8; 4],
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the first line of a head, or before it; `length` bytes of it are passed on.
    Line { length: usize, is_url: bool },
    /// In the headers; nothing was read of the current line, if it `is_blank`.
    Headers { is_blank: bool },
    /// So many bytes behind the head: in the body, or in what nobody has understood yet.
    Behind(u64),
}

const START: Place = Place::Line {
    length: 0,
    is_url: false,
};

impl FirstLine {
    pub(super) fn new() -> Self {
        Self {
            place: START,
            last: [0; 4],
        }
    }

    /// Whether what is read next begins a head, from which on this is followed again.
    pub(super) fn begins(&mut self, conversation: &Conversation) -> bool {
        let begins = match self.place {
            Place::Behind(bytes) => conversation.expects_head(bytes, self.last),
            _ => false,
        };
        if begins {
            conversation.begin();
            self.place = START;
        }
        begins
    }

    /// Follows what was read, and says what it becomes if anything is to be escaped.
    pub(super) fn pass(&mut self, read: &[u8]) -> Option<Vec<u8>> {
        let mut changed = None;
        let mut from = 0;
        if let Place::Line { length, is_url } = self.place {
            if length == 0 {
                // Empty lines may stand before it.
                let is_empty = |byte: &u8| matches!(byte, b'\r' | b'\n');
                from = read.iter().take_while(|byte| is_empty(byte)).count();
            }
            let end = memchr(b'\n', &read[from..]).map(|end| from + end);
            let line = from..end.unwrap_or(read.len());
            let url = match is_url {
                true => Some(line.start),
                false => memchr(b' ', &read[line.clone()]).map(|space| line.start + space + 1),
            };
            let url = url.map(|start| start..line.end);
            if let Some(url) = url.clone().filter(|url| has_raw(&read[url.clone()])) {
                changed = Some(escape(read, url, length));
            }
            let growth = changed
                .as_ref()
                .map_or(0, |changed| changed.len() - read.len());
            self.place = match end {
                Some(_) => Place::Headers { is_blank: true },
                None => Place::Line {
                    length: length.saturating_add(line.len() + growth),
                    is_url: url.is_some(),
                },
            };
            from = end.map_or(read.len(), |end| end + 1);
        }
        if let Place::Headers { is_blank } = self.place {
            self.place = behind_headers(is_blank, &read[from..]);
        } else if let Place::Behind(bytes) = &mut self.place {
            *bytes = bytes.saturating_add(read.len() as u64);
        }
        for &byte in &read[read.len().saturating_sub(4)..] {
            self.last.rotate_left(1);
            self.last[3] = byte;
        }
        changed
    }
}

/// Where it is behind these bytes of headers: they end with an empty line.
fn behind_headers(mut is_blank: bool, read: &[u8]) -> Place {
    let mut rest = read;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if is_blank && matches!(line, b"" | b"\r") {
            return Place::Behind(rest.len() as u64);
        }
        is_blank = true;
    }
    is_blank &= matches!(rest, b"" | b"\r");
    Place::Headers { is_blank }
}

/// Whether a byte is escaped: HTTP does not have it there, or what follows it is not sent.
pub(super) fn is_raw(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | b'`' | b'#' | 0x80..)
}

/// Whether there is such a byte.
fn has_raw(url: &[u8]) -> bool {
    memchr3(b'<', b'>', b'"', url).is_some()
        || memchr2(b'`', b'#', url).is_some()
        || !url.is_ascii()
}

/// What was read, with the URL escaped, before which the line has so many bytes.
fn escape(read: &[u8], url: std::ops::Range<usize>, length: usize) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = Vec::with_capacity(read.len() + 64);
    escaped.extend_from_slice(&read[..url.start]);
    for &byte in &read[url.clone()] {
        if is_raw(byte) && length + escaped.len() < LINE_BYTES_MAX {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            escaped.extend([b'%', high, low]);
        } else {
            escaped.push(byte);
        }
    }
    escaped.extend_from_slice(&read[url.end..]);
    escaped
}

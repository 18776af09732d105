//! What does a form with a file say?
//!
//! `multipart/form-data`, read as it arrives: a part's head is in memory while it is read, its content only as much as
//! came at once.

use axum::body::Bytes;
use memchr::memmem;

use crate::percent::decode;

/// Largest head of a part, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Most characters of a boundary (RFC 2046).
const BOUNDARY_MAX: usize = 70;

/// Cuts a stream of bytes into the parts of a form.
pub(crate) struct Multipart {
    /// What ends a part: a line break, two hyphens and the boundary.
    delimiter: memmem::Finder<'static>,
    unread: Vec<u8>,
    /// How much of that is taken.
    taken: usize,
    /// How much of that was looked through in vain.
    searched: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before the first part.
    Preamble,
    /// After a delimiter.
    Delimited,
    Head,
    Content,
    /// After the last part.
    End,
}

/// What comes next in a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part begins.
    Part(Part),
    /// More of its content.
    Content(Bytes),
    /// There are no more parts.
    End,
}

/// The head of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The name of the field; empty if it has none.
    pub(crate) name: String,
    /// The name of the file without its folders, if the part is one.
    pub(crate) filename: Option<String>,
    /// The type of its content.
    pub(crate) content_type: Option<String>,
}

/// Why it is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Multipart {
    /// A form of this content type.
    pub(crate) fn new(content_type: &str) -> Result<Self, Malformed> {
        let (_, mut parameters) = parameters(content_type);
        let boundary = parameters.find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
        let boundary = boundary.map(|(_, value)| value).unwrap_or_default();
        if boundary.is_empty() || boundary.len() > BOUNDARY_MAX {
            return Err(Malformed("the content type has no usable boundary"));
        }
        let delimiter = format!("\r\n--{boundary}");
        Ok(Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            // The first delimiter needs no line break before it.
            unread: b"\r\n".to_vec(),
            taken: 0,
            searched: 0,
            state: State::Preamble,
        })
    }

    /// Takes what was read. To be called when [`next`](Self::next) has nothing more.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.drain(..self.taken);
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
        self.unread.extend_from_slice(bytes);
    }

    /// What comes next, if enough is there to tell.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        loop {
            let unread = self.unread.get(self.taken..).unwrap_or_default();
            match self.state {
                State::Preamble => match self.delimiter.find(unread) {
                    Some(at) => self.pass(at + self.delimiter.needle().len(), State::Delimited),
                    None => {
                        let kept = unread.len().min(self.delimiter.needle().len() - 1);
                        self.taken = self.unread.len() - kept;
                        return Ok(None);
                    }
                },
                State::Delimited => {
                    if unread.starts_with(b"--") {
                        self.pass(2, State::End);
                        continue;
                    }
                    let blanks = unread
                        .iter()
                        .take_while(|byte| matches!(byte, b' ' | b'\t'));
                    let blanks = blanks.count();
                    match &unread[blanks..] {
                        [b'\r', b'\n', ..] => self.pass(blanks + 2, State::Head),
                        [] | [b'\r'] if blanks < HEAD_BYTES_MAX => return Ok(None),
                        [b'-'] if blanks == 0 => return Ok(None),
                        _ => return Err(Malformed("a boundary does not end its line")),
                    }
                }
                State::Head => {
                    // A head without a line is one line break.
                    let end = match unread {
                        [b'\r', b'\n', ..] => Some((0, 2)),
                        _ => {
                            let from = self.searched.max(self.taken) - self.taken;
                            let from = from.saturating_sub(3).min(unread.len());
                            let found = memmem::find(&unread[from..], b"\r\n\r\n");
                            found.map(|at| (from + at, 4))
                        }
                    };
                    if end.map_or(unread.len(), |(end, _)| end) > HEAD_BYTES_MAX {
                        return Err(Malformed("the head of a part is too large"));
                    }
                    let Some((end, pause)) = end else {
                        self.searched = self.unread.len();
                        return Ok(None);
                    };
                    let part = head(&unread[..end]);
                    self.pass(end + pause, State::Content);
                    return Ok(Some(Piece::Part(part)));
                }
                State::Content => {
                    let needle = self.delimiter.needle();
                    let (length, is_whole) = match self.delimiter.find(unread) {
                        Some(at) => (at, true),
                        None => (unread.len().saturating_sub(needle.len() - 1), false),
                    };
                    if length > 0 {
                        let content = Bytes::copy_from_slice(&unread[..length]);
                        self.pass(length, State::Content);
                        return Ok(Some(Piece::Content(content)));
                    }
                    if !is_whole {
                        return Ok(None);
                    }
                    self.pass(needle.len(), State::Delimited);
                }
                State::End => return Ok(Some(Piece::End)),
            }
        }
    }

    fn pass(&mut self, bytes: usize, state: State) {
        self.taken += bytes;
        self.state = state;
    }
}

/// The head of a part, of its lines.
fn head(lines: &[u8]) -> Part {
    let lines = String::from_utf8_lossy(lines);
    let mut part = Part::default();
    for line in lines.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.trim().eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.to_owned()).filter(|kind| !kind.is_empty());
        } else if name.trim().eq_ignore_ascii_case("content-disposition") {
            let (kind, parameters) = parameters(value);
            let is_field = kind.eq_ignore_ascii_case("form-data");
            let (mut plain, mut extended) = (None, None);
            for (name, value) in parameters {
                match name.to_ascii_lowercase().as_str() {
                    "name" if is_field => part.name = value,
                    "filename" => plain = Some(value),
                    "filename*" => extended = decoded(&value),
                    _ => {}
                }
            }
            let filename = extended.or(plain).filter(|name| !name.is_empty());
            part.filename = filename.map(|name| last_of(&name).to_owned());
        }
    }
    part
}

/// The last part of a path.
fn last_of(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None => "/",
        Some(last) => last,
    }
}

/// An extended value: a character set, a language and percent escapes (RFC 5987).
fn decoded(value: &str) -> Option<String> {
    let (set, rest) = value.split_once('\'')?;
    let (_, escaped) = rest.split_once('\'')?;
    let is_known = ["utf-8", "us-ascii"];
    let is_known = is_known.iter().any(|known| set.eq_ignore_ascii_case(known));
    let bytes = decode(escaped, false).filter(|_| is_known)?;
    String::from_utf8(bytes).ok()
}

/// What stands before the first `;` of a header's value, and its parameters.
fn parameters(value: &str) -> (&str, impl Iterator<Item = (&str, String)>) {
    let (kind, mut rest) = value.split_once(';').unwrap_or((value, ""));
    let parameters = std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([';', ' ', '\t']);
            if rest.is_empty() {
                return None;
            }
            let name_end = rest.find(['=', ';']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            let Some(after) = after.strip_prefix('=') else {
                // A name without a value says nothing.
                rest = after;
                continue;
            };
            let (value, left) = match after.trim_start().strip_prefix('"') {
                Some(quoted) => unquoted(quoted),
                None => {
                    let end = after.find(';').unwrap_or(after.len());
                    (after[..end].trim().to_owned(), &after[end..])
                }
            };
            rest = left;
            return Some((name.trim(), value));
        }
    });
    (kind.trim(), parameters)
}

/// A quoted text up to its end, and what follows. A backslash stands for itself, unless a quote or another one comes
/// after it: browsers send the paths of Windows as they are.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, next)) => value.push(next),
                None => value.push('\\'),
            },
            character => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests;

//! Where does a line begin and end?

use axum::body::Bytes;

/// Cuts a stream of bytes into lines, and keeps no more of it than one line.
pub(crate) struct Lines {
    bytes_max: usize,
    /// What was read and is not cut yet.
    unread: Bytes,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
    /// The line was too long, and its end is not there yet.
    skipping: bool,
    number: u64,
}

/// A line that is not blank, or too long to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1; blank lines count.
    pub(crate) number: u64,
    /// Without its end; `None` if it was too long.
    pub(crate) text: Option<Bytes>,
}

impl Lines {
    /// Lines of at most so many bytes, without their ends.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            unread: Bytes::new(),
            begun: Vec::new(),
            skipping: false,
            number: 0,
        }
    }

    /// Takes what was read. To be called when [`next`](Self::next) has nothing more.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        debug_assert!(self.unread.is_empty());
        self.unread = bytes;
    }

    /// How many lines have begun.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is whole.
    pub(crate) fn next(&mut self) -> Option<Line> {
        while !self.unread.is_empty() {
            let end = self.unread.iter().position(|byte| *byte == b'\n');
            let Some(end) = end else {
                let rest = std::mem::take(&mut self.unread);
                return self.begin(&rest);
            };
            let piece = self.unread.split_to(end + 1).slice(..end);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let text = match self.begun.is_empty() {
                true => piece,
                false => self.joined(&piece),
            };
            if let Some(line) = self.line(text) {
                return Some(line);
            }
        }
        None
    }

    /// What stands after the last line feed, at the end of the stream.
    pub(crate) fn last(&mut self) -> Option<Line> {
        debug_assert!(self.unread.is_empty());
        let begun = std::mem::take(&mut self.begun);
        match begun.is_empty() || self.skipping {
            true => None,
            false => self.line(begun.into()),
        }
    }

    /// Keeps the beginning of a line, or says that it is too long as soon as that is known.
    fn begin(&mut self, piece: &[u8]) -> Option<Line> {
        if self.skipping {
            return None;
        }
        // A carriage return may still turn out to be a part of the line's end.
        if self.begun.len() + piece.len() > self.bytes_max + 1 {
            self.begun = Vec::new();
            self.skipping = true;
            return Some(self.numbered(None));
        }
        self.begun.extend_from_slice(piece);
        None
    }

    fn joined(&mut self, end: &[u8]) -> Bytes {
        let mut text = std::mem::take(&mut self.begun);
        // What is too long anyway is not copied.
        text.extend_from_slice(&end[..end.len().min(self.bytes_max + 2)]);
        text.into()
    }

    fn line(&mut self, text: Bytes) -> Option<Line> {
        let text = match text.last() {
            Some(b'\r') => text.slice(..text.len() - 1),
            _ => text,
        };
        if text.len() > self.bytes_max {
            return Some(self.numbered(None));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            self.number += 1;
            return None;
        }
        Some(self.numbered(Some(text)))
    }

    fn numbered(&mut self, text: Option<Bytes>) -> Line {
        self.number += 1;
        Line {
            number: self.number,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line with its number; what was too long as `…`.
    fn cut(text: &str, piece: usize) -> (Vec<(u64, String)>, u64) {
        let mut lines = Lines::new(5);
        let mut found = Vec::new();
        let mut note = |line: Line| {
            let text = line
                .text
                .map(|text| String::from_utf8(text.into()).unwrap());
            found.push((line.number, text.unwrap_or("…".to_owned())));
        };
        for piece in text.as_bytes().chunks(piece) {
            lines.push(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next() {
                note(line);
            }
            assert!(lines.begun.len() <= 6);
        }
        lines.last().into_iter().for_each(&mut note);
        (found, lines.number())
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        for (text, expected, number) in [
            ("", &[][..], 0),
            ("\n", &[], 1),
            ("a", &[(1, "a")], 1),
            ("a\n", &[(1, "a")], 1),
            ("a\r\nb\r\n", &[(1, "a"), (2, "b")], 2),
            ("a\n\n \t\nb", &[(1, "a"), (4, "b")], 4),
            ("12345\n12345\r\n", &[(1, "12345"), (2, "12345")], 2),
            ("123456\nb\n", &[(1, "…"), (2, "b")], 2),
            ("1234567890123\r\nb\n", &[(1, "…"), (2, "b")], 2),
            ("b\n1234567890123", &[(1, "b"), (2, "…")], 2),
            ("b\n123456", &[(1, "b"), (2, "…")], 2),
            ("1234567\n\n1234567\na", &[(1, "…"), (3, "…"), (4, "a")], 4),
            ("a\rb\n\r\n", &[(1, "a\rb")], 2),
            ("      \n     \n", &[(1, "…")], 2),
            ("          ", &[(1, "…")], 1),
        ] {
            for piece in 1..=text.len().max(1) {
                let (found, count) = cut(text, piece);
                let found: Vec<_> = found.iter().map(|(n, t)| (*n, t.as_str())).collect();
                assert_eq!(
                    (&found[..], count),
                    (expected, number),
                    "{text:?} by {piece}"
                );
            }
        }
    }
}

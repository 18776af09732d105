//! How is an acknowledgement read that is written as clients write it?
//!
//! Nearly all frames are such. What has anything unusual in it (an escape, a letter beyond ASCII, a null, a field that
//! is not known or comes twice) is left to the decoder of all frames, which also knows what is wrong with it. So this one
//! only ever says what the other would say.

use uuid::Uuid;

use crate::frames::{Answer, Reference};

/// The acknowledgement in a frame, if it is one of the usual kind.
pub(crate) fn ack(frame: &[u8]) -> Option<Answer<'_>> {
    let mut reader = Reader { rest: frame };
    let mut kind = None;
    let mut id = None;
    let mut subscription = None;
    let mut delivery = None;
    reader.object(|reader, key| match key {
        "type" => once(&mut kind, reader.text()?),
        "id" => once(&mut id, reader.id()?),
        "subscription" => once(&mut subscription, reader.reference()?),
        "delivery" => once(&mut delivery, reader.text()?),
        _ => None,
    })?;
    let is_ack = kind?.eq_ignore_ascii_case("ack");
    (is_ack && reader.next().is_none()).then(|| {
        let delivery = delivery.unwrap_or_default().into();
        Answer::new(kind.unwrap_or_default().into(), id, subscription, delivery)
    })
}

fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Reads on from where it is; `None` is for what is not usual.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next byte that is no space.
    fn next(&self) -> Option<u8> {
        self.rest.iter().copied().find(|byte| !is_space(*byte))
    }

    /// Passes this byte, and spaces before it.
    fn pass(&mut self, wanted: u8) -> Option<()> {
        while let Some((byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match *byte {
                byte if byte == wanted => return Some(()),
                byte if is_space(byte) => {}
                _ => return None,
            }
        }
        None
    }

    /// An object, of which `field` reads a value whenever a key was read.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.pass(b'{')?;
        if self.next()? == b'}' {
            return self.pass(b'}');
        }
        loop {
            let key = self.text()?;
            self.pass(b':')?;
            field(self, key)?;
            match self.next()? {
                b',' => self.pass(b',')?,
                _ => return self.pass(b'}'),
            }
        }
    }

    fn reference(&mut self) -> Option<Reference<'a>> {
        let mut id = None;
        let mut namespace = None;
        let mut name = None;
        self.object(|reader, key| match key {
            "id" => once(&mut id, reader.id()?),
            "namespace" => once(&mut namespace, reader.text()?),
            "name" => once(&mut name, reader.text()?),
            _ => None,
        })?;
        Some(Reference {
            id,
            namespace: namespace.unwrap_or_default().into(),
            name: name.unwrap_or_default().into(),
        })
    }

    fn id(&mut self) -> Option<Uuid> {
        Uuid::try_parse(self.text()?).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let is_usual = |byte: u8| byte.is_ascii() && byte >= b' ' && byte != b'\\';
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'"' || !is_usual(*byte))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::decode_answer;

    const FRAMES: [&str; 8] = [
        r#"{"type":"ack","id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01"}"#,
        r#"{"type":"ack","id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01","subscription":{"id":"0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01"}}"#,
        r#"{"type": "ack", "id": "{0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01}", "subscription": {"namespace": "default", "name": "app1"}, "delivery": "1-2"}"#,
        "\n{ \"delivery\" : \"1-2\" ,\t\"subscription\" : { } ,\r\"type\" : \"ACK\" } ",
        r#"{"type":"ack"}"#,
        r#"{}"#,
        r#"{"type":"ack","id":null,"more":[1,{"a":"b"}],"subscription":null}"#,
        r#"{"type":"nack","id":"0D4E4D6E5F3B4D0A8A8A6F4F5B0F7B01","reason":"\"ü"}"#,
    ];

    /// What is read here is what the decoder reads.
    fn check(frame: &[u8]) -> bool {
        let Some(answer) = ack(frame) else {
            return false;
        };
        let text = String::from_utf8_lossy(frame);
        let decoded = decode_answer(frame);
        let decoded = decoded.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            format!("{:?}", Some(answer)),
            format!("{decoded:?}"),
            "{text}"
        );
        true
    }

    #[test]
    fn usual_frames_are_read_and_others_are_left_alone() {
        let read = FRAMES.map(|frame| check(frame.as_bytes()));
        assert_eq!(read, [true, true, true, true, true, false, false, false]);
    }

    #[test]
    fn whatever_is_read_is_what_the_decoder_reads() {
        let mut random = 1u64;
        let mut below = |max: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % max
        };
        let pieces: [&[u8]; 14] = [
            b"\"",
            b"{",
            b"}",
            b",",
            b":",
            b"\\",
            b" ",
            b"\n",
            b"null",
            b"\xff",
            b"\x7f",
            b"\"id\":",
            b"\"type\":\"ack\"",
            b"\"subscription\":{}",
        ];
        let mut read = 0;
        for _ in 0..200_000 {
            let mut frame = FRAMES[below(FRAMES.len())].as_bytes().to_vec();
            for _ in 0..below(3) {
                let (from, length) = (below(frame.len() + 1), below(3));
                let to = frame.len().min(from + length);
                frame.splice(from..to, pieces[below(pieces.len())].iter().copied());
            }
            read += usize::from(check(&frame));
        }
        assert!(read > 1_000, "{read}");
    }
}

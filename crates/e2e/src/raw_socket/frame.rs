//! What are the bytes of a frame, right or wrong?

use super::Heard;

/// The operation codes of RFC 6455.
pub mod opcode {
    /// Goes on with a fragmented message.
    pub const CONTINUATION: u8 = 0;
    /// A message of text.
    pub const TEXT: u8 = 1;
    /// A message of bytes.
    pub const BINARY: u8 = 2;
    /// The end.
    pub const CLOSE: u8 = 8;
    /// To be answered.
    pub const PING: u8 = 9;
    /// The answer.
    pub const PONG: u8 = 10;
}

/// How the length of a payload is written.
#[derive(Clone, Copy, Debug)]
pub enum LengthForm {
    /// In as few bytes as it fits in.
    Shortest,
    /// In 16 bits.
    Bits16,
    /// In 64 bits.
    Bits64,
    /// In 64 bits, and not the length of what follows.
    Announced(u64),
}

/// A frame of a client, as it will be on the wire.
#[derive(Clone, Debug)]
pub struct FrameBytes {
    is_final: bool,
    reserved: u8,
    opcode: u8,
    length: LengthForm,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
}

impl FrameBytes {
    /// The only frame of a message, masked, as it should be.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            is_final: true,
            reserved: 0,
            opcode,
            length: LengthForm::Shortest,
            mask: Some([0x37, 0xfa, 0x21, 0x3d]),
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::new(opcode::TEXT, text)
    }

    /// A ping.
    pub fn ping(payload: &[u8]) -> Self {
        Self::new(opcode::PING, payload)
    }

    /// A close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        Self::new(
            opcode::CLOSE,
            [&code.to_be_bytes(), reason.as_bytes()].concat(),
        )
    }

    /// More of the message follows.
    pub fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// With these of the three reserved bits, 4 the first.
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// With its length so written.
    pub fn length(mut self, form: LengthForm) -> Self {
        self.length = form;
        self
    }

    /// With this mask.
    pub fn mask(mut self, mask: [u8; 4]) -> Self {
        self.mask = Some(mask);
        self
    }

    /// As only a server may send it.
    pub fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// A message in one frame for each part.
    pub fn fragments<'a>(opcode: u8, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let mut frames: Vec<Self> = parts
            .into_iter()
            .map(|part| Self::new(opcode::CONTINUATION, part).unfinished())
            .collect();
        if let Some(first) = frames.first_mut() {
            first.opcode = opcode;
        }
        if let Some(last) = frames.last_mut() {
            last.is_final = true;
        }
        frames
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let length = self.payload.len();
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![(u8::from(self.is_final) << 7) | (self.reserved << 4) | self.opcode];
        let (first, more): (u8, Vec<u8>) = match self.length {
            LengthForm::Shortest if length < 126 => (length as u8, Vec::new()),
            LengthForm::Shortest if length > 0xffff => (127, (length as u64).to_be_bytes().into()),
            LengthForm::Shortest | LengthForm::Bits16 => {
                (126, (length as u16).to_be_bytes().into())
            }
            LengthForm::Bits64 => (127, (length as u64).to_be_bytes().into()),
            LengthForm::Announced(length) => (127, length.to_be_bytes().into()),
        };
        bytes.push(mask_bit | first);
        bytes.extend(more);
        match self.mask {
            None => bytes.extend_from_slice(&self.payload),
            Some(mask) => {
                bytes.extend_from_slice(&mask);
                let masked = self.payload.iter().zip(mask.iter().cycle());
                bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
            }
        }
        bytes
    }
}

/// Reads one frame of the server, and says how long it was. Nothing if it is not complete.
///
/// Panics at what the server must not send.
#[track_caller]
pub(super) fn read(bytes: &[u8]) -> Option<(Heard, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(first & 0x70, 0, "reserved bits, and nothing was negotiated");
    assert_eq!(second & 0x80, 0, "a server does not mask");
    assert_eq!(first & 0x80, 0x80, "one object is one frame");
    let (length, rest) = match second {
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = u64::from_be_bytes(*length);
            assert!(length > 0xffff, "a length is as short as it can be");
            (usize::try_from(length).expect("it fits in memory"), rest)
        }
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = u16::from_be_bytes(*length);
            assert!(length > 125, "a length is as short as it can be");
            (usize::from(length), rest)
        }
        length => (usize::from(length), rest),
    };
    let payload = rest.get(..length)?;
    let total = bytes.len() - rest.len() + length;
    let heard = match first & 0x0f {
        opcode::TEXT => Heard::Json(json(payload)),
        control => {
            assert!(length <= 125, "a control frame is short");
            match control {
                opcode::PING => Heard::Ping(payload.to_vec()),
                opcode::PONG => Heard::Pong(payload.to_vec()),
                opcode::CLOSE => close(payload),
                other => panic!("the server sent a frame of the kind {other}"),
            }
        }
    };
    Some((heard, total))
}

#[track_caller]
fn json(payload: &[u8]) -> serde_json::Value {
    let text = std::str::from_utf8(payload).expect("a text is UTF-8");
    let object = text
        .strip_suffix('\n')
        .expect("a frame ends with a line feed");
    assert!(!object.ends_with('\n'), "and with one only: {text:?}");
    let json: serde_json::Value = serde_json::from_str(object)
        .unwrap_or_else(|error| panic!("the server sent what is no JSON ({error}): {text}"));
    assert!(json.is_object(), "{text}");
    json
}

#[track_caller]
fn close(payload: &[u8]) -> Heard {
    match payload.split_first_chunk() {
        None => {
            assert!(payload.is_empty(), "half a close code");
            Heard::Close(None, String::new())
        }
        Some((code, reason)) => {
            let reason = std::str::from_utf8(reason).expect("a reason is UTF-8");
            Heard::Close(Some(u16::from_be_bytes(*code)), reason.to_owned())
        }
    }
}

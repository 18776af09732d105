//! What does a client send, from its connecting to its end?
//!
//! The first line of an input is the path and query of the upgrade. If the rest begins with `raw` on a line of
//! its own, what follows is sent as it is, wherever the frames' borders would be. Else every line is one frame: a
//! text, or what its first word says:
//!
//! ```text
//! #binary {"type":"ack"}     a binary message
//! #ping x   #pong x   #close control frames
//! #open {"type"   #more :"a" #last ck"}      the fragments of one message
//! ```
//!
//! The id [`BATCH`] stands for that of the newest batch, which nobody can know before.

use std::borrow::Cow;

/// Stands for the id of the newest batch.
const BATCH: &[u8; 36] = b"00000000-0000-0000-0000-00000000ba7c";

/// A conversation, from the client's side.
pub(super) struct Script {
    pub(super) request: Vec<u8>,
    /// What is sent at once, before the server has its turn.
    pub(super) pieces: Vec<Vec<u8>>,
}

impl Script {
    pub(super) fn read(input: &[u8]) -> Self {
        let (address, rest) = split(input, b'\n');
        // What is no address would be refused before the transport sees it.
        let address: Vec<u8> = address
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { *byte } else { b'+' })
            .collect();
        let mut request = b"GET /".to_vec();
        request.extend_from_slice(address.strip_prefix(b"/").unwrap_or(&address));
        request.extend_from_slice(
            b" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        );
        let pieces = match rest.strip_prefix(b"raw\n") {
            Some(raw) => vec![raw.to_vec()],
            None => rest.split(|byte| *byte == b'\n').map(frame).collect(),
        };
        Self { request, pieces }
    }
}

/// What is sent, with the id of the newest batch among what was received.
pub(super) fn answering<'a>(piece: &'a [u8], received: &[u8]) -> Cow<'a, [u8]> {
    const BEGINNING: &[u8] = br#"{"type":"event_batch","id":""#;
    let place = |text: &[u8], part: &[u8]| text.windows(part.len()).rposition(|at| at == part);
    let Some(hole) = place(piece, BATCH) else {
        return piece.into();
    };
    let id = place(received, BEGINNING)
        .and_then(|start| received[start + BEGINNING.len()..].get(..BATCH.len()));
    let mut sent = piece.to_vec();
    if let Some(id) = id {
        sent[hole..hole + BATCH.len()].copy_from_slice(id);
    }
    sent.into()
}

fn frame(line: &[u8]) -> Vec<u8> {
    const TEXT: u8 = 1;
    const FINAL: u8 = 0x80;
    let (word, rest) = split(line, b' ');
    let (head, payload) = match word {
        b"#binary" => (FINAL | 2, rest),
        b"#ping" => (FINAL | 9, rest),
        b"#pong" => (FINAL | 10, rest),
        b"#close" => (FINAL | 8, rest),
        b"#open" => (TEXT, rest),
        b"#more" => (0, rest),
        b"#last" => (FINAL, rest),
        _ => (FINAL | TEXT, line),
    };
    const MASKED: u8 = 0x80;
    let mut frame = vec![head];
    match payload.len() {
        short @ 0..126 => frame.push(MASKED | short as u8),
        long @ 126..=0xFFFF => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    // A mask of zeros leaves the bytes as they are.
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, b""),
    }
}

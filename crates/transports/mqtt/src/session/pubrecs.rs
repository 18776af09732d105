//! Which messages of QoS 2 has nobody subscribed to?
//!
//! A PUBREC that says so is a success, and the exchange goes on. The library goes on after "success" alone, and would
//! leave the number of the message in use at the broker. So what comes in is read along: that reason is replaced, and the
//! number kept.

use std::collections::HashSet;

use crate::mapping::NO_SUBSCRIBERS;

/// The kind of a PUBREC, in the first half of its first byte.
const PUBREC: u8 = 5;
/// Most bytes that the length of a packet takes.
const LENGTH_BYTES_MAX: u32 = 4;

/// Reads packets along, in pieces.
#[derive(Debug, Default)]
pub(super) struct Pubrecs {
    state: State,
    is_pubrec: bool,
    /// How many bytes the packet has behind its head.
    length: usize,
    /// Which of them is next; or while the length is read, which of its bytes.
    place: usize,
    id: u16,
    found: HashSet<u16>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Kind,
    Length,
    Body,
    /// It is not MQTT: the library will say so.
    Broken,
}

impl Pubrecs {
    pub(super) fn read(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            match self.state {
                State::Kind => {
                    self.is_pubrec = byte >> 4 == PUBREC;
                    (self.length, self.place) = (0, 0);
                    self.state = State::Length;
                    at += 1;
                }
                State::Length => {
                    self.read_length(byte);
                    at += 1;
                }
                State::Body => at += self.read_body(&mut bytes[at..]),
                State::Broken => return,
            }
        }
    }

    /// Whether nobody has subscribed to the message of this number; asked once.
    pub(super) fn take(&mut self, id: u16) -> bool {
        self.found.remove(&id)
    }

    fn read_length(&mut self, byte: u8) {
        self.length |= usize::from(byte & 0x7F) << (7 * self.place);
        self.place += 1;
        self.state = match (byte & 0x80 != 0, self.length) {
            (true, _) if self.place >= LENGTH_BYTES_MAX as usize => State::Broken,
            (true, _) => State::Length,
            (false, 0) => State::Kind,
            (false, _) => State::Body,
        };
        if !matches!(self.state, State::Length) {
            self.place = 0;
        }
    }

    /// How many of these bytes are of the packet.
    fn read_body(&mut self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.length - self.place);
        if self.is_pubrec {
            for byte in &mut bytes[..count] {
                match self.place {
                    0 => self.id = u16::from(*byte) << 8,
                    1 => self.id |= u16::from(*byte),
                    2 if *byte == NO_SUBSCRIBERS => {
                        *byte = 0;
                        self.found.insert(self.id);
                    }
                    _ => {}
                }
                self.place += 1;
            }
        } else {
            self.place += count;
        }
        if self.place == self.length {
            self.state = State::Kind;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_wherever_the_pieces_end() {
        // PUBACK with that reason, PUBREC 7 with it, PUBREC 8 without a reason, PINGRESP, PUBREC 0x109 with it.
        let said = b"\x40\x03\x00\x01\x10\x50\x03\x00\x07\x10\x50\x02\x00\x08\xd0\x00\x50\x04\x01\x09\x10\x00";
        let mut expected = said.to_vec();
        (expected[9], expected[20]) = (0, 0);
        for size in 1..=said.len() {
            let mut pubrecs = Pubrecs::default();
            let mut read = said.to_vec();
            for piece in read.chunks_mut(size) {
                pubrecs.read(piece);
            }
            assert_eq!(read, expected, "pieces of {size}");
            let found = [1, 7, 8, 0x109, 7].map(|id| pubrecs.take(id));
            assert_eq!(found, [false, true, false, true, false]);
        }
    }

    #[test]
    fn what_is_not_mqtt_is_left_alone() {
        let mut pubrecs = Pubrecs::default();
        let mut said = *b"\x50\xff\xff\xff\xff\x50\x03\x00\x07\x10";
        pubrecs.read(&mut said);
        assert_eq!(said, *b"\x50\xff\xff\xff\xff\x50\x03\x00\x07\x10");
        assert!(!pubrecs.take(7));
    }
}

//! How does a store keep a record?
//!
//! As one run of bytes: a head that says what stands where, then the texts as they are in memory. Reading one back is a
//! look at the head and one copy. Numbers are little-endian; a place is counted from the beginning of the texts, that
//! of an event's end from the beginning of its section.
//!
//! ```text
//!  bytes  what
//!      1  the format: 1
//!      1  the type of the events, its place in EventType::ALL
//!      1  which of these are there: 1 a key, 2 values, 4 a correlator, 8 several events
//!      8  when it was committed, in nanoseconds since 1970
//!  4 + 4  where the message begins and ends in the JSON of the first event
//!  8 × 4  where tag, author, group, key, topics, events, values and validators end
//!     16  the correlator, if there is one
//!      2  how many events there are, if several; then of each where its topic and its JSON end, 4 + 4
//!      …  the texts
//! ```

use bytes::Bytes;
use uuid::Uuid;

use super::RecordContent;
use super::text::{EventEnds, SECTIONS, Section, Text, lines};
use crate::data::Validator;
use crate::event::EventType;
use crate::id::MessageId;
use crate::name::Namespace;
use crate::time::Timestamp;

const FORMAT: u8 = 1;
const HAS_KEY: u8 = 1;
const HAS_VALUES: u8 = 2;
const HAS_CORRELATOR: u8 = 4;
const HAS_EVENTS: u8 = 8;
/// Bytes of the head that every record has.
const HEAD_BYTES: usize = 3 + 8 + 8 + 4 * SECTIONS;

/// Why bytes are no record. Reads on after "the record".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackedError {
    /// A later version wrote it, or nobody did.
    #[error("has the unknown format {0}")]
    Format(u8),
    /// The number of the type is too large.
    #[error("has an unknown type")]
    Kind,
    /// It ends before its texts begin.
    #[error("is cut off")]
    Short,
    /// Where its parts end does not fit together, or not to what is there.
    #[error("has parts that do not fit together")]
    Ends,
    /// The message is a part of each event.
    #[error("has its message outside of its first event")]
    Message,
    /// A text that is none.
    #[error("has a text that is not UTF-8")]
    Text,
    /// An unknown letter, or fewer letters than values.
    #[error("has bad validators")]
    Validators,
}

impl RecordContent {
    /// Writes it as a store keeps it, all but its id and its namespace, behind what is in `packed`.
    pub fn pack(&self, packed: &mut Vec<u8>) {
        let text = &self.text;
        let kind = EventType::ALL.iter().position(|kind| *kind == self.kind);
        let bits = [
            (HAS_KEY, text.has_key),
            (HAS_VALUES, text.has_values),
            (HAS_CORRELATOR, self.correlator.is_some()),
            (HAS_EVENTS, text.events.is_some()),
        ];
        let has = bits.iter().filter(|(_, is_there)| *is_there);
        let has = has.fold(0, |has, (bit, _)| has | bit);
        packed.reserve(HEAD_BYTES + text.bytes.len());
        packed.extend_from_slice(&[FORMAT, kind.unwrap_or_default() as u8, has]);
        packed.extend_from_slice(&self.created.as_nanos().to_le_bytes());
        packed.extend_from_slice(&text.message.start.to_le_bytes());
        packed.extend_from_slice(&text.message.end.to_le_bytes());
        for end in text.ends {
            packed.extend_from_slice(&end.to_le_bytes());
        }
        if let Some(correlator) = &self.correlator {
            packed.extend_from_slice(correlator.as_bytes());
        }
        if let Some(events) = &text.events {
            packed.extend_from_slice(&(events.len() as u16).to_le_bytes());
            for ends in &**events {
                packed.extend_from_slice(&ends.topic.to_le_bytes());
                packed.extend_from_slice(&ends.json.to_le_bytes());
            }
        }
        packed.extend_from_slice(&text.bytes);
    }

    /// The record that was packed so: what can go wrong with it is found here, and not when it is used.
    pub fn unpack(
        id: MessageId,
        namespace: Namespace,
        mut packed: &[u8],
    ) -> Result<Self, PackedError> {
        let from = &mut packed;
        let [format, kind, has] = take(from)?;
        if format != FORMAT {
            return Err(PackedError::Format(format));
        }
        let kind = *EventType::ALL
            .get(usize::from(kind))
            .ok_or(PackedError::Kind)?;
        let created = Timestamp::from_nanos(i64::from_le_bytes(take(from)?));
        let message = number(from)?..number(from)?;
        let mut ends = [0; SECTIONS];
        for end in &mut ends {
            *end = number(from)?;
        }
        let correlator = match has & HAS_CORRELATOR {
            0 => None,
            _ => Some(Uuid::from_bytes(take(from)?)),
        };
        let events = match has & HAS_EVENTS {
            0 => None,
            _ => Some(event_ends(from)?.into()),
        };
        let text = Text {
            bytes: Bytes::copy_from_slice(packed),
            ends,
            events,
            message,
            has_key: has & HAS_KEY != 0,
            has_values: has & HAS_VALUES != 0,
        };
        text.check()?;
        let mut content = Self::with_text(id, namespace, kind, created, text);
        content.correlator = correlator;
        Ok(content)
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], PackedError> {
    let (taken, rest) = from.split_first_chunk().ok_or(PackedError::Short)?;
    *from = rest;
    Ok(*taken)
}

fn number(from: &mut &[u8]) -> Result<u32, PackedError> {
    take(from).map(u32::from_le_bytes)
}

fn event_ends(from: &mut &[u8]) -> Result<Vec<EventEnds>, PackedError> {
    let count = u16::from_le_bytes(take(from)?);
    (0..count)
        .map(|_| {
            let (topic, json) = (number(from)?, number(from)?);
            Ok(EventEnds { topic, json })
        })
        .collect()
}

impl Text {
    /// Whether all parts are where they are said to be, and are what they have to be.
    fn check(&self) -> Result<(), PackedError> {
        let ends = self.ends;
        if !ends.is_sorted() || ends[SECTIONS - 1] as usize != self.bytes.len() {
            return Err(PackedError::Ends);
        }
        let words = std::str::from_utf8(&self.bytes[..ends[Section::Topics as usize] as usize])
            .map_err(|_| PackedError::Text)?;
        let mut borders = ends[..Section::Topics as usize].iter();
        if !borders.all(|border| words.is_char_boundary(*border as usize)) {
            return Err(PackedError::Text);
        }
        if let Some(events) = &self.events {
            self.check_events(events)?;
        }
        let message = &self.message;
        if message.start > message.end || message.end as usize > self.event_json(0).len() {
            return Err(PackedError::Message);
        }
        let letters = self.section(Section::Validators);
        let are_known = || {
            let mut letters = letters.iter().map(|letter| char::from(*letter));
            lines(self.section(Section::Values))
                .all(|_| letters.next().and_then(Validator::from_letter).is_some())
        };
        match letters.is_empty() || are_known() {
            true => Ok(()),
            false => Err(PackedError::Validators),
        }
    }

    /// A separator stands before each event but the first, and the last one ends where its section does.
    fn check_events(&self, events: &[EventEnds]) -> Result<(), PackedError> {
        let topics = self.section(Section::Topics);
        let rise = events
            .windows(2)
            .all(|pair| pair[0].topic < pair[1].topic && pair[0].json < pair[1].json);
        let fits = events.last().is_some_and(|last| {
            last.topic as usize == topics.len()
                && last.json as usize == self.section(Section::Events).len()
        });
        if !rise || !fits {
            return Err(PackedError::Ends);
        }
        let are_texts =
            (0..events.len()).all(|index| std::str::from_utf8(self.topic_bytes(index)).is_ok());
        match are_texts {
            true => Ok(()),
            false => Err(PackedError::Text),
        }
    }
}

#[cfg(test)]
mod tests;

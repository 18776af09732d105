//! How do the texts of a record share one buffer?
//!
//! ```text
//!   tag │ author │ group │ key │ topic,topic │ event\nevent │ value\nvalue │ validators
//! ```
//! One section after the other, and where each of them ends. Sections of several texts hold them as a store keeps
//! them, joined: compact JSON has no line break, and a topic has no comma. Where each event ends is only noted
//! if there are several; where a value ends is looked for when it is asked for, which is seldom.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::data::Validator;

/// A part of the buffer, in the order in which they stand there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Tag,
    Author,
    Group,
    Key,
    Topics,
    Events,
    Values,
    /// A letter for each value; nothing if all are `j`.
    Validators,
}

pub(super) const SECTIONS: usize = Section::Validators as usize + 1;

/// All texts of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Bytes,
    /// Where each section ends.
    pub(super) ends: [u32; SECTIONS],
    /// Where the events end, if there is not just one.
    pub(super) events: Option<Arc<[EventEnds]>>,
    /// Where the message stands in the first event.
    pub(super) message: Range<u32>,
    pub(super) has_key: bool,
    pub(super) has_values: bool,
}

/// Where an event ends, in two sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EventEnds {
    pub(super) topic: u32,
    pub(super) json: u32,
}

/// The texts of a record as a store may keep them: several in one, with a separator between them that does not
/// stand in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined<'a> {
    /// The message's tag, or empty.
    pub tag: &'a str,
    /// The message's author, or empty.
    pub author: &'a str,
    /// The message's group in hex, or empty.
    pub group: &'a str,
    /// The publisher's key.
    pub idempotency_key: Option<&'a str>,
    /// The topics of all events, with `,` between them.
    pub topics: &'a str,
    /// The JSON of all events, with a line break between them.
    pub events: &'a [u8],
    /// The JSON of all values, with a line break between them; `None` if there are none. A value that is kept apart
    /// is an empty line.
    pub values: Option<&'a [u8]>,
    /// [`Validator::letter`] of each value; `None` if all are `j`.
    pub validators: Option<&'a str>,
    /// Where the message's JSON stands within the JSON of the first event.
    pub message: Range<usize>,
}

/// Why texts are none of a record. Reads on after "the record".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinedError {
    /// Each event has one topic.
    #[error("has another number of events than of topics")]
    Topics,
    /// The message is a part of each event.
    #[error("has its message outside of its first event")]
    Message,
    /// An unknown letter, or fewer letters than values.
    #[error("has bad validators")]
    Validators,
    /// More than 4 GiB.
    #[error("is too large")]
    Size,
}

/// A value published with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// How it was checked.
    pub validator: Validator,
    /// Its compact JSON text; `None` where a store keeps it apart because it is large
    /// ([`Log::value`](crate::store::Log::value) reads it).
    pub json: Option<&'a [u8]>,
}

impl Text {
    pub(super) fn from_joined(joined: &Joined<'_>) -> Result<Self, JoinedError> {
        let events = event_ends(joined)?;
        let first_end = match events.as_deref() {
            Some([first, ..]) => first.json as usize,
            _ => joined.events.len(),
        };
        let message = &joined.message;
        if message.start > message.end || message.end > first_end {
            return Err(JoinedError::Message);
        }
        if let Some(validators) = joined.validators {
            let mut letters = validators.chars();
            for _ in lines(joined.values.unwrap_or_default()) {
                let letter = letters.next().and_then(Validator::from_letter);
                letter.ok_or(JoinedError::Validators)?;
            }
        }
        let sections: [&[u8]; SECTIONS] = [
            joined.tag.as_bytes(),
            joined.author.as_bytes(),
            joined.group.as_bytes(),
            joined.idempotency_key.unwrap_or_default().as_bytes(),
            joined.topics.as_bytes(),
            joined.events,
            joined.values.unwrap_or_default(),
            joined.validators.unwrap_or_default().as_bytes(),
        ];
        let len = sections.iter().map(|section| section.len()).sum();
        if len > u32::MAX as usize {
            return Err(JoinedError::Size);
        }
        let mut bytes = Vec::with_capacity(len);
        let mut ends = [0; SECTIONS];
        for (section, end) in sections.into_iter().zip(&mut ends) {
            bytes.extend_from_slice(section);
            *end = bytes.len() as u32;
        }
        Ok(Self {
            bytes: bytes.into(),
            ends,
            events,
            message: message.start as u32..message.end as u32,
            has_key: joined.idempotency_key.is_some(),
            has_values: joined.values.is_some(),
        })
    }

    pub(super) fn tag(&self) -> &str {
        self.words(Section::Tag)
    }

    pub(super) fn author(&self) -> &str {
        self.words(Section::Author)
    }

    pub(super) fn group(&self) -> &str {
        self.words(Section::Group)
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.has_key.then(|| self.words(Section::Key))
    }

    pub(super) fn events_len(&self) -> usize {
        self.events.as_ref().map_or(1, |events| events.len())
    }

    pub(super) fn topic(&self, index: usize) -> &str {
        words(self.of_event(Section::Topics, index, |ends| ends.topic))
    }

    pub(super) fn event_json(&self, index: usize) -> &[u8] {
        self.of_event(Section::Events, index, |ends| ends.json)
    }

    /// What a section has of an event.
    fn of_event(&self, section: Section, index: usize, end: fn(&EventEnds) -> u32) -> &[u8] {
        let all = self.section(section);
        let Some(events) = &self.events else {
            return if index == 0 { all } else { &[] };
        };
        let Some(ends) = events.get(index) else {
            return &[];
        };
        // A separator stands before each but the first.
        let start = match index.checked_sub(1).and_then(|before| events.get(before)) {
            Some(before) => end(before) as usize + 1,
            None => 0,
        };
        all.get(start..end(ends) as usize).unwrap_or_default()
    }

    pub(super) fn message(&self) -> Range<usize> {
        self.message.start as usize..self.message.end as usize
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let mut letters = self.section(Section::Validators).iter();
        let values = self.section(Section::Values);
        self.has_values
            .then(|| lines(values))
            .into_iter()
            .flatten()
            .map(move |line| Value {
                validator: letters
                    .next()
                    .and_then(|letter| Validator::from_letter(char::from(*letter)))
                    .unwrap_or_default(),
                json: (!line.is_empty()).then_some(line),
            })
    }

    pub(super) fn values_bytes(&self) -> usize {
        self.section(Section::Values).len()
    }

    /// About how much memory it takes beside itself.
    pub(super) fn bytes_len(&self) -> usize {
        let events = self.events.as_ref().map_or(0, |events| events.len());
        self.bytes.len() + events * size_of::<EventEnds>()
    }

    pub(super) fn joined(&self) -> Joined<'_> {
        let validators = self.words(Section::Validators);
        Joined {
            tag: self.tag(),
            author: self.author(),
            group: self.group(),
            idempotency_key: self.key(),
            topics: self.words(Section::Topics),
            events: self.section(Section::Events),
            values: self.has_values.then(|| self.section(Section::Values)),
            validators: (!validators.is_empty()).then_some(validators),
            message: self.message(),
        }
    }

    fn section(&self, section: Section) -> &[u8] {
        let section = section as usize;
        let start = match section {
            0 => 0,
            _ => self.ends[section - 1] as usize,
        };
        &self.bytes[start..self.ends[section] as usize]
    }

    fn words(&self, section: Section) -> &str {
        words(self.section(section))
    }
}

/// Where the events of joined texts end, if there is not just one.
fn event_ends(joined: &Joined<'_>) -> Result<Option<Arc<[EventEnds]>>, JoinedError> {
    let topics = joined.topics.as_bytes();
    // Mostly a short text: a plain loop is the fastest.
    if !topics.contains(&b',') {
        return Ok(None);
    }
    let mut topics = memchr::memchr_iter(b',', topics).chain([topics.len()]);
    let mut events = Vec::new();
    for json in memchr::memchr_iter(b'\n', joined.events).chain([joined.events.len()]) {
        events.push(EventEnds {
            topic: place(topics.next().ok_or(JoinedError::Topics)?)?,
            json: place(json)?,
        });
    }
    match topics.next() {
        None => Ok(Some(events.into())),
        Some(_) => Err(JoinedError::Topics),
    }
}

fn place(bytes: usize) -> Result<u32, JoinedError> {
    u32::try_from(bytes).map_err(|_| JoinedError::Size)
}

/// What was a text when it was written is one still.
fn words(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok());
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The lines of a text; at least one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text)
        .chain([text.len()])
        .map(move |end| {
            let line = &text[start..end];
            start = end + 1;
            line
        })
}

#[cfg(test)]
mod tests;

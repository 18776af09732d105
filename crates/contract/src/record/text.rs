//! How do the texts of a record share one buffer?
//!
//! ```text
//!   tag │ author │ group │ key │ topic,topic │ event\nevent │ value\nvalue │ validators
//! ```
//! One section after the other, and where each of them ends. Where each event ends is only noted if there are
//! several; where a value ends is looked for when it is asked for, which is seldom: compact JSON has no line break.

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
        words(self.topic_bytes(index))
    }

    pub(super) fn topic_bytes(&self, index: usize) -> &[u8] {
        self.of_event(Section::Topics, index, |ends| ends.topic)
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

    pub(super) fn section(&self, section: Section) -> &[u8] {
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

/// What was a text when it was written is one still.
fn words(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok());
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The lines of a text; at least one.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
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

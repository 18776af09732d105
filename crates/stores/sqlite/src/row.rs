//! How does a record become a row, and a row a record?

use std::borrow::Cow;
use std::ops::Range;

use photinus_contract::id::{EVENTS_PER_RECORD_MAX, VALUES_PER_RECORD_MAX};
use photinus_contract::record::{Joined, RecordContent};
use photinus_contract::{EventType, MessageId, Namespace, Record, Sequence};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use crate::error::Error;

/// The columns of `log` that [`decode`] reads, in its order.
pub(crate) const COLUMNS: &str = "pos, id, kind, created, topics, tag, author, grp, correlator, key, \
                                  message_start, message_len, events, data, validators";

/// The bits of a position that are the sequence; the namespace's number stands above them.
pub(crate) const SEQUENCE_BITS: u32 = 40;
/// The last sequence of a namespace.
pub(crate) const SEQUENCE_MAX: i64 = (1 << SEQUENCE_BITS) - 1;
/// The last number of a namespace: what a positive position leaves.
pub(crate) const NAMESPACE_MAX: i64 = (1 << (63 - SEQUENCE_BITS)) - 1;

/// The position of a sequence in the log of all namespaces.
pub(crate) fn position(namespace: i64, sequence: i64) -> i64 {
    namespace << SEQUENCE_BITS | sequence.clamp(0, SEQUENCE_MAX)
}

/// What of a record does not stand in it as a row has it.
pub(crate) struct Encoded<'a> {
    pub(crate) kind: i64,
    pub(crate) texts: Joined<'a>,
    pub(crate) values: Option<Cow<'a, [u8]>>,
    pub(crate) large: Large<'a>,
}

/// Values that are kept apart, with their places.
type Large<'a> = Vec<(i64, &'a [u8])>;

/// Makes a row of a record. Refuses what could not be read back.
pub(crate) fn encode(content: &RecordContent, inline_max: usize) -> Result<Encoded<'_>, Error> {
    let refused = |what: String| Error::Refused(format!("message {}: {what}", content.id));
    let events = content.events_len();
    if events == 0 || events > EVENTS_PER_RECORD_MAX {
        return Err(refused(format!(
            "{events} events; 1 to {EVENTS_PER_RECORD_MAX} are possible"
        )));
    }
    let kind = EventType::ALL
        .iter()
        .position(|kind| *kind == content.kind)
        .ok_or_else(|| refused(format!("the event type {} has no number", content.kind)))?;
    let texts = content.joined();
    let separators = |text: &[u8], separator| memchr::memchr_iter(separator, text).count();
    if separators(texts.topics.as_bytes(), b',') != events - 1 {
        return Err(refused(format!("a comma in the topics {}", texts.topics)));
    }
    if events > 1 && separators(texts.events, b'\n') != events - 1 {
        return Err(refused("an event is more than one line of JSON".into()));
    }

    let (mut values, mut is_any_large) = (0, false);
    for value in content.values() {
        let json = value
            .json
            .ok_or_else(|| refused(format!("value {values} is not one line of JSON")))?;
        is_any_large |= json.len() > inline_max;
        values += 1;
    }
    if values > VALUES_PER_RECORD_MAX {
        return Err(refused(format!(
            "{values} values; at most {VALUES_PER_RECORD_MAX} are possible"
        )));
    }
    let (values, large) = match is_any_large {
        true => without_large(content, inline_max),
        false => (texts.values.map(Cow::from), Vec::new()),
    };
    Ok(Encoded {
        kind: kind as i64,
        texts,
        values,
        large,
    })
}

/// The values that stay in the row, an empty line in the place of each of the others, and those.
fn without_large(content: &RecordContent, inline_max: usize) -> (Option<Cow<'_, [u8]>>, Large<'_>) {
    let (mut lines, mut large) = (Vec::new(), Vec::new());
    for (part, value) in content.values().enumerate() {
        if part > 0 {
            lines.push(b'\n');
        }
        let json = value.json.unwrap_or_default();
        if json.len() <= inline_max {
            lines.extend_from_slice(json);
        } else {
            large.push((part as i64, json));
        }
    }
    (Some(lines.into()), large)
}

/// Makes a record of a row with [`COLUMNS`]: its texts are copied once, into one buffer.
pub(crate) fn decode(row: &Row<'_>, namespace: &Namespace) -> Result<Record, Error> {
    let pos = integer(row, 0)?;
    let sequence = pos & SEQUENCE_MAX;
    let damaged = |what: &str| {
        Error::damaged(format!(
            "the record at {sequence} of namespace {namespace} {what}"
        ))
    };

    let kind = integer(row, 2)?;
    let kind = usize::try_from(kind)
        .ok()
        .and_then(|kind| EventType::ALL.get(kind).copied())
        .ok_or_else(|| damaged("has an unknown type"))?;
    let id = MessageId(uuid(blob(row, 1)?).ok_or_else(|| damaged("has an id that is none"))?);
    let created = photinus_contract::Timestamp::from_nanos(integer(row, 3)?);
    let correlator = match row.get_ref(8)? {
        ValueRef::Null => None,
        value => Some(
            value
                .as_blob()
                .ok()
                .and_then(uuid)
                .ok_or_else(|| damaged("has a correlator that is no id"))?,
        ),
    };
    let joined = Joined {
        topics: text(row, 4)?,
        tag: text(row, 5)?,
        author: text(row, 6)?,
        group: text(row, 7)?,
        idempotency_key: match row.get_ref(9)? {
            ValueRef::Null => None,
            value => Some(value.as_str().map_err(|_| damaged("has a bad key"))?),
        },
        message: message_range(integer(row, 10)?, integer(row, 11)?)
            .ok_or_else(|| damaged("has its message outside of its first event"))?,
        events: blob(row, 12)?,
        values: match row.get_ref(13)? {
            ValueRef::Null => None,
            value => Some(value.as_blob().map_err(|_| damaged("has no values"))?),
        },
        validators: match row.get_ref(14)? {
            ValueRef::Null => None,
            value => Some(value.as_str().map_err(|_| damaged("has bad validators"))?),
        },
    };
    let mut content = RecordContent::from_joined(id, namespace.clone(), kind, created, &joined)
        .map_err(|error| damaged(&error.to_string()))?;
    content.correlator = correlator;
    Ok(Record::new(Sequence(sequence), content))
}

fn message_range(start: i64, len: i64) -> Option<Range<usize>> {
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
}

fn integer(row: &Row<'_>, column: usize) -> Result<i64, Error> {
    match row.get_ref(column)? {
        ValueRef::Integer(value) => Ok(value),
        _ => Err(Error::damaged(format!(
            "column {column} of a record is no integer"
        ))),
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Error> {
    let value = row.get_ref(column)?;
    value
        .as_str()
        .map_err(|_| Error::damaged(format!("column {column} of a record is no text")))
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], Error> {
    let value = row.get_ref(column)?;
    value
        .as_blob()
        .map_err(|_| Error::damaged(format!("column {column} of a record is no blob")))
}

/// An id as all tables keep it: 16 bytes.
pub(crate) fn uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

//! How does a record become a row, and a row a record?

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use photinus_contract::data::{RecordValue, Validator};
use photinus_contract::id::{EVENTS_PER_RECORD_MAX, VALUES_PER_RECORD_MAX};
use photinus_contract::record::{RecordContent, RecordEvent};
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
    pub(crate) topics: Cow<'a, str>,
    pub(crate) events: Cow<'a, [u8]>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) validators: Option<String>,
    /// Values that are kept apart, with their places.
    pub(crate) large: Vec<(i64, &'a Bytes)>,
}

/// Makes a row of a record. Refuses what could not be read back.
pub(crate) fn encode(content: &RecordContent, inline_max: usize) -> Result<Encoded<'_>, Error> {
    let refused = |what: String| Error::Refused(format!("message {}: {what}", content.id));
    if content.events.is_empty() || content.events.len() > EVENTS_PER_RECORD_MAX {
        return Err(refused(format!(
            "{} events; 1 to {EVENTS_PER_RECORD_MAX} are possible",
            content.events.len()
        )));
    }
    if content.values.len() > VALUES_PER_RECORD_MAX {
        return Err(refused(format!(
            "{} values; at most {VALUES_PER_RECORD_MAX} are possible",
            content.values.len()
        )));
    }
    let kind = EventType::ALL
        .iter()
        .position(|kind| *kind == content.kind)
        .ok_or_else(|| refused(format!("the event type {} has no number", content.kind)))?;
    let (topics, events) = match content.events.as_slice() {
        [event] => (Cow::from(&*event.topic), Cow::from(&event.json[..])),
        events => {
            let topics: Vec<&str> = events.iter().map(|event| &*event.topic).collect();
            let lines: Vec<&[u8]> = events.iter().map(|event| &event.json[..]).collect();
            if lines.iter().any(|line| line.contains(&b'\n')) {
                return Err(refused("an event is more than one line of JSON".into()));
            }
            (topics.join(",").into(), lines.join(&b'\n').into())
        }
    };
    if content.events.iter().any(|event| event.topic.contains(',')) {
        return Err(refused(format!("a comma in the topics {topics}")));
    }

    let mut large = Vec::new();
    let mut data = (!content.values.is_empty()).then(Vec::new);
    for (part, value) in content.values.iter().enumerate() {
        let json = value
            .json
            .as_ref()
            .filter(|json| !json.is_empty() && !json.contains(&b'\n'))
            .ok_or_else(|| refused(format!("value {part} is not one line of JSON")))?;
        let Some(data) = &mut data else { continue };
        if part > 0 {
            data.push(b'\n');
        }
        if json.len() <= inline_max {
            data.extend_from_slice(json);
        } else {
            large.push((part as i64, json));
        }
    }
    let validators = if content
        .values
        .iter()
        .all(|value| value.validator == Validator::Json)
    {
        None
    } else {
        let letters = content.values.iter().map(|value| letter(value.validator));
        let letters: Option<String> = letters.collect();
        Some(letters.ok_or_else(|| refused("a validator has no letter".into()))?)
    };
    Ok(Encoded {
        kind: kind as i64,
        topics,
        events,
        data,
        validators,
        large,
    })
}

fn letter(validator: Validator) -> Option<char> {
    match validator {
        Validator::Json => Some('j'),
        Validator::None => Some('n'),
        Validator::Definition => Some('d'),
        _ => None,
    }
}

fn validator(letter: u8) -> Option<Validator> {
    match letter {
        b'j' => Some(Validator::Json),
        b'n' => Some(Validator::None),
        b'd' => Some(Validator::Definition),
        _ => None,
    }
}

/// Makes a record of a row with [`COLUMNS`]. The bytes of its events and values are slices of one buffer.
pub(crate) fn decode(row: &Row<'_>, namespace: &Namespace) -> Result<Record, Error> {
    let pos: i64 = row.get(0)?;
    let sequence = pos & SEQUENCE_MAX;
    let damaged = |what: &str| {
        Error::damaged(format!(
            "the record at {sequence} of namespace {namespace} {what}"
        ))
    };

    let events = blob(row, 12)?;
    let data = match row.get_ref(13)? {
        ValueRef::Null => None,
        value => Some(value.as_blob().map_err(|_| damaged("has no values"))?),
    };
    let mut buffer = Vec::with_capacity(events.len() + data.map_or(0, <[u8]>::len));
    buffer.extend_from_slice(events);
    buffer.extend_from_slice(data.unwrap_or_default());
    let buffer = Bytes::from(buffer);

    let kind: i64 = row.get(2)?;
    let kind = usize::try_from(kind)
        .ok()
        .and_then(|kind| EventType::ALL.get(kind).copied())
        .ok_or_else(|| damaged("has an unknown type"))?;
    let id = MessageId(uuid(blob(row, 1)?).ok_or_else(|| damaged("has an id that is none"))?);
    let created = photinus_contract::Timestamp::from_nanos(row.get(3)?);
    let list = record_events(text(row, 4)?, events, &buffer)
        .ok_or_else(|| damaged("has another number of events than of topics"))?;
    let message = message_range(row.get(10)?, row.get(11)?)
        .filter(|range| {
            list.first()
                .is_some_and(|first| range.end <= first.json.len())
        })
        .ok_or_else(|| damaged("has its message outside of its first event"))?;

    let mut content = RecordContent::new(id, namespace.clone(), kind, created, list, message);
    content.tag = text(row, 5)?.into();
    content.author = text(row, 6)?.into();
    content.group = text(row, 7)?.into();
    content.correlator = match row.get_ref(8)? {
        ValueRef::Null => None,
        value => Some(
            value
                .as_blob()
                .ok()
                .and_then(uuid)
                .ok_or_else(|| damaged("has a correlator that is no id"))?,
        ),
    };
    content.idempotency_key = match row.get_ref(9)? {
        ValueRef::Null => None,
        value => Some(value.as_str().map_err(|_| damaged("has a bad key"))?.into()),
    };
    if let Some(data) = data {
        let letters = match row.get_ref(14)? {
            ValueRef::Null => None,
            value => Some(
                value
                    .as_bytes()
                    .map_err(|_| damaged("has bad validators"))?,
            ),
        };
        content.values = record_values(data, letters, &buffer.slice(events.len()..))
            .ok_or_else(|| damaged("has bad validators"))?;
    }
    Ok(Record::new(Sequence(sequence), content))
}

fn record_events(topics: &str, events: &[u8], buffer: &Bytes) -> Option<Vec<RecordEvent>> {
    if !topics.contains(',') {
        return Some(vec![RecordEvent {
            topic: topics.into(),
            json: buffer.slice(..events.len()),
        }]);
    }
    let mut topics = topics.split(',');
    let mut list = Vec::new();
    for line in lines(events) {
        list.push(RecordEvent {
            topic: topics.next()?.into(),
            json: buffer.slice(line),
        });
    }
    topics.next().is_none().then_some(list)
}

fn record_values(data: &[u8], letters: Option<&[u8]>, buffer: &Bytes) -> Option<Vec<RecordValue>> {
    let mut values = Vec::new();
    for (part, line) in lines(data).enumerate() {
        values.push(RecordValue {
            validator: match letters {
                None => Validator::Json,
                Some(letters) => validator(*letters.get(part)?)?,
            },
            json: (!line.is_empty()).then(|| buffer.slice(line)),
        });
    }
    Some(values)
}

/// Where the lines of a text stand.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split(|byte| *byte == b'\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end + 1;
        range
    })
}

fn message_range(start: i64, len: i64) -> Option<Range<usize>> {
    let start = usize::try_from(start).ok()?;
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
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

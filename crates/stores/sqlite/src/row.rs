//! How does a record become a row, and a row a record?

use photinus_contract::id::{EVENTS_PER_RECORD_MAX, VALUES_PER_RECORD_MAX};
use photinus_contract::record::RecordContent;
use photinus_contract::{MessageId, Namespace, Record, Sequence};
use rusqlite::Row;
use uuid::Uuid;

use crate::error::Error;

/// The columns of `log` that [`decode`] reads, in its order.
pub(crate) const COLUMNS: &str = "pos, id, record";

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

/// Values that are kept apart, with their places.
pub(crate) type Large<'a> = Vec<(i64, &'a [u8])>;

/// Packs a record for its row. Says which values do not stand in it because they are large. Refuses what could not be
/// read back.
pub(crate) fn encode<'a>(
    content: &'a RecordContent,
    inline_max: usize,
    packed: &mut Vec<u8>,
) -> Result<Large<'a>, Error> {
    let refused = |what: String| Error::Refused(format!("message {}: {what}", content.id));
    let events = content.events_len();
    if events == 0 || events > EVENTS_PER_RECORD_MAX {
        return Err(refused(format!(
            "{events} events; 1 to {EVENTS_PER_RECORD_MAX} are possible"
        )));
    }
    let (mut values, mut large) = (0, Vec::new());
    for value in content.values() {
        let json = value
            .json
            .ok_or_else(|| refused(format!("value {values} is not one line of JSON")))?;
        if json.len() > inline_max {
            large.push((values as i64, json));
        }
        values += 1;
    }
    if values > VALUES_PER_RECORD_MAX {
        return Err(refused(format!(
            "{values} values; at most {VALUES_PER_RECORD_MAX} are possible"
        )));
    }
    packed.clear();
    match large.is_empty() {
        true => content.pack(packed),
        false => without(content, &large).pack(packed),
    }
    Ok(large)
}

/// The record without these values.
fn without(content: &RecordContent, large: &Large<'_>) -> RecordContent {
    let mut content = content.clone();
    content.edit(|parts| {
        for (part, _) in large {
            parts.values[*part as usize].json = None;
        }
    });
    content
}

/// Makes a record of a row with [`COLUMNS`]: its texts are copied once, into one buffer.
pub(crate) fn decode(row: &Row<'_>, namespace: &Namespace) -> Result<Record, Error> {
    let pos: i64 = row.get(0)?;
    let sequence = pos & SEQUENCE_MAX;
    let damaged = |what: &str| {
        Error::damaged(format!(
            "the record at {sequence} of namespace {namespace} {what}"
        ))
    };
    let id = row.get_ref(1)?.as_blob().ok().and_then(uuid);
    let id = id.ok_or_else(|| damaged("has an id that is none"))?;
    let packed = row.get_ref(2)?.as_blob();
    let packed = packed.map_err(|_| damaged("is no bytes"))?;
    let content = RecordContent::unpack(MessageId(id), namespace.clone(), packed)
        .map_err(|error| damaged(&error.to_string()))?;
    Ok(Record::new(Sequence(sequence), content))
}

/// An id as all tables keep it: 16 bytes.
pub(crate) fn uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

//! Is a record read back as it was packed, and anything else refused?

use proptest::prelude::*;

use super::*;
use crate::data::RecordValue;
use crate::record::{RecordEvent, RecordParts};

fn id() -> MessageId {
    MessageId::from_v7(Uuid::from_u128(1 << 64))
}

fn unpack(packed: &[u8]) -> Result<RecordContent, PackedError> {
    RecordContent::unpack(id(), Namespace::new("ns"), packed)
}

fn pack(record: &RecordContent) -> Vec<u8> {
    let mut packed = Vec::new();
    record.pack(&mut packed);
    packed
}

fn value() -> impl Strategy<Value = RecordValue> {
    let validators = [Validator::Json, Validator::None, Validator::Definition];
    let json = prop::option::of("[1-9]{1,5}").prop_map(|json| json.map(Bytes::from));
    (prop::sample::select(validators.to_vec()), json)
        .prop_map(|(validator, json)| RecordValue { validator, json })
}

fn record() -> impl Strategy<Value = RecordContent> {
    let event = ("[a-zä,]{0,3}", "[ -~\n]{2,8}").prop_map(|(topic, json)| RecordEvent {
        topic: topic.into(),
        json: json.into(),
    });
    let parts = (
        "[a-zä]{0,3}",
        prop::option::of("[a-zä]{0,3}"),
        prop::collection::vec(event, 1..4),
        prop::collection::vec(value(), 0..4),
    );
    let beside = (any::<i64>(), prop::option::of(any::<u128>()), 0..3usize);
    (parts, beside).prop_map(|((tag, key, events, values), (created, cid, kind))| {
        let kind = EventType::ALL[kind];
        let created = Timestamp::from_nanos(created);
        let mut record =
            RecordContent::new(id(), Namespace::new("ns"), kind, created, events, 1..2);
        record.correlator = cid.map(Uuid::from_u128);
        record.edit(|parts: &mut RecordParts| {
            parts.author = tag.chars().rev().collect();
            parts.tag = tag;
            parts.idempotency_key = key;
            parts.values = values;
        });
        record
    })
}

/// Uses all of it: nothing of what is no error may fail later.
fn look_at_all(record: &RecordContent) {
    let words = [record.tag(), record.author(), record.group()];
    let mut bytes = words.map(str::len).iter().sum::<usize>();
    bytes += record.idempotency_key().map_or(0, str::len) + record.message_json().len();
    for index in 0..record.events_len() {
        bytes += record.topic(index).len() + record.event_json(index).len();
    }
    bytes += record
        .values()
        .map(|value| value.json.map_or(0, <[u8]>::len))
        .sum::<usize>();
    assert!(bytes <= 2 * record.size(), "nothing stands outside of it");
}

proptest! {
    #[test]
    fn what_was_packed_is_the_same_record(record in record()) {
        prop_assert_eq!(unpack(&pack(&record)), Ok(record));
    }

    #[test]
    fn a_damaged_record_is_refused_or_whole(
        record in record(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut packed = pack(&record);
        let cut = cut.index(packed.len());
        prop_assert!(unpack(&packed[..cut]).is_err(), "cut at {}", cut);
        let place = place.index(packed.len());
        packed[place] = byte;
        if let Ok(read) = unpack(&packed) {
            look_at_all(&read);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_refused_or_a_record(bytes in prop::collection::vec(0..8u8, 0..200)) {
        let mut packed = vec![FORMAT];
        packed.extend(bytes);
        if let Ok(read) = unpack(&packed) {
            look_at_all(&read);
        }
    }
}

#[test]
fn each_damage_has_its_name() {
    let event = |topic: &str, json: &'static str| RecordEvent {
        topic: topic.into(),
        json: json.into(),
    };
    let (kind, created) = (EventType::MessageConfirmed, Timestamp::from_nanos(1));
    let events = vec![event("ä", "{1"), event("b", "{22")];
    let mut record = RecordContent::new(id(), Namespace::new("ns"), kind, created, events, 0..1);
    record.edit(|parts| {
        let json = Some(Bytes::from_static(b"1"));
        let validator = Validator::None;
        parts.values = vec![RecordValue { validator, json }];
    });
    let packed = pack(&record);
    let damaged = |place: usize, byte: u8| {
        let mut packed = packed.clone();
        packed[place] = byte;
        unpack(&packed).err()
    };
    assert_eq!(damaged(0, 2), Some(PackedError::Format(2)));
    assert_eq!(damaged(1, 9), Some(PackedError::Kind));
    assert_eq!(damaged(15, 3), Some(PackedError::Message), "its end");
    assert_eq!(damaged(11, 2), Some(PackedError::Message), "its beginning");
    assert_eq!(
        damaged(19 + 4 * 3, 1),
        Some(PackedError::Text),
        "the key ends within the ä"
    );
    assert_eq!(
        damaged(19, 99),
        Some(PackedError::Ends),
        "the tag ends behind all"
    );
    let first_event = HEAD_BYTES + 2;
    assert_eq!(
        damaged(HEAD_BYTES, 1),
        Some(PackedError::Ends),
        "another number of events"
    );
    assert_eq!(
        damaged(first_event, 1),
        Some(PackedError::Text),
        "a topic ends within the ä"
    );
    assert_eq!(
        damaged(first_event, 9),
        Some(PackedError::Ends),
        "a topic ends behind the next"
    );
    assert_eq!(
        damaged(first_event + 4, 9),
        Some(PackedError::Ends),
        "an event ends behind the next"
    );
    assert_eq!(
        damaged(first_event + 16, 0xff),
        Some(PackedError::Text),
        "the ä"
    );
    assert_eq!(
        damaged(packed.len() - 1, b'x'),
        Some(PackedError::Validators)
    );
    assert_eq!(unpack(&packed[..9]), Err(PackedError::Short));
    assert_eq!(unpack(&[]), Err(PackedError::Short));
}

//! Is every text of a record found again?

use bytes::Bytes;

use super::*;
use crate::data::RecordValue;
use crate::record::{RecordContent, RecordEvent};
use crate::{EventType, MessageId, Namespace, Timestamp};

fn id() -> MessageId {
    MessageId::from_v7(uuid::Uuid::from_u128(1 << 64))
}

fn record(topics: &[&str], values: &[(Validator, Option<&str>)]) -> RecordContent {
    let event = |topic: &&str| RecordEvent {
        topic: (*topic).into(),
        json: format!(r#"{{"topic":"{topic}","message":{{}}"#).into(),
    };
    let mut record = RecordContent::new(
        id(),
        Namespace::new("ns"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(1),
        topics.iter().map(event).collect(),
        0..3,
    );
    record.edit(|parts| {
        parts.tag = "tag".to_owned();
        parts.author = "ä".to_owned();
        parts.idempotency_key = topics.first().map(|first| (*first).to_owned());
        let value = |(validator, json): &(Validator, Option<&str>)| RecordValue {
            validator: *validator,
            json: json.map(|json| Bytes::from(json.to_owned())),
        };
        parts.values = values.iter().map(value).collect();
    });
    record
}

#[test]
fn every_text_is_found_again() {
    use Validator::{Definition, Json, None as Unchecked};
    let topics: [&[&str]; 4] = [&["a"], &["a", "b", "c"], &[""], &["a,b", ""]];
    let values: [&[(Validator, Option<&str>)]; 5] = [
        &[],
        &[(Json, Some("1"))],
        &[(Json, None)],
        &[(Json, Some("1")), (Unchecked, None), (Json, Some("[]"))],
        &[(Definition, Some("{}")), (Json, None)],
    ];
    for topics in topics {
        for values in values {
            let record = record(topics, values);
            assert_eq!((record.tag(), record.author()), ("tag", "ä"));
            assert_eq!(record.group(), "");
            assert_eq!(record.idempotency_key(), Some(topics[0]));
            assert_eq!(record.message_json(), br#"{"t"#);
            assert_eq!(record.events_len(), topics.len());
            for (index, topic) in topics.iter().enumerate() {
                let json = format!(r#"{{"topic":"{topic}","message":{{}}"#);
                assert_eq!(record.topic(index), *topic);
                assert_eq!(record.event_json(index), json.as_bytes());
            }
            assert_eq!(record.topic(topics.len()), "");
            assert_eq!(record.event_json(topics.len()), b"");
            let found: Vec<_> = record.values().collect();
            let expected = values.iter().map(|(validator, json)| Value {
                validator: *validator,
                json: json.map(str::as_bytes),
            });
            assert_eq!(found, expected.collect::<Vec<_>>());
            assert_eq!(record.values_len(), values.len());

            let mut same = record.clone();
            same.edit(|_| {});
            assert_eq!(same, record);
        }
    }
}

#[test]
fn what_a_store_keeps_is_the_same_record() {
    for (topics, values) in [
        (&["a"][..], &[][..]),
        (&["a", "b"], &[(Validator::Json, Some("1"))]),
        (
            &["a"],
            &[(Validator::Json, Some("1")), (Validator::None, None)],
        ),
    ] {
        let record = record(topics, values);
        let read = RecordContent::from_joined(
            record.id,
            record.namespace.clone(),
            record.kind,
            record.created,
            &record.joined(),
        );
        assert_eq!(read, Ok(record));
    }
}

#[test]
fn texts_that_do_not_fit_together_are_no_record() {
    let read = |change: fn(&mut Joined<'static>)| {
        let mut joined = Joined {
            topics: "a,b",
            events: b"{1\n{2",
            values: Some(b"1\n2"),
            message: 0..1,
            ..Joined::default()
        };
        change(&mut joined);
        Text::from_joined(&joined).err()
    };
    assert_eq!(read(|_| {}), None);
    assert_eq!(read(|j| j.topics = "a,b,c"), Some(JoinedError::Topics));
    assert_eq!(
        read(|j| j.events = b"{1\n{2\n{3"),
        Some(JoinedError::Topics)
    );
    assert_eq!(read(|j| j.message = 0..3), Some(JoinedError::Message));
    #[expect(clippy::reversed_empty_ranges, reason = "what a damaged row can say")]
    let backwards = read(|j| j.message = 2..1);
    assert_eq!(backwards, Some(JoinedError::Message));
    assert_eq!(read(|j| j.validators = Some("jn")), None);
    for letters in ["j", "jx", ""] {
        let texts = Joined {
            topics: "a",
            values: Some(b"1\n2"),
            validators: Some(letters),
            ..Joined::default()
        };
        let error = Text::from_joined(&texts).err();
        assert_eq!(error, Some(JoinedError::Validators), "{letters}");
    }
}

//! Where in a frame is what a client needs, without decoding the rest?

use std::ops::Range;

/// Before the sequence of an event.
pub const SEQUENCE_FIELD: &str = r#","sequence":"#;
/// Before the reference to its subscription.
pub const SUBSCRIPTION_FIELD: &str = r#","subscription":{"id":""#;
/// Before the name of its delivery.
pub const DELIVERY_FIELD: &str = r#","delivery":""#;
const ID_FIELD: &str = r#""id":""#;
const TAG_FIELD: &str = r#""tag":"n"#;
/// How a batch begins.
const BATCH_START: &str = r#"{"type":"event_batch","id":""#;
/// How long an id is.
pub const ID_BYTES: usize = 36;

/// Where `length` bytes after the first `field` are.
pub fn span(text: &str, field: &str, length: usize) -> Option<Range<usize>> {
    let start = text.find(field)? + field.len();
    text.get(start..start + length)?;
    Some(start..start + length)
}

/// What a client looks at in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The id of the event.
    pub id: &'a str,
    /// Its sequence.
    pub sequence: u64,
    /// The id of the subscription.
    pub subscription: &'a str,
}

/// Looks at a frame with one event.
pub fn event(frame: &str) -> Option<Seen<'_>> {
    let id = if frame.starts_with(r#"{"id":""#) {
        frame.get(7..7 + ID_BYTES)?
    } else {
        &frame[span(frame, ID_FIELD, ID_BYTES)?]
    };
    // The suffix that a delivery adds is at the end.
    let suffix = frame.rfind(SEQUENCE_FIELD)?;
    suffixed(id, &frame[suffix..])
}

fn suffixed<'a>(id: &'a str, suffix: &'a str) -> Option<Seen<'a>> {
    let number = suffix.get(SEQUENCE_FIELD.len()..)?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let subscription = span(suffix, SUBSCRIPTION_FIELD, ID_BYTES)?;
    Some(Seen {
        id,
        sequence: number[..digits].parse().ok()?,
        subscription: &suffix[subscription],
    })
}

/// The number in the tag of an event.
pub fn tag(frame: &str) -> Option<usize> {
    frame[span(frame, TAG_FIELD, 8)?].parse().ok()
}

/// The id of a batch, if the frame is one.
pub fn batch(frame: &str) -> Option<&str> {
    frame
        .strip_prefix(BATCH_START)
        .and_then(|rest| rest.get(..ID_BYTES))
}

/// The sequences of the events of a batch, in order; returns how many they are.
pub fn batch_sequences(frame: &str, mut each: impl FnMut(u64)) -> Option<usize> {
    let mut rest = frame;
    let mut count = 0;
    while let Some(at) = rest.find(SEQUENCE_FIELD) {
        rest = &rest[at + SEQUENCE_FIELD.len()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        each(rest[..digits].parse().ok()?);
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a203f0-7a23-7481-9bdc-a3ebaac16001";
    const SUBSCRIPTION: &str = "01a203f0-7a1c-753f-a029-8368c1617523";

    fn frame() -> String {
        format!(
            r#"{{"id":"{ID}","message":{{"header":{{"id":"x","tag":"n00000042"}}}},"sequence":17,"subscription":{{"id":"{SUBSCRIPTION}","name":"a"}},"delivery":"1-1"}}"#
        )
    }

    #[test]
    fn an_event_is_looked_at_without_decoding_it() {
        let frame = frame();
        let seen = Seen {
            id: ID,
            sequence: 17,
            subscription: SUBSCRIPTION,
        };
        assert_eq!(event(&frame), Some(seen));
        assert_eq!(tag(&frame), Some(42));
        assert_eq!(batch(&frame), None);
        // The order of the fields is the product's affair.
        let other = frame.replacen('{', r#"{"type":"t","#, 1);
        assert_eq!(event(&other), Some(seen));
    }

    #[test]
    fn a_batch_is_looked_at_event_by_event() {
        let text = format!(
            r#"{{"type":"event_batch","id":"{ID}","events":[{},{}]}}"#,
            frame(),
            frame().replace("17", "18")
        );
        assert_eq!(batch(&text), Some(ID));
        let mut sequences = Vec::new();
        assert_eq!(
            batch_sequences(&text, |sequence| sequences.push(sequence)),
            Some(2)
        );
        assert_eq!(sequences, [17, 18]);
    }

    #[test]
    fn what_is_no_event_is_none() {
        for frame in ["", "{}", r#"{"type":"protocol_error","error":"FF10175"}"#] {
            assert_eq!(event(frame), None, "{frame}");
            assert_eq!(batch(frame), None, "{frame}");
        }
    }
}

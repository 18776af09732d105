//! What is appended to an event's stored text when it is delivered?
//!
//! A few fields, once for each delivery: so they are written without the detours of formatting.

use crate::delivery::DeliveryId;
use crate::id::Sequence;
use crate::subscription::SubscriptionRef;

/// Appends `,"sequence":…,"subscription":{…}`.
pub(crate) fn write_place(
    sequence: Sequence,
    subscription: SubscriptionRef<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b",\"sequence\":");
    write_number(sequence.0, out);
    out.extend_from_slice(b",\"subscription\":{\"id\":\"");
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(
        subscription
            .id
            .0
            .hyphenated()
            .encode_lower(&mut id)
            .as_bytes(),
    );
    out.extend_from_slice(b"\",\"namespace\":");
    write_json_text(subscription.namespace, out);
    out.extend_from_slice(b",\"name\":");
    write_json_text(subscription.name, out);
    out.push(b'}');
}

/// Appends `,"delivery":"…","attempt":…`.
pub(crate) fn write_attempt(delivery: DeliveryId, attempt: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"delivery\":\"");
    write_number(delivery.epoch(), out);
    out.push(b'-');
    write_number(delivery.number(), out);
    out.extend_from_slice(b"\",\"attempt\":");
    write_number(attempt, out);
}

fn write_number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a text as JSON, as serde writes it; faster where nothing has to be escaped.
pub fn write_json_text(text: &str, out: &mut Vec<u8>) {
    let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(is_plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing to a Vec does not fail.
        let _ = serde_json::to_writer(out, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SubscriptionId;

    #[test]
    fn what_is_appended_is_the_json_of_its_parts() {
        let id = "0D4E4D6E-5F3B-4D0A-8A8A-6F4F5B0F7B01";
        let id: SubscriptionId = id.parse().unwrap();
        let texts = [
            "",
            "a-b_c.9",
            "a\"b",
            "\\",
            "ü\u{7f}\u{2028}😀",
            "\n\t\u{0}\u{1f}",
        ];
        for (text, number) in texts.into_iter().zip([0, 1, -1, i64::MAX, i64::MIN, 53]) {
            let subscription = SubscriptionRef {
                id,
                namespace: "ns",
                name: text,
            };
            let mut out = Vec::new();
            write_place(Sequence(number), subscription, &mut out);
            let delivery = DeliveryId::new(number.unsigned_abs(), u64::MAX);
            write_attempt(delivery, u32::MAX, &mut out);
            let subscription = serde_json::to_string(&subscription).unwrap();
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!(
                    r#","sequence":{number},"subscription":{subscription},"delivery":"{delivery}","attempt":{}"#,
                    u32::MAX
                )
            );
        }
    }
}

//! How is an event written as a CloudEvent?
//!
//! One that came in as a CloudEvent goes out with the attributes that it came with. Any other is given them: its tag is
//! the type, its topic the subject, its namespace the source. The data is the value of the message; a list, if there
//! are several, and the event itself, if there is none.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use photinus_contract::{Event, write_json_text};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::request::Sample;

/// The content type of one event.
pub(crate) const ONE: &str = "application/cloudevents+json";
/// The content type of several.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

const JSON: &str = "application/json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    #[serde(default)]
    cloud_event: Option<Map<String, Value>>,
}

/// The attributes of an event, in order.
pub(crate) fn attributes(event: &Event) -> BTreeMap<String, String> {
    let content = &event.record().content;
    // What is stored is valid.
    let published: Option<Published> = serde_json::from_slice(content.message_json()).ok();
    let mut attributes: BTreeMap<String, String> = match published.and_then(|p| p.cloud_event) {
        Some(given) => given
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        None => {
            let kind = match content.tag() {
                "" => format!("photinus.{}", event.kind()),
                tag => tag.to_owned(),
            };
            BTreeMap::from([
                (
                    "source".to_owned(),
                    format!("/namespaces/{}", event.namespace()),
                ),
                ("type".to_owned(), kind),
                ("subject".to_owned(), event.topic().to_owned()),
                ("time".to_owned(), event.created().to_string()),
                ("id".to_owned(), event.id().to_string()),
            ])
        }
    };
    attributes.insert("specversion".to_owned(), "1.0".to_owned());
    // It is JSON here, whatever it was before.
    attributes.remove("datacontenttype");
    attributes
}

/// Writes an event with its attributes and its data as one JSON object.
pub(crate) fn write(sample: Sample<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, value) in attributes(sample.event) {
        write_json_text(&name, out);
        out.push(b':');
        write_json_text(&value, out);
        out.push(b',');
    }
    out.extend_from_slice(br#""datacontenttype":"application/json","data":"#);
    write_data(sample, out);
    out.push(b'}');
}

/// Writes the data of an event alone, and says its content type.
pub(crate) fn write_data(sample: Sample<'_>, out: &mut Vec<u8>) -> &'static str {
    let values = sample
        .data
        .unwrap_or_default()
        .iter()
        .map(|data| &*data.value);
    let values: Vec<&RawValue> = values.filter(|value| value.get() != "null").collect();
    match &values[..] {
        [] => sample.event.write_json(out),
        [one] => out.extend_from_slice(one.get().as_bytes()),
        several => {
            for (index, value) in several.iter().enumerate() {
                out.push(if index == 0 { b'[' } else { b',' });
                out.extend_from_slice(value.get().as_bytes());
            }
            out.push(b']');
        }
    }
    JSON
}

/// The value of an attribute as a header has it: what is not printable, and `"` and `%`, percent-encoded.
pub(crate) fn in_header(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' | ..=b' ' | 0x7F.. => {
                // Writing to a String does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_does_not_have_is_encoded() {
        for (value, expected) in [
            ("plain-1.0/x", "plain-1.0/x"),
            ("Euro € 100%", "Euro%20%E2%82%AC%20100%25"),
            ("\"a\"\n", "%22a%22%0A"),
        ] {
            assert_eq!(in_header(value), expected);
        }
    }
}

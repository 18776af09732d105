//! How is an event written as a CloudEvent?
//!
//! One that came in as a CloudEvent goes out with the attributes that it came with. Any other is given them: its tag is
//! the type, its topic the subject, its namespace the source. The data is the value of the message; a list, if there
//! are several, and the event itself, if there is none.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::data::Data;
use crate::event::Event;
use crate::splice::write_json_text;

/// The content type of one event that is written as one JSON object.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The content type of several.
pub const STRUCTURED_BATCH: &str = "application/cloudevents-batch+json";
/// The content type of the data.
pub const DATA: &str = "application/json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    #[serde(default)]
    cloud_event: Option<Map<String, Value>>,
}

/// The attributes that an event was published with, if it came as a CloudEvent.
pub(crate) fn published(event: &Event) -> Option<Map<String, Value>> {
    let message = event.record().content.message_json();
    // Most have none, and are not read for that.
    memchr::memmem::find(message, b"\"cloudEvent\"")?;
    // What is stored is valid.
    let published: Published = serde_json::from_slice(message).ok()?;
    published.cloud_event
}

/// The attributes of an event, in order.
pub fn attributes(event: &Event) -> BTreeMap<String, String> {
    let content = &event.record().content;
    let mut attributes: BTreeMap<String, String> = match published(event) {
        Some(given) => given
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        None => {
            let kind = match content.tag() {
                "" => format!("photinus.{}", event.kind()),
                tag => tag.to_owned(),
            };
            let source = format!("/namespaces/{}", event.namespace());
            BTreeMap::from([
                ("source".to_owned(), source),
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
pub fn write(event: &Event, data: &[Data], out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, value) in attributes(event) {
        write_json_text(&name, out);
        out.push(b':');
        write_json_text(&value, out);
        out.push(b',');
    }
    out.extend_from_slice(br#""datacontenttype":"application/json","data":"#);
    write_data(event, data, out);
    out.push(b'}');
}

/// Writes the data of an event alone.
pub fn write_data(event: &Event, data: &[Data], out: &mut Vec<u8>) {
    match write_values(data, out) {
        true => {}
        false => event.write_json(out),
    }
}

/// Writes the values of a message that are not null: one as it is, several as a list. False if there is none.
pub(crate) fn write_values(data: &[Data], out: &mut Vec<u8>) -> bool {
    let values = data.iter().map(|data| &*data.value);
    let values: Vec<&RawValue> = values.filter(|value| value.get() != "null").collect();
    match &values[..] {
        [] => return false,
        [one] => out.extend_from_slice(one.get().as_bytes()),
        several => {
            for (index, value) in several.iter().enumerate() {
                out.push(if index == 0 { b'[' } else { b',' });
                out.extend_from_slice(value.get().as_bytes());
            }
            out.push(b']');
        }
    }
    true
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

//! What is a CloudEvent, and what message is made of it?

use std::borrow::Cow;

use photinus_contract::name::check_name;
use photinus_contract::{CodedError, Timestamp, write_json_text};
use photinus_engine::{DataText, MessageText};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The version of the specification that is understood.
const SPECVERSION: &str = "1.0";
/// The attributes that each event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// Longest name of an attribute, in bytes.
const NAME_MAX: usize = 64;
/// Most bytes of a key that is kept as it is; a longer one is hashed.
const KEY_MAX: usize = 256;
/// What keys are hashed in, so that they are those of CloudEvents.
const KEYS: Uuid = Uuid::from_u128(0x6a3f_2b1c_9d4e_5f60_8a7b_c0d1_e2f3_0415);

/// An event as it came in.
#[derive(Debug)]
pub(crate) struct CloudEvent {
    id: String,
    source: String,
    kind: String,
    subject: Option<String>,
    /// All attributes, as a JSON object.
    attributes: Box<RawValue>,
    /// What it is about, as JSON.
    data: Option<Box<RawValue>>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(String),
    /// As it was given: a whole number, or a truth value.
    Other(String),
}

/// What an event's data are, as they stand in `attributes` beside what is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// Bytes, as a text in base64.
    Base64,
}

impl CloudEvent {
    /// An event with these attributes, in their order. `PH00470` names what is wrong.
    pub(super) fn new(
        attributes: Vec<(String, Attribute)>,
        data: Option<Box<RawValue>>,
        form: Form,
    ) -> Result<Self, CodedError> {
        for (place, (name, value)) in attributes.iter().enumerate() {
            check(name, value)?;
            if attributes[..place].iter().any(|(other, _)| other == name) {
                return Err(bad(format!("attribute '{name}' is there twice")));
            }
        }
        let text = |name: &str| {
            attributes.iter().find_map(|(other, value)| match value {
                Attribute::Text(text) if other == name => Some(text.as_str()),
                _ => None,
            })
        };
        for name in REQUIRED {
            if text(name).is_none() {
                return Err(bad(format!("attribute '{name}' is missing")));
            }
        }
        let required = |name| text(name).unwrap_or_default().to_owned();
        let event = Self {
            id: required("id"),
            source: required("source"),
            kind: required("type"),
            subject: text("subject").map(str::to_owned),
            attributes: written(&attributes, form)?,
            data,
        };
        check_name(&event.kind, "type")?;
        if let Some(subject) = &event.subject {
            check_name(subject, "subject")?;
        }
        Ok(event)
    }

    /// Source and id together: what tells the event from all others. One that was sent again has the same.
    pub(super) fn key(&self) -> String {
        // There is no space in a source.
        let key = format!("cloudevent {} {}", self.source, self.id);
        match key.len() <= KEY_MAX {
            true => key,
            false => format!("cloudevent {}", Uuid::new_v5(&KEYS, key.as_bytes())),
        }
    }

    /// The message that it is published as.
    pub(super) fn message<'a>(&'a self, key: &'a str) -> MessageText<'a> {
        let mut message = MessageText::default();
        message.header.author = Cow::from(&self.source);
        message.header.tag = Cow::from(&self.kind);
        message.header.topics = self.subject.iter().map(Cow::from).collect();
        message.data = self
            .data
            .iter()
            .map(|data| {
                let mut value = DataText::default();
                value.value = Some(data);
                value
            })
            .collect();
        message.idempotency_key = Cow::from(key);
        message.cloud_event = Some(self.attributes.get());
        message
    }
}

/// What the specification says of single attributes.
fn check(name: &str, value: &Attribute) -> Result<(), CodedError> {
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_lower) {
        return Err(bad(format!(
            "attribute '{name}': a name is 1 to {NAME_MAX} lower-case letters and digits"
        )));
    }
    let is_known = REQUIRED.contains(&name)
        || ["subject", "time", "datacontenttype", "dataschema"].contains(&name);
    let Attribute::Text(text) = value else {
        return match is_known {
            true => Err(bad(format!("attribute '{name}' is not a text"))),
            false => Ok(()),
        };
    };
    if is_known && text.is_empty() {
        return Err(bad(format!("attribute '{name}' is empty")));
    }
    let has_space = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
    match name {
        "specversion" if text != SPECVERSION => Err(bad(format!(
            "attribute 'specversion' is '{text}': expected '{SPECVERSION}'"
        ))),
        "source" | "dataschema" if has_space(text) => Err(bad(format!(
            "attribute '{name}' is no URI: there is a space in '{text}'"
        ))),
        "time" if !text.contains('T') || text.parse::<Timestamp>().is_err() => Err(bad(format!(
            "attribute 'time' is '{text}': expected a time as in RFC 3339"
        ))),
        _ => Ok(()),
    }
}

/// The attributes as they are kept. Their names are lower-case, so what is said beside them is none of them.
fn written(attributes: &[(String, Attribute)], form: Form) -> Result<Box<RawValue>, CodedError> {
    let mut json = vec![b'{'];
    for (name, value) in attributes {
        if json.len() > 1 {
            json.push(b',');
        }
        write_json_text(name, &mut json);
        json.push(b':');
        match value {
            Attribute::Text(text) => write_json_text(text, &mut json),
            Attribute::Other(other) => json.extend_from_slice(other.as_bytes()),
        }
    }
    if form == Form::Base64 {
        json.extend_from_slice(br#","dataIsBase64":true"#);
    }
    json.push(b'}');
    String::from_utf8(json)
        .ok()
        .and_then(|json| RawValue::from_string(json).ok())
        .ok_or_else(|| CodedError::internal("the attributes cannot be written as JSON"))
}

/// What is wrong with an event.
pub(super) fn bad(what: impl std::fmt::Display) -> CodedError {
    CodedError::bad_request("PH00470", format!("No CloudEvent: {what}"))
}

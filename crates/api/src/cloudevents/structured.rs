//! How is an event read whose attributes and data are one JSON object?

use data_encoding::BASE64;
use photinus_contract::CodedError;

use super::event::{Attribute, CloudEvent, Form, bad};
use crate::fields::Fields;

/// Most events of a batch.
const BATCH_MAX: usize = 10_000;

/// One event.
pub(super) fn one(body: &[u8]) -> Result<CloudEvent, CodedError> {
    let members: Fields<'_> = serde_json::from_slice(body).map_err(bad)?;
    event(members)
}

/// A list of events.
pub(super) fn batch(body: &[u8]) -> Result<Vec<CloudEvent>, CodedError> {
    let all: Vec<Fields<'_>> = serde_json::from_slice(body).map_err(bad)?;
    if all.len() > BATCH_MAX {
        return Err(bad(format!(
            "the batch has {} events; at most {BATCH_MAX} are allowed",
            all.len()
        )));
    }
    let events = all.into_iter().enumerate();
    events
        .map(|(place, members)| event(members).map_err(|error| super::at(place, &error)))
        .collect()
}

fn event(Fields(members): Fields<'_>) -> Result<CloudEvent, CodedError> {
    let mut attributes = Vec::with_capacity(members.len());
    let (mut data, mut bytes) = (None, None);
    for (name, value) in members {
        let json = value.get();
        match name.as_str() {
            _ if json == "null" => {}
            "data" if data.is_none() => data = Some(value.to_owned()),
            "data_base64" if bytes.is_none() => {
                let text: String =
                    serde_json::from_str(json).map_err(|_| bad("'data_base64' is not a text"))?;
                BASE64
                    .decode(text.as_bytes())
                    .map_err(|error| bad(format!("'data_base64' is no base64: {error}")))?;
                bytes = Some(value.to_owned());
            }
            "data" | "data_base64" => return Err(bad(format!("'{name}' is there twice"))),
            _ => attributes.push((attribute(&name, json)?, name)),
        }
    }
    let attributes = attributes.into_iter().map(|(value, name)| (name, value));
    match (data, bytes) {
        (Some(_), Some(_)) => Err(bad("it has both 'data' and 'data_base64'")),
        (None, Some(bytes)) => CloudEvent::new(attributes.collect(), Some(bytes), Form::Base64),
        (data, None) => CloudEvent::new(attributes.collect(), data, Form::Json),
    }
}

/// Texts, truth values and whole numbers of 32 bits: other types are written as texts.
fn attribute(name: &str, json: &str) -> Result<Attribute, CodedError> {
    let refused = || {
        bad(format!(
            "attribute '{name}' is {json}: expected a text, true, false, or a whole number of 32 bits"
        ))
    };
    if json.starts_with('"') {
        let text = serde_json::from_str(json).map_err(bad)?;
        return Ok(Attribute::Text(text));
    }
    match json == "true" || json == "false" || json.parse::<i32>().is_ok() {
        true => Ok(Attribute::Other(json.to_owned())),
        false => Err(refused()),
    }
}

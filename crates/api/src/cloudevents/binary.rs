//! How is an event read whose attributes are headers, and whose data are the body?

use data_encoding::BASE64;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use photinus_contract::CodedError;
use serde_json::value::RawValue;

use super::event::{Attribute, CloudEvent, Form, bad};
use super::media_type;
use crate::percent::decode;

/// The header without which it is none.
pub(super) const SPECVERSION: &str = "ce-specversion";
/// What the names of these headers begin with.
const PREFIX: &str = "ce-";
const DATA_CONTENT_TYPE: &str = "datacontenttype";

/// The event of a request.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, CodedError> {
    let mut attributes = Vec::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        if name == DATA_CONTENT_TYPE {
            return Err(bad(
                "the type of the data is the header content-type, and not ce-datacontenttype",
            ));
        }
        let text = std::str::from_utf8(value.as_bytes())
            .ok()
            .and_then(|text| decode(unquoted(text), false))
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                bad(format!(
                    "the header {header} is not UTF-8 in percent encoding"
                ))
            })?;
        attributes.push((name.to_owned(), Attribute::Text(text)));
    }
    let content_type = match headers.get(CONTENT_TYPE) {
        Some(value) => value
            .to_str()
            .map_err(|_| bad("the header content-type is no text"))?,
        None => "",
    };
    if !content_type.is_empty() {
        let value = Attribute::Text(content_type.to_owned());
        attributes.push((DATA_CONTENT_TYPE.to_owned(), value));
    }
    let (data, form) = data(content_type, body)?;
    CloudEvent::new(attributes, data, form)
}

/// The value of a header may stand in quotation marks.
fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('\\')).unwrap_or(text)
}

/// JSON as it is, text as a JSON text, all else as one in base64.
fn data(content_type: &str, body: &[u8]) -> Result<(Option<Box<RawValue>>, Form), CodedError> {
    if body.is_empty() {
        return Ok((None, Form::Json));
    }
    let media_type = media_type(content_type).to_ascii_lowercase();
    if is_json(&media_type) {
        let value: &RawValue = serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body is not JSON: {error}")))?;
        let data = (value.get() != "null").then(|| value.to_owned());
        return Ok((data, Form::Json));
    }
    let (text, form) = match std::str::from_utf8(body) {
        Ok(text) if media_type.starts_with("text/") => (text.to_owned(), Form::Json),
        _ => (BASE64.encode(body), Form::Base64),
    };
    let json = serde_json::to_string(&text).and_then(RawValue::from_string);
    Ok((Some(json.map_err(bad)?), form))
}

/// Without a type it is JSON, as the specification has it.
fn is_json(media_type: &str) -> bool {
    media_type.is_empty() || media_type.ends_with("/json") || media_type.ends_with("+json")
}

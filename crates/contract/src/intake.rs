//! How does what arrives from a broker become a message, and what becomes of it there?

mod queue;

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use crate::content::Base64;
use crate::error::CodedError;
use crate::event::Event;
use crate::message::{DataInput, MessageInput};
use crate::name::NAME_MAX;
use crate::transport::Published;

pub use self::queue::Queue;

/// Where an idempotency key was used before.
const KEY_USED: &str = "FF10430";
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// The value that a body is: JSON as it is, other UTF-8 as a text, anything else as `{"contentType","base64"}`. What
/// says that it is plain text is one also if it could be read as JSON.
pub fn value(body: &[u8], content_type: Option<&str>) -> Box<RawValue> {
    let kind = content_type.unwrap_or_default().trim();
    let text = std::str::from_utf8(body).ok();
    let is_text = kind
        .get(..5)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("text/"));
    if let Some(json) = text
        .filter(|_| !is_text)
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok())
    {
        return json.to_owned();
    }
    let value = match text {
        Some(text) => to_raw_value(text),
        None => to_raw_value(&Base64 {
            content_type: Cow::Borrowed(match kind {
                "" => "application/octet-stream",
                kind => kind,
            }),
            base64: data_encoding::BASE64.encode(body).into(),
        }),
    };
    // Texts are always JSON.
    value.unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A message with one value.
pub fn message(value: Box<RawValue>, topic: &str, tag: &str) -> MessageInput {
    let mut message = MessageInput::default();
    message.header.topics = vec![topic.to_owned()];
    message.header.tag = tag.to_owned();
    message.data.push(DataInput {
        value: Some(value),
        ..DataInput::default()
    });
    message
}

/// The message that answers an event's message, with one value: to this topic, or to those of that message if it is
/// empty. It is given the right `cid` where it is published.
pub fn reply(event: &Event, value: Box<RawValue>, topic: &str, tag: &str) -> Box<MessageInput> {
    let content = &event.record().content;
    let mut message = message(value, topic, tag);
    if topic.is_empty() {
        let topics = (0..content.events_len()).map(|index| content.topic(index).to_owned());
        message.header.topics = topics.collect();
    }
    Box::new(message)
}

/// The key against taking the same message of a source twice. Two messages must not have one key, so a message whose id
/// is too long for one has none, and is taken again if it comes again.
pub fn key(source: &str, message_id: &str) -> String {
    let key = format!("{source}:{message_id}");
    match message_id.is_empty() || key.len() > KEY_BYTES_MAX {
        true => String::new(),
        false => key,
    }
}

/// A text as a name, for topics and tags: a slash becomes a dot, what no name has a hyphen. Empty if nothing is left.
pub fn name(text: &str) -> String {
    let allowed = |letter: char| match letter {
        '/' => '.',
        '.' | '_' | '-' => letter,
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let name: String = text.chars().map(allowed).take(NAME_MAX).collect();
    let ends = |letter: char| !letter.is_ascii_alphanumeric();
    name.trim_matches(ends).to_owned()
}

/// What becomes of what arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// It is in the log, from now or from before.
    Yes,
    /// It cannot be taken now.
    NotNow(String),
    /// It can never be taken, for this reason.
    Never(String),
}

impl Taken {
    /// What the answer to a publish means.
    pub fn of(published: &Result<Published, CodedError>) -> Self {
        match published {
            Ok(_) => Self::Yes,
            Err(error) if error.code() == KEY_USED => Self::Yes,
            Err(error) if error.is_temporary() => Self::NotNow(error.to_string()),
            Err(error) => Self::Never(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::check_name;

    #[test]
    fn a_body_is_json_or_text_or_bytes() {
        for (body, kind, expected) in [
            (
                &br#"{"n":12345678901234567890}"#[..],
                None,
                r#"{"n":12345678901234567890}"#,
            ),
            (b" 5 ", None, "5"),
            (b"5", Some("Text/Plain; charset=utf-8"), r#""5""#),
            (b"5", Some("application/octet-stream"), "5"),
            (b"hi \"you\"", None, r#""hi \"you\"""#),
            (b"", None, r#""""#),
            (
                b"\xff\x00",
                None,
                r#"{"contentType":"application/octet-stream","base64":"/wA="}"#,
            ),
            (
                b"\xff",
                Some("image/png"),
                r#"{"contentType":"image/png","base64":"/w=="}"#,
            ),
        ] {
            assert_eq!(value(body, kind).get().trim(), expected);
        }
    }

    #[test]
    fn a_name_is_made_of_any_text() {
        let long = "a".repeat(100);
        for (text, expected) in [
            ("plant/1/temp", "plant.1.temp"),
            ("/plant/", "plant"),
            ("ä b", "b"),
            ("x y", "x-y"),
            ("//", ""),
            (&long, &long[..64]),
        ] {
            let name = name(text);
            assert_eq!(name, expected);
            assert!(
                name.is_empty() || check_name(&name, "topic").is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_message_has_a_key_if_it_has_an_id_that_fits() {
        assert_eq!(key("orders", "17"), "orders:17");
        assert_eq!(key("orders", ""), "");
        assert_eq!(key("orders", &"x".repeat(250)), "");
    }

    #[test]
    fn a_key_that_was_used_is_a_success() {
        let used = CodedError::new("FF10430", 409, "used");
        assert_eq!(Taken::of(&Err(used)), Taken::Yes);
        let busy = CodedError::unavailable("full");
        assert!(matches!(Taken::of(&Err(busy)), Taken::NotNow(_)));
        let wrong = CodedError::bad_request("FF00140", "wrong");
        assert!(matches!(Taken::of(&Err(wrong)), Taken::Never(_)));
    }
}

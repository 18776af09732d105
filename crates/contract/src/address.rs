//! Where does an event go, when what it says decides that?
//!
//! A template is a text with places in braces: `events/{namespace}/{topic}`. Brokers' exchanges, routing keys, topics
//! and queues are written so.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde_json::Value;

use crate::data::Data;
use crate::error::CodedError;
use crate::event::Event;
use crate::options::SubscriptionOptions;
use crate::ordering::DataPath;

/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 1024;

const EXPECTED: &str = "expected {namespace}, {type}, {topic}, {tag}, {author} or a path into the data such as {data.customer.id}; {{ and }} are braces";

/// An address with places for what an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Namespace,
    Type,
    Topic,
    Tag,
    Author,
    Data(DataPath),
}

impl Template {
    /// What a text means, which is the value of this option. `PH00447` if it means nothing.
    pub fn parse(text: &str, option: &str) -> Result<Self, CodedError> {
        let refuse = |why: fmt::Arguments<'_>| {
            CodedError::bad_request("PH00447", format!("Invalid option '{option}': {why}"))
        };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(refuse(format_args!(
                "at most {TEMPLATE_BYTES_MAX} bytes are allowed"
            )));
        }
        let mut parts = Vec::new();
        let mut fixed = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            fixed.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                fixed.push('{');
                rest = after;
                continue;
            }
            if let Some(after) = brace.strip_prefix("}}") {
                fixed.push('}');
                rest = after;
                continue;
            }
            let inner = brace
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = inner else {
                return Err(refuse(format_args!("a brace stands alone: {EXPECTED}")));
            };
            let Some(place) = Place::parse(name) else {
                let name: String = name.chars().take(64).collect();
                return Err(refuse(format_args!("'{{{name}}}' is no place: {EXPECTED}")));
            };
            if !fixed.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut fixed)));
            }
            parts.push(Part::Place(place));
            rest = after;
        }
        fixed.push_str(rest);
        if !fixed.is_empty() {
            parts.push(Part::Text(fixed));
        }
        Ok(Self { parts })
    }

    /// The address, if it is the same for all events.
    pub fn fixed(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The texts between the places, for a protocol that does not take every character.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Place(_) => None,
        })
    }

    /// The address of an event, whose message has these values. What an event does not have is empty. `escape` makes of
    /// a value what may stand in an address.
    pub fn fill(
        &self,
        event: &Event,
        data: &[Data],
        mut escape: impl FnMut(&str, &mut String),
    ) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Place(place) => escape(&place.of(event, data), &mut out),
            }
        }
        out
    }
}

/// Writes a character percent-encoded: what an address cannot have, or what would mean something in it.
pub fn percent_encode(letter: char, out: &mut String) {
    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
        // A text takes everything.
        let _ = write!(out, "%{byte:02X}");
    }
}

/// Whether the data of the message has to be there to know the address that this option is. It looks and does not parse:
/// of braces that are none it may think that they are a place.
pub fn needs_data(options: &SubscriptionOptions, option: &str) -> bool {
    let text = options.other.get(option).and_then(Value::as_str);
    text.is_some_and(|text| text.contains("{data"))
}

impl Place {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "namespace" => Self::Namespace,
            "type" => Self::Type,
            "topic" => Self::Topic,
            "tag" => Self::Tag,
            "author" => Self::Author,
            _ => Self::Data(DataPath::parse(name)?),
        })
    }

    fn of<'a>(&self, event: &'a Event, data: &'a [Data]) -> Cow<'a, str> {
        let content = &event.record().content;
        Cow::Borrowed(match self {
            Self::Namespace => event.namespace().as_str(),
            Self::Type => event.kind().as_str(),
            Self::Topic => event.topic(),
            Self::Tag => content.tag(),
            Self::Author => content.author(),
            Self::Data(path) => return path.find(content, data).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn places_are_filled_and_what_is_not_there_is_empty() {
        let (event, data) = samples::event("a/b", "tag", r#"{"customer":{"id":"x y"},"n":7}"#);
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{topic}", "[a/b]"),
            ("{namespace}/{type}/{tag}", "[ns]/[message_confirmed]/[tag]"),
            ("a-{data.customer.id}.{data.n}", "a-[x y].[7]"),
            ("{data.nothing}{author}", "[][]"),
            ("{{{topic}}}", "{[a/b]}"),
            ("{{topic}}", "{topic}"),
        ] {
            let template = Template::parse(text, "topic").unwrap();
            let filled = template.fill(&event, std::slice::from_ref(&data), |value, out| {
                out.push('[');
                out.push_str(value);
                out.push(']');
            });
            assert_eq!(filled, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let long = "a".repeat(TEMPLATE_BYTES_MAX + 1);
        for text in [
            "{",
            "}",
            "a{b",
            "a}b",
            "{}",
            "{Topic}",
            "{data[x]}",
            "{a{b}",
            &long,
        ] {
            let error = Template::parse(text, "topic").unwrap_err();
            assert_eq!(error.code(), "PH00447", "{text}");
            assert!(error.to_string().contains("'topic'"), "{error}");
        }
    }

    #[test]
    fn what_a_template_needs_is_known() {
        let template = |text| Template::parse(text, "topic").unwrap();
        let options: SubscriptionOptions =
            serde_json::from_str(r#"{"topic":"a/{topic}","key":"a.{data.b}"}"#).unwrap();
        let needs = ["topic", "key", "other"].map(|option| needs_data(&options, option));
        assert_eq!(needs, [false, true, false]);
        assert_eq!(template("a}}b").fixed(), Some("a}b"));
        assert_eq!(template("a{tag}").fixed(), None);
        assert_eq!(template("a{tag}b").texts().collect::<Vec<_>>(), ["a", "b"]);
    }
}

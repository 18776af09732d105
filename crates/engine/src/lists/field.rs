//! What can be asked of a row?

use std::borrow::Cow;

use photinus_contract::data::Hash;
use photinus_contract::{CodedError, Timestamp};
use uuid::Uuid;

/// What the values of a field are, which decides what can be asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UUID. Compared as text.
    Id,
    /// A hash. Compared as text.
    Hash,
    /// A text.
    Text,
    /// A list of texts, compared as one text with commas in between.
    Texts,
    /// JSON. Compared as text.
    Json,
    /// A whole number.
    Integer,
    /// A point in time.
    Time,
    /// True or false. Every text but `true` asks for false.
    Flag,
}

impl Kind {
    /// Whether its values are texts, of which a part can be asked for.
    pub fn is_text(self) -> bool {
        !matches!(self, Kind::Integer | Kind::Time | Kind::Flag)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Id => "UUID",
            Kind::Hash => "hash",
            Kind::Text => "text",
            Kind::Texts => "list of texts",
            Kind::Json => "JSON",
            Kind::Integer => "whole number",
            Kind::Time => "time",
            Kind::Flag => "boolean",
        }
    }

    /// What a text in a query means for a field of this kind that is no text itself.
    pub(super) fn number(self, text: &str) -> Result<i64, CodedError> {
        match self {
            Kind::Time => text.parse::<Timestamp>().map(Timestamp::as_nanos),
            Kind::Flag => Ok(text.eq_ignore_ascii_case("true").into()),
            _ => text.parse().map_err(|_| {
                let text = format!("Unable to restore '{text}' as a whole number of 64 bits");
                CodedError::bad_request("FF00105", text)
            }),
        }
    }
}

/// What a row has in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing, which is not even different from anything.
    Null,
    /// A text, or several with commas in between, or JSON.
    Text(Cow<'a, str>),
    /// A UUID.
    Id(Uuid),
    /// A hash.
    Hash(Hash),
    /// A whole number, or 0 for false and 1 for true.
    Integer(i64),
    /// A point in time.
    Time(Timestamp),
}

impl<'a> Value<'a> {
    /// A text.
    pub fn text(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }

    /// Texts, as one.
    pub fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let texts: Vec<&str> = texts.collect();
        Value::Text(Cow::Owned(texts.join(",")))
    }

    /// A UUID, if there is one.
    pub fn id(id: Option<Uuid>) -> Self {
        id.map_or(Value::Null, Value::Id)
    }

    /// A time, if there is one.
    pub fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Value::Null, Value::Time)
    }

    /// Its number, if it is one.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Time(time) => Some(time.as_nanos()),
            _ => None,
        }
    }

    /// Its text, if it has one; written into `buffer` if it has to be.
    pub(super) fn in_text<'b>(&'b self, buffer: &'b mut [u8; 64]) -> Option<&'b str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Id(id) => Some(id.hyphenated().encode_lower(buffer)),
            Value::Hash(hash) => {
                *buffer = hash.digits();
                std::str::from_utf8(buffer).ok()
            }
            Value::Null | Value::Integer(_) | Value::Time(_) => None,
        }
    }
}

/// One thing that can be asked of the rows `R` of a collection.
#[derive(Debug)]
pub struct Field<R: ?Sized> {
    /// Its name in a query, in lower case.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The value of a row.
    pub value: for<'a> fn(&'a R) -> Value<'a>,
}

//! How does a client learn what was wrong?

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap;
use uuid::Uuid;

use crate::id::MessageId;

/// Longest text of an error, in characters, as FireFly cuts it.
pub const ERROR_TEXT_MAX: usize = 2048;

/// An error that a client is shown: a stable code, the HTTP status that goes with it, and a text that says
/// what was wrong, where, and what would be right.
///
/// Codes that begin with `FF` mean what they mean in FireFly; ours begin with `PH` (docs/errors.md).
/// Serialises as `{"error":"FF00140: …"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodedError {
    code: Cow<'static, str>,
    status: u16,
    text: String,
    held_by: Option<Uuid>,
}

impl CodedError {
    /// An error with this code and HTTP status.
    pub fn new(code: impl Into<Cow<'static, str>>, status: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if let Some((end, _)) = text.char_indices().nth(ERROR_TEXT_MAX) {
            text.truncate(end);
        }
        Self {
            code: code.into(),
            status,
            text,
            held_by: None,
        }
    }

    /// What is asked for is taken already, by the message of this id.
    pub fn with_holder(mut self, message: MessageId) -> Self {
        self.held_by = Some(message.0);
        self
    }

    /// The message that has taken what was asked for, if that is the error.
    pub fn held_by(&self) -> Option<Uuid> {
        self.held_by
    }

    /// The same error of one of several things: `place` says of which.
    pub fn of(&self, place: &str) -> Self {
        let mut error = Self::new(
            self.code.clone(),
            self.status,
            format!("{place}: {}", self.text),
        );
        error.held_by = self.held_by;
        error
    }

    /// An error of the client: status 400.
    pub fn bad_request(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(code, 400, text)
    }

    /// Something that is not there: status 404.
    pub fn not_found(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(code, 404, text)
    }

    /// What a decoder found wrong with a body or a frame. It has no code: status 400 and the bare text.
    pub fn undecodable(error: impl fmt::Display) -> Self {
        Self::new("", 400, error.to_string())
    }

    /// The server's own failure: status 500.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new("PH00500", 500, text)
    }

    /// The server cannot take this now; the same request may succeed later: status 503.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new("PH00503", 503, text)
    }

    /// This error as the cause of another: the outer code and status, both texts.
    pub fn wrapped_in(&self, code: &'static str, status: u16, text: &str) -> Self {
        Self::new(code, status, format!("{text}: {self}"))
    }

    /// The code, or an empty text for a decoder's words.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the same can succeed later.
    pub fn is_temporary(&self) -> bool {
        self.status >= 500 || self.status == 429
    }
}

impl fmt::Display for CodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.as_ref() {
            "" => f.write_str(&self.text),
            code => write!(f, "{code}: {}", self.text),
        }
    }
}

impl std::error::Error for CodedError {}

impl Serialize for CodedError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("error", &self.to_string())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_code_and_its_cause() {
        let inner = CodedError::not_found("FF10436", "Unknown namespace 'x'");
        let outer = inner.wrapped_in("FF10176", 500, "Invalid data");
        assert_eq!(
            outer.to_string(),
            "FF10176: Invalid data: FF10436: Unknown namespace 'x'"
        );
        assert_eq!((outer.code(), outer.status()), ("FF10176", 500));
        assert_eq!(
            serde_json::to_string(&inner).unwrap(),
            r#"{"error":"FF10436: Unknown namespace 'x'"}"#
        );
        assert_eq!(CodedError::undecodable("EOF").to_string(), "EOF");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let error = CodedError::internal("ä".repeat(ERROR_TEXT_MAX + 5));
        assert_eq!(
            error.to_string(),
            format!("PH00500: {}", "ä".repeat(ERROR_TEXT_MAX))
        );
    }
}

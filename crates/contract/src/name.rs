//! Which names are allowed?

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::CodedError;

/// A name as FireFly has them, as a regular expression; see [`check_name`].
pub const NAME_PATTERN: &str = "^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9])?$";
/// Longest name, in bytes.
pub const NAME_MAX: usize = 64;

/// The name of a namespace: the border that events, messages and subscriptions do not cross. Cheap to
/// clone. Any text can be *asked for*; only checked names are created.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The namespace with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Namespace {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Namespace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Checks that `name`, the value of `field`, is a name as FireFly has them: 1 to 64 characters, letters,
/// digits, `.`, `-` and `_`, a letter or digit at each end. Else `FF00140`.
pub fn check_name(name: &str, field: &str) -> Result<(), CodedError> {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if bytes.len() <= NAME_MAX
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
    {
        return Ok(());
    }
    Err(CodedError::bad_request(
        "FF00140",
        format!(
            "Field '{field}' must be 1-64 characters, including alphanumerics (a-zA-Z0-9), dot (.), dash (-) and underscore (_), and must start/end in an alphanumeric"
        ),
    ))
}

/// As [`check_name`], and the name must not look like a UUID (`FF00141`), because ids and names share a
/// place.
pub fn check_name_no_uuid(name: &str, field: &str) -> Result<(), CodedError> {
    if Uuid::parse_str(name).is_ok() {
        return Err(CodedError::bad_request(
            "FF00141",
            format!("Field '{field}' must not be a UUID"),
        ));
    }
    check_name(name, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "a".repeat(NAME_MAX);
        for name in ["a", "A1", "a.b-c_d", "0x", long.as_str()] {
            assert_eq!(check_name(name, "name"), Ok(()), "{name}");
        }
        let too_long = "a".repeat(NAME_MAX + 1);
        for name in [
            "",
            ".a",
            "a.",
            "-",
            "a b",
            "ä",
            "a/b",
            "a\n",
            too_long.as_str(),
        ] {
            assert_eq!(
                check_name(name, "name").unwrap_err().code(),
                "FF00140",
                "{name:?}"
            );
        }
        for name in [
            "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
            "0d4e4d6e5f3b4d0a8a8a6f4f5b0f7b01",
        ] {
            assert_eq!(
                check_name_no_uuid(name, "name").unwrap_err().code(),
                "FF00141"
            );
            assert_eq!(check_name(name, "name"), Ok(()));
        }
    }
}

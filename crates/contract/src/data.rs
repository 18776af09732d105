//! What are the values of a message?

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::DataId;
use crate::time::Timestamp;

/// A SHA-256 hash: written as 64 lower-case hex digits, read with or without `0x` and in any case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Its 64 lower-case hex digits.
    pub fn digits(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xF)];
        }
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not 64 digits.
    #[error("FF00107: Byte length must be 32 (64 hex characters)")]
    Length,
    /// A character that is no hex digit.
    #[error("FF00106: Invalid hex characters")]
    Digit,
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        if digits.len() != 64 {
            return Err(HashError::Length);
        }
        let value = |digit: u8| (digit as char).to_digit(16).ok_or(HashError::Digit);
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (value(pair[0])? << 4 | value(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a message refers to a value: its id, and the hash that it had when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataRef {
    /// Identifies the value.
    pub id: DataId,
    /// The hash of the value.
    pub hash: Hash,
}

/// How a value was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Validator {
    /// Any JSON, or the JSON Schema of its datatype.
    #[default]
    Json,
    /// Not at all.
    None,
    /// As a definition of the system.
    Definition,
}

impl Validator {
    /// It as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Validator::Json => "json",
            Validator::None => "none",
            Validator::Definition => "definition",
        }
    }

    /// The letter that stands for it where space counts.
    pub fn letter(self) -> char {
        match self {
            Validator::Json => 'j',
            Validator::None => 'n',
            Validator::Definition => 'd',
        }
    }

    /// The one that a letter stands for.
    pub fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'j' => Some(Validator::Json),
            'n' => Some(Validator::None),
            'd' => Some(Validator::Definition),
            _ => None,
        }
    }
}

/// Which datatype a value says it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatatypeRef {
    /// The name of the datatype.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// A file that belongs to stored data: what is known of it besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blob {
    /// The hash of its bytes.
    pub hash: Hash,
    /// How many bytes it has.
    pub size: u64,
    /// Its name, which may hold a path; can be empty.
    pub name: String,
    /// The folder part of a name that is not empty, with a `/` at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A value with all that is known of it. Written as FireFly writes it; `value` is always there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Data {
    /// Identifies the value.
    pub id: DataId,
    /// How it was checked.
    pub validator: Validator,
    /// Its namespace.
    pub namespace: crate::name::Namespace,
    /// Its hash.
    pub hash: Hash,
    /// When it was stored.
    pub created: Timestamp,
    /// Its datatype; only stored data has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datatype: Option<DatatypeRef>,
    /// The JSON text, as it was sent, without white space; `null` only where there is a blob.
    pub value: Box<RawValue>,
    /// Its file; only stored data has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Blob>,
}

impl Data {
    /// A value of the log.
    pub fn new(
        id: DataId,
        validator: Validator,
        namespace: crate::name::Namespace,
        hash: Hash,
        created: Timestamp,
        value: Box<RawValue>,
    ) -> Self {
        Self {
            id,
            validator,
            namespace,
            hash,
            created,
            datatype: None,
            value,
            blob: None,
        }
    }
}

/// A value in a record: published together with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordValue {
    /// How it was checked.
    pub validator: Validator,
    /// Its compact JSON text; `None` where a store keeps it apart because it is large
    /// ([`Log::value`](crate::store::Log::value) reads it).
    pub json: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_in_all_forms_and_written_in_one() {
        let plain = "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a";
        for text in [plain.to_owned(), format!("0x{plain}"), plain.to_uppercase()] {
            assert_eq!(text.parse::<Hash>().unwrap().to_string(), plain);
        }
        assert_eq!("5aa7".parse::<Hash>(), Err(HashError::Length));
        assert_eq!("zz".repeat(32).parse::<Hash>(), Err(HashError::Digit));
        assert_eq!("é".repeat(32).parse::<Hash>(), Err(HashError::Digit));
    }
}

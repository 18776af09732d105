//! Which text is hashed?
//!
//! FireFly hashes JSON as Go writes it: without white space, and with `<`, `>`, `&` and the two line separators
//! of Unicode escaped. Everything else stays as it was sent: the order of keys, the text of numbers, other
//! escapes.

use std::borrow::Cow;

use photinus_contract::data::Hash;
use sha2::{Digest, Sha256};

/// The hash of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// What a byte of JSON may need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    /// Nothing.
    Plain,
    Quote,
    Backslash,
    Space,
    /// It is, or begins, a character that Go escapes.
    Escaped,
}

const BYTES: [Byte; 256] = {
    let mut bytes = [Byte::Plain; 256];
    bytes[b'"' as usize] = Byte::Quote;
    bytes[b'\\' as usize] = Byte::Backslash;
    bytes[b' ' as usize] = Byte::Space;
    bytes[b'\t' as usize] = Byte::Space;
    bytes[b'\n' as usize] = Byte::Space;
    bytes[b'\r' as usize] = Byte::Space;
    bytes[b'<' as usize] = Byte::Escaped;
    bytes[b'>' as usize] = Byte::Escaped;
    bytes[b'&' as usize] = Byte::Escaped;
    // The first byte of both line separators, and of others.
    bytes[0xE2] = Byte::Escaped;
    bytes
};

/// The escape that Go writes for the character at the beginning, if it writes one where others do not, and how many
/// bytes the character has.
fn escape(text: &[u8]) -> Option<(&'static str, usize)> {
    Some(match text {
        [b'<', ..] => ("\\u003c", 1),
        [b'>', ..] => ("\\u003e", 1),
        [b'&', ..] => ("\\u0026", 1),
        [0xE2, 0x80, 0xA8, ..] => ("\\u2028", 3),
        [0xE2, 0x80, 0xA9, ..] => ("\\u2029", 3),
        _ => return None,
    })
}

/// Compact JSON with Go's escapes. The characters in question stand only within strings.
pub(super) fn escaped(json: &[u8]) -> Cow<'_, [u8]> {
    let plain = |byte: &u8| BYTES[usize::from(*byte)] != Byte::Escaped;
    match json.iter().all(plain) {
        true => json.into(),
        false => normalised(json),
    }
}

/// Valid JSON without white space and with Go's escapes. What is so already is not copied.
pub(crate) fn normalised(json: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut in_string = false;
    // What is before this is in `out`.
    let (mut taken, mut at) = (0, 0);
    while let Some(byte) = json.get(at) {
        let (replaced, with) = match BYTES[usize::from(*byte)] {
            Byte::Plain => (0, ""),
            Byte::Quote => {
                in_string = !in_string;
                (0, "")
            }
            Byte::Backslash => {
                at += 1;
                (0, "")
            }
            Byte::Space if in_string => (0, ""),
            Byte::Space => (1, ""),
            Byte::Escaped => escape(&json[at..]).map_or((0, ""), |(escape, len)| (len, escape)),
        };
        if replaced > 0 {
            if out.is_empty() {
                out.reserve(json.len() + 16);
            }
            out.extend_from_slice(&json[taken..at]);
            out.extend_from_slice(with.as_bytes());
            taken = at + replaced;
        }
        at += replaced.max(1);
    }
    if taken == 0 {
        return json.into();
    }
    out.extend_from_slice(&json[taken..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_normalised_as_go_does() {
        for (json, expected) in [
            (
                r#" { "a" : [ 1.0 , 1E+05 , -0 ] } "#,
                r#"{"a":[1.0,1E+05,-0]}"#,
            ),
            (r#"{"a":"x < y"}"#, r#"{"a":"x \u003c y"}"#),
            (r#"{"<k>":"&"}"#, r#"{"\u003ck\u003e":"\u0026"}"#),
            ("\"\u{2028}\u{2029}\u{2027}\"", "\"\\u2028\\u2029\u{2027}\""),
            ("\"a\" ", r#""a""#),
            (r#""<\\" "#, r#""\u003c\\""#),
            (r#""a \" b \\""#, r#""a \" b \\""#),
            (r#""\u003C \/ \ud800""#, r#""\u003C \/ \ud800""#),
            (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":1,"a":2,"b":3}"#),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(&*normalised(json.as_bytes()), expected.as_bytes());
            assert_eq!(&*escaped(expected.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn what_is_normalised_already_is_not_copied() {
        for (json, is_copied) in [(r#"{"a":"b c"}"#, false), (r#"{"a": 1}"#, true)] {
            let normalised = normalised(json.as_bytes());
            assert_eq!(matches!(normalised, Cow::Owned(_)), is_copied, "{json}");
        }
        assert_eq!(&*escaped(b"\"a b<\""), b"\"a b\\u003c\"");
    }

    #[test]
    fn values_hash_as_in_firefly() {
        for (value, hash) in [
            (
                r#""hello""#,
                "5aa762ae383fbb727af3c7a36d4940a5b8c40a989452d2304fc958ff3f354e7a",
            ),
            (
                r#"{"a": "x < y"}"#,
                "dc72702373c12812015b3546f8bbbc4d79d5812ddcceaf068e240903584011d9",
            ),
        ] {
            assert_eq!(sha256(&normalised(value.as_bytes())).to_string(), hash);
        }
        assert_eq!(
            sha256(b"[]").to_string(),
            "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
        );
    }
}

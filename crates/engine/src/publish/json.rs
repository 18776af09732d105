//! Which text is hashed?
//!
//! FireFly hashes JSON as Go writes it: without white space, and with `<`, `>`, `&` and the two line separators
//! of Unicode escaped. Everything else stays as it was sent: the order of keys, the text of numbers, other
//! escapes.

use std::borrow::Cow;

use photinus_contract::data::Hash;
use sha2::{Digest, Sha256};

/// The hash of some bytes.
pub(super) fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The escape that Go writes for a character, if it writes one where others do not.
fn escape(character: char) -> Option<&'static str> {
    Some(match character {
        '<' => "\\u003c",
        '>' => "\\u003e",
        '&' => "\\u0026",
        '\u{2028}' => "\\u2028",
        '\u{2029}' => "\\u2029",
        _ => return None,
    })
}

/// Compact JSON with Go's escapes. The characters in question stand only within strings.
pub(super) fn escaped(json: &str) -> Cow<'_, str> {
    if json.chars().all(|character| escape(character).is_none()) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match escape(character) {
            Some(escape) => out.push_str(escape),
            None => out.push(character),
        }
    }
    Cow::Owned(out)
}

/// Valid JSON without white space and with Go's escapes.
pub(super) fn normalised(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut in_string = false;
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                out.push(character);
                out.extend(characters.next());
                continue;
            }
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            _ => {}
        }
        match escape(character) {
            Some(escape) => out.push_str(escape),
            None => out.push(character),
        }
    }
    out
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
            ("\"\u{2028}\u{2029}\"", r#""\u2028\u2029""#),
            (r#""a \" b \\""#, r#""a \" b \\""#),
            (r#""\u003C \/ \ud800""#, r#""\u003C \/ \ud800""#),
            (r#"{"b":1,"a":2,"b":3}"#, r#"{"b":1,"a":2,"b":3}"#),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(normalised(json), expected);
            assert_eq!(escaped(expected), expected);
        }
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
            assert_eq!(sha256(normalised(value).as_bytes()).to_string(), hash);
        }
        assert_eq!(
            sha256(b"[]").to_string(),
            "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
        );
    }
}

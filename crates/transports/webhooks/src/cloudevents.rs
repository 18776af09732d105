//! How does an attribute of a CloudEvent stand in a header?

use std::fmt::Write as _;

/// The value of an attribute as a header has it: what is not printable, and `"` and `%`, percent-encoded.
pub(crate) fn in_header(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' | ..=b' ' | 0x7F.. => {
                // Writing to a String does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_does_not_have_is_encoded() {
        for (value, expected) in [
            ("plain-1.0/x", "plain-1.0/x"),
            ("Euro € 100%", "Euro%20%E2%82%AC%20100%25"),
            ("\"a\"\n", "%22a%22%0A"),
        ] {
            assert_eq!(in_header(value), expected);
        }
    }
}

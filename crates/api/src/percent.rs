//! How is text written in a URL?

/// Takes `%xx` escapes back; nothing if one is broken. In a query, `+` stands for a space as well.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_back() {
        for (text, path, query) in [
            ("abc", Some("abc"), Some("abc")),
            ("a%20b+c", Some("a b+c"), Some("a b c")),
            ("%2F%2f%C3%A4", Some("//ä"), Some("//ä")),
            ("%2", None, None),
            ("%", None, None),
            ("%zz", None, None),
        ] {
            let expected = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            assert_eq!(decode(text, false), expected(path), "{text}");
            assert_eq!(decode(text, true), expected(query), "{text}");
        }
    }
}

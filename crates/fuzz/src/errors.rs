//! Is an error one that a client may be shown?

use std::collections::BTreeMap;
use std::sync::OnceLock;

use photinus_contract::CodedError;
use photinus_contract::error::ERROR_TEXT_MAX;

/// The table of our own codes, as it is published.
const DOCUMENT: &str = include_str!("../../../docs/errors.md");

/// Checks an error that a parser gave.
pub(crate) fn check(error: &CodedError) {
    check_text(error.status(), &error.to_string());
    assert!(!error.to_string().is_empty());
    let text = error.to_string();
    assert!(
        text.chars().count() <= ERROR_TEXT_MAX + "FF00000: ".len(),
        "{text}"
    );
    if error.code().is_empty() {
        assert_eq!(error.status(), 400, "a decoder's words: {text}");
    }
}

/// Checks the text of an error that a client was shown with this status: what begins with a code of ours has
/// the status that docs/errors.md says, and only a decoder's words have no code.
pub(crate) fn check_text(status: u16, text: &str) {
    assert!(
        matches!(status, 400..=499 | 503),
        "status {status} is no answer to bad input: {text}"
    );
    match code(text) {
        None => assert_eq!(status, 400, "an error without a code: {text}"),
        Some(code) if code.starts_with("PH") => assert_eq!(
            documented().get(code),
            Some(&status),
            "docs/errors.md has no {code} with status {status}: {text}"
        ),
        Some(_) => assert_ne!(status, 503, "{text}"),
    }
}

/// The code that a text begins with.
pub(crate) fn code(text: &str) -> Option<&str> {
    let (code, _) = text.split_once(": ")?;
    let (prefix, digits) = code.split_at_checked(2)?;
    let is_code = ["FF", "PH"].contains(&prefix)
        && digits.len() == 5
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_code.then_some(code)
}

fn documented() -> &'static BTreeMap<&'static str, u16> {
    static CODES: OnceLock<BTreeMap<&'static str, u16>> = OnceLock::new();
    CODES.get_or_init(|| {
        let rows = DOCUMENT.lines().filter(|line| line.starts_with("| PH"));
        let codes: BTreeMap<_, _> = rows
            .filter_map(|row| {
                let mut cells = row.split('|').map(str::trim).skip(1);
                Some((cells.next()?, cells.next()?.parse().ok()?))
            })
            .collect();
        assert!(!codes.is_empty(), "docs/errors.md has a table of codes");
        codes
    })
}

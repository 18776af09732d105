//! How is text from elsewhere shown, so that it stays on its line and cannot play with the terminal?

use unicode_width::UnicodeWidthChar;

/// The text with everything that is not to be seen written as an escape.
pub(crate) fn plain(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`plain`], on as many lines as the text has.
pub(crate) fn plain_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) || !(c.is_control() || moves_the_line(c)) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

/// Marks that change in which direction, or on which line, the rest of the text is shown.
fn moves_the_line(c: char) -> bool {
    matches!(
        c,
        '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
    ) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// How many columns of a terminal the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text if it fits into so many columns, else as much of it as does, and a mark.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// The text, and blanks up to so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{:blanks$}", "")
}

/// A time of the API (UTC, RFC 3339) to the millisecond, always as wide.
pub(crate) fn time(text: &str) -> String {
    let Some((seconds, rest)) = text.split_at_checked(19) else {
        return plain(text);
    };
    let fraction: String = rest
        .strip_prefix('.')
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .take(3)
        .collect();
    format!("{}.{fraction:0<3}Z", plain(seconds))
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_plays_with_the_terminal() {
        for (text, expected) in [
            ("Grüße, 世界 🎉", "Grüße, 世界 🎉"),
            ("\u{1b}[2J\r\n\t", "\\u{1b}[2J\\r\\n\\t"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("\u{7f}", "\\u{7f}"),
            ("user\u{202e}gnp.exe", "user\\u{202e}gnp.exe"),
        ] {
            assert_eq!(plain(text), expected);
        }
        assert_eq!(plain_lines("a\n\tb\u{1b}"), "a\n\tb\\u{1b}");
    }

    #[test]
    fn text_is_cut_by_columns_and_not_by_characters() {
        for (text, columns, expected) in [
            ("hello", 5, "hello"),
            ("hello!", 5, "hell…"),
            ("世界世界", 8, "世界世界"),
            ("世界世界", 7, "世界世…"),
            ("世界世界", 6, "世界…"),
            ("ab", 1, "…"),
        ] {
            let shown = shortened(text, columns);
            assert_eq!(shown, expected);
            assert!(width(&shown) <= columns);
        }
        assert_eq!(padded("世", 4), "世  ");
        assert_eq!(padded("long", 2), "long");
    }

    #[test]
    fn times_are_as_wide_as_each_other() {
        for (text, expected) in [
            ("2026-11-22T10:44:38.188955Z", "2026-11-22T10:44:38.188Z"),
            ("2026-11-22T10:44:38Z", "2026-11-22T10:44:38.000Z"),
            ("2026-11-22T10:44:38.5Z", "2026-11-22T10:44:38.500Z"),
            ("soon", "soon"),
        ] {
            assert_eq!(time(text), expected);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}

//! How is a number written?

use crate::measurement::Unit;
use crate::statistics::Rounds;

/// With as many digits as mean something, and a comma before each three.
pub(crate) fn number(value: f64) -> String {
    if value < 0.0 {
        return format!("-{}", number(-value));
    }
    let decimals = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// The median with its unit.
pub(crate) fn median(rounds: &Rounds, unit: Unit) -> String {
    with_unit(rounds.median, unit)
}

/// A value with its unit.
pub(crate) fn with_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond | Unit::Times => format!("{}{}", number(value), unit.text()),
        unit => format!("{} {}", number(value), unit.text()),
    }
}

/// From the lowest to the highest.
pub(crate) fn spread(rounds: &Rounds) -> String {
    format!("{}–{}", number(rounds.min), number(rounds.max))
}

/// How much of a limit.
pub(crate) fn share(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{:.0} %", share * 100.0))
}

/// Whether something was reached.
pub(crate) fn mark(is_reached: bool) -> &'static str {
    if is_reached { "✓" } else { "✗" }
}

/// How many times as good.
pub(crate) fn factor(factor: f64) -> String {
    match factor {
        factor if factor >= 10.0 => format!("{factor:.0}×"),
        factor => format!("{factor:.1}×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        for (value, text) in [
            (0.0, "0.00"),
            (7.126, "7.13"),
            (42.05, "42.0"),
            (627.4, "627"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-123.4, "-123"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (factor(5.04), factor(12.4)),
            ("5.0×".to_owned(), "12×".to_owned())
        );
        assert_eq!(
            (share(Some(0.756)), share(None)),
            ("76 %".to_owned(), String::new())
        );
    }
}

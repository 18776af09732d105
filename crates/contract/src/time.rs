//! How are times and durations written?
//!
//! As FireFly writes them: RFC 3339 in UTC with as many digits as are needed, and durations in Go's
//! notation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::CodedError;

/// A point in time, in nanoseconds since 1970 (UTC). Written as RFC 3339 with `Z`, trailing zeros of the
/// fraction dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `nanos` nanoseconds after 1970.
    pub fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    pub fn as_nanos(self) -> i64 {
        self.0
    }

    /// The later of two times.
    pub fn max(self, other: Self) -> Self {
        Ord::max(self, other)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads RFC 3339 with any offset, or digits: below 10^10 they are seconds, below 10^15 milliseconds, else
/// nanoseconds. Anything else is `FF00136`.
impl FromStr for Timestamp {
    type Err = CodedError;

    fn from_str(text: &str) -> Result<Self, CodedError> {
        let bad = || {
            CodedError::bad_request(
                "FF00136",
                format!(
                    "Unable to parse time '{text}': expected RFC 3339, or digits (seconds, milliseconds or nanoseconds)"
                ),
            )
        };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: i64 = text.parse().map_err(|_| bad())?;
            return Ok(Self(match number {
                0..=9_999_999_999 => number.checked_mul(1_000_000_000).ok_or_else(bad)?,
                10_000_000_000..=999_999_999_999_999 => {
                    number.checked_mul(1_000_000).ok_or_else(bad)?
                }
                _ => number,
            }));
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        i64::try_from(time.as_nanosecond())
            .map(Self)
            .map_err(|_| bad())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A duration as a client wrote it: kept as given, and understood. Go's notation (`1h2m3.5s`, `250ms`) or a
/// numeric text, which is milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DurationText {
    text: String,
    value: Duration,
}

impl DurationText {
    /// What the text means.
    pub fn value(&self) -> Duration {
        self.value
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for DurationText {
    type Err = CodedError;

    fn from_str(text: &str) -> Result<Self, CodedError> {
        let value = parse_duration(text).ok_or_else(|| {
            CodedError::bad_request(
                "FF00137",
                format!("Unable to parse '{text}' as duration: expected a text such as '250ms', '1m30s', or digits for milliseconds"),
            )
        })?;
        Ok(Self {
            text: text.to_owned(),
            value,
        })
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_millis);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        // The longest unit first: "ms" is not minutes followed by an "s".
        let (unit, nanos) = [
            ("ns", 1u64),
            ("us", 1_000),
            ("µs", 1_000),
            ("μs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ]
        .into_iter()
        .find(|(unit, _)| tail.starts_with(unit))?;
        rest = &tail[unit.len()..];
        total = total.checked_add(scaled(number, nanos)?)?;
    }
    Some(total)
}

/// `number` (digits with at most one point) times `nanos`, exactly.
fn scaled(number: &str, nanos: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = u128::from(whole) * u128::from(nanos);
    let mut unit = u128::from(nanos) * 1_000_000_000_000;
    for digit in fraction.bytes().take(20) {
        unit /= 10;
        total = total.checked_add(u128::from(digit - b'0') * unit / 1_000_000_000_000)?;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_forms_and_written_in_one() {
        for (text, written) in [
            ("2026-01-02T03:04:06.700Z", "2026-01-02T03:04:06.7Z"),
            ("2026-01-02T05:04:06.7+02:00", "2026-01-02T03:04:06.7Z"),
            ("2026-01-02T03:04:06Z", "2026-01-02T03:04:06Z"),
            (
                "2026-01-02T03:04:06.123456789Z",
                "2026-01-02T03:04:06.123456789Z",
            ),
            ("1690000000", "2023-07-22T04:26:40Z"),
            ("1690000000123", "2023-07-22T04:26:40.123Z"),
            ("1690000000123456789", "2023-07-22T04:26:40.123456789Z"),
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap().to_string(),
                written,
                "{text}"
            );
        }
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "99999999999999999999",
            // Seconds, and after the year 2262.
            "9999999999",
        ] {
            assert_eq!(
                text.parse::<Timestamp>().unwrap_err().code(),
                "FF00136",
                "{text}"
            );
        }
    }

    #[test]
    fn durations_are_go_notation_or_milliseconds() {
        for (text, nanos) in [
            ("250", 250_000_000u64),
            ("0", 0),
            ("0ms", 0),
            ("250ms", 250_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("1.000000001s", 1_000_000_001),
        ] {
            let parsed: DurationText = text.parse().unwrap();
            assert_eq!(parsed.value(), Duration::from_nanos(nanos), "{text}");
            assert_eq!(parsed.as_str(), text);
        }
        for text in ["", "s", "1", "1x", "-1s", "1.2.3s", ".s", "1s "] {
            let parsed = text.parse::<DurationText>();
            if text == "1" {
                assert!(parsed.is_ok());
            } else {
                assert_eq!(parsed.unwrap_err().code(), "FF00137", "{text:?}");
            }
        }
    }
}

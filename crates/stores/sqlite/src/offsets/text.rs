//! How does a position say in few letters what is settled above it, and what has failed?

use std::fmt::Write;
use std::ops::RangeInclusive;

use photinus_contract::store::Failures;
use photinus_contract::{Sequence, Timestamp};

/// `gap` or `gap+more` for each range: how far it begins above the end of the one before (the first: above
/// the offset), and how many follow in it. Short, because ranges lie close together.
pub(super) fn write_settled(offset: Sequence, settled: &[RangeInclusive<i64>]) -> String {
    let mut text = String::new();
    let mut end = offset.0;
    for range in settled {
        separate(&mut text);
        let _ = write!(text, "{}", range.start() - end);
        if range.end() != range.start() {
            let _ = write!(text, "+{}", range.end() - range.start());
        }
        end = *range.end();
    }
    text
}

pub(super) fn read_settled(offset: Sequence, text: &str) -> Option<Vec<RangeInclusive<i64>>> {
    let mut end = offset.0;
    items(text)
        .map(|item| {
            let (gap, more) = item.split_once('+').unwrap_or((item, "0"));
            let start = end.checked_add_unsigned(distance(gap)?)?;
            end = start.checked_add_unsigned(more.parse().ok()?)?;
            Some(start..=end)
        })
        .collect()
}

/// `distance:count` or `distance:count@since` for each event: how far it is above the offset, and in nanoseconds since
/// 1970 when the first of these attempts was made.
pub(super) fn write_failures(offset: Sequence, failures: &[Failures]) -> String {
    let mut text = String::new();
    for failures in failures {
        separate(&mut text);
        let _ = write!(
            text,
            "{}:{}",
            failures.sequence.0 - offset.0,
            failures.count
        );
        if let Some(since) = failures.since {
            let _ = write!(text, "@{}", since.as_nanos());
        }
    }
    text
}

pub(super) fn read_failures(offset: Sequence, text: &str) -> Option<Vec<Failures>> {
    items(text)
        .map(|item| {
            let (above, count) = item.split_once(':')?;
            let (count, since) = match count.split_once('@') {
                Some((count, since)) => (count, Some(Timestamp::from_nanos(since.parse().ok()?))),
                None => (count, None),
            };
            let sequence = offset.0.checked_add_unsigned(distance(above)?)?;
            Some(Failures::new(
                Sequence(sequence),
                count.parse().ok()?,
                since,
            ))
        })
        .collect()
}

/// How far something is above something else, which is never nothing.
fn distance(text: &str) -> Option<u64> {
    text.parse().ok().filter(|distance| *distance > 0)
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|item| !item.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settled_ranges_survive_their_text() {
        for (offset, settled, text) in [
            (-1, vec![], ""),
            (-1, vec![1..=1], "2"),
            (10, vec![12..=14, 16..=16, 20..=29], "2+2,2,4+9"),
        ] {
            assert_eq!(write_settled(Sequence(offset), &settled), text);
            assert_eq!(read_settled(Sequence(offset), text).unwrap(), settled);
        }
        for text in [
            "x",
            "1+",
            "+1",
            "0",
            "-1",
            "1+-1",
            "1,0+1",
            "9223372036854775807",
        ] {
            assert_eq!(read_settled(Sequence(1), text), None, "{text}");
        }
    }

    #[test]
    fn failures_survive_their_text() {
        let since = Some(Timestamp::from_nanos(-5));
        let failures = vec![
            Failures::new(Sequence(12), 1, None),
            Failures::new(Sequence(17), 40, since),
        ];
        let text = write_failures(Sequence(10), &failures);
        assert_eq!(text, "2:1,7:40@-5");
        assert_eq!(read_failures(Sequence(10), &text).unwrap(), failures);
        for text in [
            "2", "2:", ":1", "2:-1", "0:1", "-2:1", "2:1@", "2:1@x", "2@1:1",
        ] {
            assert_eq!(read_failures(Sequence(10), text), None, "{text}");
        }
    }
}

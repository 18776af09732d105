//! What is said of several rounds, and of many latencies?

use std::time::Duration;

use serde::Serialize;

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More a second.
    More,
    /// Less time, less memory.
    Less,
}

/// What rounds showed: the median, and the lowest and the highest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rounds {
    /// The middle one; between the two in the middle, if they are even.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// Each, in the order in which they were measured.
    pub each: Vec<f64>,
}

impl Rounds {
    /// Of at least one round.
    pub fn of(each: Vec<f64>) -> Option<Self> {
        let sorted = sorted(&each);
        Some(Self {
            median: median(&sorted)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
            each,
        })
    }
}

/// How much of a limit is reached: 1 is as good as it, 0.5 half as good. Each round is compared with the limit of
/// the same round, because what disturbs the machine lasts longer than a round; the median of that.
pub fn share_of_limit(better: Better, product: &[f64], limit: &[f64]) -> Option<f64> {
    let shares: Vec<f64> = product
        .iter()
        .zip(limit)
        .filter(|(product, limit)| **product > 0.0 && **limit > 0.0)
        .map(|(product, limit)| match better {
            Better::More => product / limit,
            Better::Less => limit / product,
        })
        .collect();
    median(&sorted(&shares))
}

/// The value below which that part of all lies, 0.5 for the median; the nearest rank, never in between.
pub fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// p50, p90, p99 and the longest, in microseconds.
pub fn latencies(all: &[Duration]) -> Option<[f64; 4]> {
    let micros: Vec<f64> = all.iter().map(|one| one.as_secs_f64() * 1e6).collect();
    let sorted = sorted(&micros);
    Some([
        percentile(&sorted, 0.5)?,
        percentile(&sorted, 0.9)?,
        percentile(&sorted, 0.99)?,
        *sorted.last()?,
    ])
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    match sorted.len() % 2 {
        1 => Some(*upper),
        _ => Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let rounds = Rounds::of(vec![5.0, 1.0, 9.0, 2.0, 8.0]).unwrap();
        assert_eq!((rounds.median, rounds.min, rounds.max), (5.0, 1.0, 9.0));
        assert_eq!(rounds.each, [5.0, 1.0, 9.0, 2.0, 8.0]);
        assert_eq!(Rounds::of(vec![1.0, 4.0]).unwrap().median, 2.5);
        assert_eq!(Rounds::of(vec![7.0]).unwrap().median, 7.0);
        assert_eq!(Rounds::of(vec![]), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        for (part, value) in [
            (0.5, 50.0),
            (0.9, 90.0),
            (0.99, 99.0),
            (1.0, 100.0),
            (0.0, 1.0),
        ] {
            assert_eq!(percentile(&hundred, part), Some(value), "{part}");
        }
        assert_eq!(percentile(&[3.0, 4.0, 10.0], 0.99), Some(10.0));
        assert_eq!(percentile(&[], 0.5), None);
        let micros: Vec<Duration> = (1..=1_000).rev().map(Duration::from_micros).collect();
        let [p50, p90, p99, longest] = latencies(&micros).unwrap().map(f64::round);
        assert_eq!([p50, p90, p99, longest], [500.0, 900.0, 990.0, 1_000.0]);
    }

    #[test]
    fn rounds_are_compared_with_the_limit_of_the_same_round() {
        // The machine was twice as slow in the second round: the share is the same.
        let share = share_of_limit(Better::More, &[50.0, 25.0, 50.0], &[100.0, 50.0, 100.0]);
        assert_eq!(share, Some(0.5));
        let share = share_of_limit(Better::Less, &[200.0, 400.0], &[100.0, 200.0]);
        assert_eq!(share, Some(0.5));
        assert_eq!(share_of_limit(Better::Less, &[0.0], &[100.0]), None);
        assert_eq!(share_of_limit(Better::More, &[], &[]), None);
    }
}

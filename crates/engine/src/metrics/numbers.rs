//! How is something counted for next to nothing?
//!
//! In relaxed atomics. What is read while others count may be a moment apart; nothing is ever lost.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Bounds of buckets for what takes between 50 µs and 10 s, in nanoseconds.
pub const SECONDS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Bounds of buckets for what an application takes: between 100 µs and 5 minutes, in nanoseconds.
pub(crate) const ANSWERS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
    300_000_000_000,
];

/// Something that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Something to which several add and from which they take away again.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    /// One who has added `before` has `now` from now on.
    pub(crate) fn change(&self, before: u64, now: u64) {
        if before != now {
            let more = now.wrapping_sub(before).cast_signed();
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

/// How often something was how large.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, not cumulative, and one for what is above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] says at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Buckets {
    /// The upper bound of each bucket, and how many values are in it and those below. Rising.
    pub cumulative: Vec<(u64, u64)>,
    /// How many values there are in all.
    pub count: u64,
    /// What they add up to.
    pub sum: u64,
}

impl Histogram {
    /// Buckets with these upper bounds, rising, in whatever is observed: nanoseconds, bytes, records.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a time, in nanoseconds.
    pub fn took(&self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts so many things that took the same time, in nanoseconds.
    pub(crate) fn took_each(&self, time: Duration, count: u64) {
        let value = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        self.sum
            .fetch_add(value.saturating_mul(count), Ordering::Relaxed);
    }

    /// What it says now.
    pub fn read(&self) -> Buckets {
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(self.bounds.len());
        let mut counts = self.counts.iter();
        for (bound, here) in self.bounds.iter().zip(&mut counts) {
            count += here.load(Ordering::Relaxed);
            cumulative.push((*bound, count));
        }
        let above: u64 = counts.map(|here| here.load(Ordering::Relaxed)).sum();
        Buckets {
            cumulative,
            count: count + above,
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Buckets {
    /// Only the buckets from this bound on; what was below counts with the first of them.
    pub fn from_bound(mut self, bound: u64) -> Self {
        self.cumulative.retain(|(upper, _)| *upper >= bound);
        self
    }

    /// All values of both. They have the same bounds.
    pub fn with(mut self, other: &Self) -> Self {
        if self.cumulative.is_empty() {
            return other.clone();
        }
        for (mine, theirs) in self.cumulative.iter_mut().zip(&other.cumulative) {
            mine.1 += theirs.1;
        }
        self.count += other.count;
        self.sum += other.sum;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_is_not_below_it() {
        let histogram = Histogram::new(&[10, 20, 30]);
        for value in [0, 10, 11, 20, 30, 31, 1_000] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read.cumulative, [(10, 2), (20, 4), (30, 5)]);
        assert_eq!((read.count, read.sum), (7, 1_102));
        let coarse = read.clone().from_bound(20);
        assert_eq!(coarse.cumulative, [(20, 4), (30, 5)]);
        let both = read.with(&histogram.read());
        assert_eq!(both.cumulative, [(10, 4), (20, 8), (30, 10)]);
        assert_eq!((both.count, both.sum), (14, 2_204));
    }

    #[test]
    fn a_gauge_is_what_all_have_together() {
        let gauge = Gauge::default();
        gauge.change(0, 5);
        gauge.change(0, 2);
        gauge.change(5, 1);
        assert_eq!(gauge.get(), 3.0);
    }

    #[test]
    fn the_bounds_rise() {
        assert!(SECONDS.is_sorted() && ANSWERS.is_sorted());
    }
}

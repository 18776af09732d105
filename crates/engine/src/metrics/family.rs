//! How is a figure described?

use super::Buckets;

/// All figures of one name, which differ in the values of their labels.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// `photinus_…`, or FireFly's name where it has one. Ends in the base unit, if there is one, and of what only
    /// grows in `_total`.
    pub name: &'static str,
    /// How its values are to be understood.
    pub kind: Kind,
    /// What its figures differ in. No client can choose a value freely.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence or two.
    pub help: &'static str,
}

/// How values are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// They only grow while the process lives.
    Counter,
    /// They go up and down.
    Gauge,
    /// How often something was how large.
    Histogram,
    /// How many there were, and what they add up to.
    Summary,
}

/// The value of one figure.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram, whose bounds and sum are in units of which `per_unit` make one of the family's.
    Buckets {
        /// What was counted.
        buckets: &'a Buckets,
        /// 1e9 where nanoseconds were counted and the name says seconds.
        per_unit: f64,
    },
    /// Of a summary.
    Summary {
        /// How many.
        count: u64,
        /// What they add up to.
        sum: f64,
    },
}

/// Where figures go.
pub trait Sink: Send {
    /// Takes one figure; `labels` are the values of the family's labels, in their order.
    fn put(&mut self, family: &'static Family, labels: &[&str], value: Value<'_>);
}

impl Family {
    /// Something that only grows.
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Counter, name, labels, help)
    }

    /// Something that goes up and down.
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Gauge, name, labels, help)
    }

    /// How often something was how large.
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Histogram, name, labels, help)
    }

    /// How many there were, and what they add up to.
    pub const fn summary(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(Kind::Summary, name, labels, help)
    }

    const fn new(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            labels,
            help,
        }
    }
}

impl dyn Sink + '_ {
    /// Takes the value of a counter or gauge.
    pub fn number(&mut self, family: &'static Family, labels: &[&str], value: f64) {
        self.put(family, labels, Value::Number(value));
    }

    /// Takes a count.
    pub fn count(&mut self, family: &'static Family, labels: &[&str], value: u64) {
        self.number(family, labels, value as f64);
    }

    /// Takes a histogram of nanoseconds, whose family is in seconds.
    pub fn times(&mut self, family: &'static Family, labels: &[&str], buckets: &Buckets) {
        let per_unit = 1e9;
        self.put(family, labels, Value::Buckets { buckets, per_unit });
    }

    /// Takes a histogram of the family's own unit.
    pub fn sizes(&mut self, family: &'static Family, labels: &[&str], buckets: &Buckets) {
        let per_unit = 1.0;
        self.put(family, labels, Value::Buckets { buckets, per_unit });
    }
}

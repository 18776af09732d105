//! Is a text what Prometheus' format says, and what is in it?
//!
//! Stricter than Prometheus itself: one that passes here is read alike by everybody who follows the format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::{BTreeMap, BTreeSet};

/// The figures of one answer to `GET /metrics`.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

/// All figures of one name.
#[derive(Clone, Debug, Default)]
pub struct Family {
    /// Such as `counter`.
    pub kind: String,
    /// What it says.
    pub help: String,
    /// The names of its labels, in their order, without `le`.
    pub labels: Vec<String>,
    samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

type Labels = Vec<(String, String)>;

impl Exposition {
    /// Reads a text; panics where it is not as the format says.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut exposition = Self::default();
        assert!(text.ends_with('\n'), "the last line has to end");
        let mut current: Option<String> = None;
        for line in text.strip_suffix('\n').unwrap_or_default().split('\n') {
            assert!(!line.contains('\r'), "{line:?}");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("HELP has a text");
                assert_name(name);
                let family = Family {
                    help: help.to_owned(),
                    ..Family::default()
                };
                let before = exposition.families.insert(name.to_owned(), family);
                assert!(
                    before.is_none(),
                    "{name} is described twice, or in two places"
                );
                current = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("TYPE has a kind");
                assert_eq!(current.as_deref(), Some(name), "TYPE follows HELP");
                let kinds = ["counter", "gauge", "histogram", "summary"];
                assert!(kinds.contains(&kind), "{line}");
                let family = exposition.families.get_mut(name).expect("just described");
                assert!(
                    family.kind.is_empty() && family.samples.is_empty(),
                    "{line}"
                );
                family.kind = kind.to_owned();
            } else {
                let name = current.as_deref().expect("HELP and TYPE come first");
                let family = exposition.families.get_mut(name).expect("described");
                family.take(name, line);
            }
        }
        for (name, family) in &exposition.families {
            family.check(name);
        }
        exposition
    }

    /// The names with kinds and labels, one a line.
    pub fn shape(&self) -> String {
        let lines = self.families.iter().map(|(name, family)| {
            let labels = family.labels.join(",");
            format!("{name} {} {{{labels}}}\n", family.kind)
        });
        lines.collect()
    }

    /// All families.
    pub fn families(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.families.iter().map(|(name, family)| (&**name, family))
    }

    /// One value, of a sample's full name with the values of its labels.
    #[track_caller]
    pub fn get(&self, name: &str, labels: &[&str]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// The same, if it is there.
    pub fn find(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let families = self.families.values();
        let mut samples = families.flat_map(|family| &family.samples);
        let found = samples.find(|((sample, values), _)| {
            sample == name && values.iter().map(|(_, value)| value).eq(labels)
        });
        found.map(|(_, value)| *value)
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.families.values().map(|f| f.samples.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Family {
    /// All values of one of its labels.
    pub fn values(&self, label: &str) -> BTreeSet<&str> {
        let labels = self.samples.keys().flat_map(|(_, labels)| labels);
        let of_it = labels.filter(|(name, _)| name == label);
        of_it.map(|(_, value)| value.as_str()).collect()
    }

    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    fn take(&mut self, name: &str, line: &str) {
        let (sample, labels, value) = sample(line);
        let suffixes: &[&str] = match self.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["_sum", "_count"],
            _ => &[""],
        };
        let suffix = sample.strip_prefix(name);
        assert!(
            suffix.is_some_and(|suffix| suffixes.contains(&suffix)),
            "{line} does not belong to {name}"
        );
        let own = labels.iter().map(|(label, _)| label.clone());
        let own: Vec<String> = own.filter(|label| label != "le").collect();
        match self.samples.is_empty() {
            true => self.labels = own,
            false => assert_eq!(self.labels, own, "{line}"),
        }
        assert_eq!(
            sample.ends_with("_bucket") && self.kind == "histogram",
            labels.iter().any(|(label, _)| label == "le"),
            "{line}"
        );
        let before = self.samples.insert((sample, labels), value);
        assert_eq!(before, None, "{line} is there twice");
    }

    fn check(&self, name: &str) {
        assert!(!self.kind.is_empty() && !self.help.is_empty(), "{name}");
        assert_eq!(name.ends_with("_total"), self.kind == "counter", "{name}");
        for ((sample, labels), value) in &self.samples {
            let counts = self.kind == "counter" || sample.ends_with("_count");
            assert!(!counts || *value >= 0.0, "{sample} {labels:?} is {value}");
        }
        if self.kind == "histogram" {
            self.check_buckets(name);
        }
    }

    /// Cumulative, with rising bounds, the last one infinite and equal to the count.
    fn check_buckets(&self, name: &str) {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for ((sample, labels), value) in &self.samples {
            if sample.ends_with("_bucket") {
                let mut own = labels.clone();
                let (_, bound) = own.pop().expect("it has le");
                let bound = number(&bound);
                buckets.entry(own).or_default().push((bound, *value));
            }
        }
        for (labels, mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                "{name} {labels:?}"
            );
            let last = *buckets.last().expect("not empty");
            let count = self.samples[&(format!("{name}_count"), labels.clone())];
            assert_eq!(last, (f64::INFINITY, count), "{name} {labels:?}");
            assert!(self.samples.contains_key(&(format!("{name}_sum"), labels)));
        }
    }
}

/// `name{label="value",…} number`, with nothing more.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line:?}"));
    let (name, mut rest) = line.split_at(end);
    assert_name(name);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
            assert_name(label);
            let (value, after) = quoted(after, line);
            assert!(labels.iter().all(|(known, _)| known != label), "{line:?}");
            labels.push((label.to_owned(), value));
            match after.split_at(1) {
                (",", after) => rest = after,
                ("}", after) => break rest = after,
                _ => panic!("{line:?}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line:?}"));
    (name.to_owned(), labels, number(value))
}

/// What stands up to the next quote, and what comes after it.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return (value, &text[index + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => panic!("{line:?}"),
            },
            char => value.push(char),
        }
    }
    panic!("{line:?}")
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        text => {
            let plain = text
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'e'));
            assert!(plain, "{text:?} is no number");
            text.parse()
                .unwrap_or_else(|_| panic!("{text:?} is no number"))
        }
    }
}

fn assert_name(name: &str) {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    assert!(begins && goes_on, "{name:?} is no name");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const GOOD: &str = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"1\\n\\\"\\\\\"} 3\na_total{x=\"2\"} 0.5\n# HELP h_seconds Times.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.5\"} 1\nh_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 1.25\nh_seconds_count 2\n";

    #[test]
    fn a_right_text_is_read() {
        let exposition = Exposition::parse(GOOD);
        assert_eq!(exposition.get("a_total", &["1\n\"\\"]), 3.0);
        assert_eq!(exposition.get("h_seconds_bucket", &["+Inf"]), 2.0);
        assert_eq!(
            exposition.shape(),
            "a_total counter {x}\nh_seconds histogram {}\n"
        );
    }

    #[test]
    fn a_wrong_text_is_refused() {
        for (right, wrong) in [
            ("# TYPE a_total counter\n", ""),
            ("# HELP a_total Counts.\n", ""),
            ("a_total{x=\"2\"} 0.5", "b_total{x=\"2\"} 0.5"),
            ("a_total{x=\"2\"} 0.5", "a_total{y=\"2\"} 0.5"),
            ("a_total{x=\"2\"} 0.5", "a_total{x=\"2\"} 0.5 17"),
            ("a_total{x=\"2\"} 0.5", "a_total{x=\"2\"} NaN"),
            ("a_total{x=\"2\"} 0.5", "a_total{x=\"2\",} 0.5"),
            ("a_total{x=\"2\"} 0.5", "a_total{x=\"1\\n\\\"\\\\\"} 3"),
            ("a_total{x=\"2\"} 0.5", "a_total{x=\"2\"} -1"),
            ("le=\"0.5\"} 1", "le=\"0.5\"} 3"),
            ("h_seconds_count 2", "h_seconds_count 3"),
            ("h_seconds_sum 1.25\n", ""),
            ("h_seconds_bucket{le=\"+Inf\"} 2\n", ""),
            ("counter", "counts"),
            ("h_seconds_count 2\n", "h_seconds_count 2"),
        ] {
            let text = GOOD.replacen(right, wrong, 1);
            assert_ne!(text, GOOD, "{right}");
            assert!(
                catch_unwind(|| Exposition::parse(&text)).is_err(),
                "{right} as {wrong} is accepted"
            );
        }
    }
}

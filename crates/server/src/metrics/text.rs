//! How are figures written down?
//!
//! In Prometheus' text format, version 0.0.4, which all who scrape understand:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write;

use photinus_engine::metrics::{Family, Kind, Sink, Value};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was put so far, by the name of the family.
#[derive(Default)]
pub(super) struct Text(BTreeMap<&'static str, (&'static Family, String)>);

impl Text {
    /// The whole text: each family once, described, with all its figures.
    pub(super) fn finish(self) -> String {
        let mut all =
            String::with_capacity(self.0.values().map(|(_, lines)| lines.len() + 256).sum());
        for (name, (family, lines)) in self.0 {
            let kind = kind(family.kind);
            all.push_str("# HELP ");
            all.push_str(name);
            all.push(' ');
            escape(family.help, false, &mut all);
            let _ = write!(all, "\n# TYPE {name} {kind}\n{lines}");
        }
        all
    }
}

/// The word for a kind.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        _ => "untyped",
    }
}

impl Sink for Text {
    fn put(&mut self, family: &'static Family, labels: &[&str], value: Value<'_>) {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let (_, lines) = self.0.entry(family.name).or_insert((family, String::new()));
        let mut line = |suffix: &str, bound: Option<f64>, value: f64| {
            lines.push_str(family.name);
            lines.push_str(suffix);
            write_labels(family.labels, labels, bound, lines);
            lines.push(' ');
            write_number(value, lines);
            lines.push('\n');
        };
        match value {
            Value::Number(value) => line("", None, value),
            Value::Buckets { buckets, per_unit } => {
                for (bound, count) in &buckets.cumulative {
                    line("_bucket", Some(*bound as f64 / per_unit), *count as f64);
                }
                line("_bucket", Some(f64::INFINITY), buckets.count as f64);
                line("_sum", None, buckets.sum as f64 / per_unit);
                line("_count", None, buckets.count as f64);
            }
            Value::Summary { count, sum } => {
                line("_sum", None, sum);
                line("_count", None, count as f64);
            }
            _ => debug_assert!(false, "{}: a value of an unknown kind", family.name),
        }
    }
}

fn write_labels(names: &[&str], values: &[&str], bound: Option<f64>, out: &mut String) {
    if names.is_empty() && bound.is_none() {
        return;
    }
    let mut before = '{';
    for (name, value) in names.iter().zip(values) {
        out.push(before);
        out.push_str(name);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
        before = ',';
    }
    if let Some(bound) = bound {
        out.push(before);
        out.push_str("le=\"");
        write_number(bound, out);
        out.push('"');
    }
    out.push('}');
}

fn write_number(value: f64, out: &mut String) {
    let written = match value {
        f64::INFINITY => {
            out.push_str("+Inf");
            Ok(())
        }
        value => write!(out, "{value}"),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
}

fn escape(text: &str, is_label: bool, out: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_label => out.push_str("\\\""),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use photinus_engine::metrics::Histogram;

    use super::*;

    static COUNT: Family = Family::counter("a_total", &["x", "y"], "Counts \\ \"all\"\nof it.");
    static PLAIN: Family = Family::gauge("b", &[], "Plain.");
    static TIMES: Family = Family::histogram("c_seconds", &["x"], "Times.");
    static SIZES: Family = Family::summary("d_bytes", &[], "Sizes.");

    #[test]
    fn each_family_is_written_once_with_all_its_figures() {
        let mut text = Text::default();
        let sink: &mut dyn Sink = &mut text;
        sink.count(&COUNT, &["1", "2"], 3);
        let histogram = Histogram::new(&[50_000, 2_500_000_000]);
        for nanos in [1_000, 60_000, 3_000_000_000] {
            histogram.observe(nanos);
        }
        sink.times(&TIMES, &["t"], &histogram.read());
        sink.number(&PLAIN, &[], -0.5);
        sink.count(&COUNT, &["\\ \" \n", "é"], u64::MAX >> 11);
        sink.put(
            &SIZES,
            &[],
            Value::Summary {
                count: 2,
                sum: 1024.0,
            },
        );
        assert_eq!(
            text.finish(),
            r#"# HELP a_total Counts \\ "all"\nof it.
# TYPE a_total counter
a_total{x="1",y="2"} 3
a_total{x="\\ \" \n",y="é"} 9007199254740991
# HELP b Plain.
# TYPE b gauge
b -0.5
# HELP c_seconds Times.
# TYPE c_seconds histogram
c_seconds_bucket{x="t",le="0.00005"} 1
c_seconds_bucket{x="t",le="2.5"} 2
c_seconds_bucket{x="t",le="+Inf"} 3
c_seconds_sum{x="t"} 3.000061
c_seconds_count{x="t"} 3
# HELP d_bytes Sizes.
# TYPE d_bytes summary
d_bytes_sum 1024
d_bytes_count 2
"#
        );
    }
}

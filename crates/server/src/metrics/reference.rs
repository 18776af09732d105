//! Does docs/reference/metrics.md say what there is, and does the guide ask for nothing else?
//!
//! `cargo xtask docs` writes the page: by this test, with `PHOTINUS_UPDATE` set.

use std::fmt::Write;
use std::path::Path;

use photinus_engine::metrics::{Family, Kind};

use super::text::kind;

const HEAD: &str = "# Metrics

`GET /metrics` on the monitoring port (`[monitoring] listen`, 127.0.0.1:6000 by default) answers in Prometheus' text format. All of
it is listed here; how to use it is told in [the guide](../guide/monitoring.md). `cargo xtask docs` makes this page from the code.

Sizes are in bytes and times in seconds. A histogram `x` has the series `x_bucket{le=…}`, `x_sum` and `x_count`, a summary the last two. No
client can make up the value of a label: what is not known is `other`. `ns` is a namespace, `transport` the transport of a subscription. Series
without a value yet are left out, such as the refusals with a code that never occurred.
";

/// Every figure that there is, in the order of this page.
fn families() -> Vec<(&'static str, Vec<&'static Family>)> {
    let mut all: Vec<&'static Family> = Vec::new();
    all.extend(photinus_engine::metrics::FAMILIES);
    all.extend(photinus_api::FAMILIES);
    all.extend(super::FAMILIES);
    all.extend(super::process::FAMILIES);
    let starts = [
        ("Each subscription", "photinus_subscription_"),
        ("Photinus", "photinus_"),
        ("FireFly's", "ff_"),
        ("The process", "process_"),
    ];
    let mut chapters: Vec<_> = starts.map(|(title, _)| (title, Vec::new())).into();
    for family in all {
        let place = starts
            .iter()
            .position(|(_, start)| family.name.starts_with(start));
        let place = place.unwrap_or_else(|| panic!("{} belongs to no chapter", family.name));
        chapters[place].1.push(family);
    }
    chapters.swap(0, 1);
    chapters
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, families) in families() {
        write!(
            page,
            "\n## {title}\n\n| name | type | labels | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for family in families {
            let labels = family.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(" ");
            let (name, kind, help) = (family.name, kind(family.kind), family.help);
            writeln!(
                page,
                "| `{name}` | {kind} | {labels} | {} |",
                help.replace('|', "\\|")
            )
            .unwrap();
        }
    }
    page
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "no configuration: it tells this test to write what it would compare"
)]
fn the_page_says_what_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if std::env::var_os("PHOTINUS_UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/reference/metrics.md is not what the code says: run `cargo xtask docs` and commit it"
    );
}

#[test]
fn the_guide_and_its_dashboard_ask_for_what_there_is() {
    let families: Vec<&Family> = families().into_iter().flat_map(|(_, f)| f).collect();
    let is_there = |asked: &str| {
        families.iter().any(|family| {
            let suffixes: &[&str] = match family.kind {
                Kind::Histogram => &["_bucket", "_sum", "_count"],
                Kind::Summary => &["_sum", "_count"],
                _ => &[""],
            };
            let suffix = asked.strip_prefix(family.name);
            suffix.is_some_and(|suffix| suffixes.contains(&suffix))
        })
    };
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let page = std::fs::read_to_string(guide.join("monitoring.md")).unwrap();
    let rules = page.split("```").skip(1).step_by(2);
    let mut asked: Vec<String> = rules.map(str::to_owned).collect();
    let dashboard = std::fs::read_to_string(guide.join("grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            asked.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut names = std::collections::BTreeSet::new();
    for text in &asked {
        let words = text.split(|c| !is_word(c));
        names.extend(words.filter(|word| {
            ["photinus_", "ff_", "process_"]
                .iter()
                .any(|start| word.starts_with(start))
        }));
    }
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(
            is_there(name),
            "the guide asks for {name}, which is not there"
        );
    }
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
    };
    let mut names = std::collections::BTreeSet::new();
    for family in families().into_iter().flat_map(|(_, families)| families) {
        let name = family.name;
        assert!(is_name(name), "{name}");
        assert!(names.insert(name), "{name} is there twice");
        assert_eq!(
            name.ends_with("_total"),
            family.kind == Kind::Counter,
            "{name}: what only grows ends in _total"
        );
        assert!(!family.help.is_empty(), "{name}");
        for label in family.labels {
            assert!(is_name(label) && *label != "le", "{name}: {label}");
        }
    }
}

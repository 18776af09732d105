//! What is to be reached, and was it?
//!
//! Each line is computed from the figures of the run. What is compared with others was measured elsewhere, see
//! [`references`](crate::references).

mod list;

use serde::Serialize;

use crate::references::Comparison;
use crate::report::number::{factor, number, share, with_unit};
use crate::rounds::{Measured, Outcome};

use list::Bound::{AtLeast, AtMost, Below};
use list::Value::{Elsewhere, Median, Share, Times, TimesThat};
use list::{Bound, TARGETS, Target};

/// A target and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reached {
    /// What it is about.
    pub what: &'static str,
    /// Which figure of which measurement, and beside what.
    pub figure: String,
    /// What is to be reached, in words.
    pub aim: String,
    /// What was measured, in words; or that it failed.
    pub measured: String,
    /// The same as a number, in the figure's unit; a share or a factor: 1 is as much.
    pub value: Option<f64>,
    /// Whether it was reached.
    pub is_reached: bool,
}

/// All that is to be reached by what was measured in a run, and whether it was.
pub fn reached(outcomes: &[Outcome], references: &[Comparison]) -> Vec<Reached> {
    let each = TARGETS.iter().flat_map(|target| {
        let measured = outcomes
            .iter()
            .filter(|outcome| is_called(&outcome.name, target.measurement));
        measured.filter_map(|outcome| one(target, outcome, outcomes, references))
    });
    each.collect()
}

fn is_called(name: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == wanted,
    }
}

/// None if what it is compared with was not measured in this run.
fn one(
    target: &Target,
    outcome: &Outcome,
    outcomes: &[Outcome],
    references: &[Comparison],
) -> Option<Reached> {
    let other = match target.value {
        TimesThat(other) => Some(outcomes.iter().find(|one| one.name == other)?),
        _ => None,
    };
    let measured = figure_of(outcome, target.figure);
    let value = measured.and_then(|measured| match target.value {
        Median => median(measured),
        Share(limit) => share_of(measured, limit),
        // All of these are better if they are less: their share is the limit by the product.
        Times(limit) => share_of(measured, limit).map(|share| 1.0 / share),
        TimesThat(_) => {
            let other = figure_of(other?, target.figure).and_then(median)?;
            Some(median(measured)? / other)
        }
        Elsewhere(who, note) => {
            let theirs = references.iter().find(|one| {
                let is_it = one.measurement == outcome.name && one.figure == target.figure;
                is_it && one.who == who && one.note == note
            });
            theirs.map(|one| one.factor)
        }
    });
    let written = |value: f64| match (target.value, measured) {
        (Median, Some(measured)) => with_unit(value, measured.figure.unit),
        (Median, None) => number(value),
        (Share(_), _) => share(Some(value)),
        (Times(_) | TimesThat(_), _) => format!("{value:.2}×"),
        (Elsewhere(..), _) => factor(value),
    };
    let aim = match target.bound {
        AtLeast(bound) => format!("≥ {}", written(bound)),
        AtMost(bound) => format!("≤ {}", written(bound)),
        Below(bound) => format!("< {}", written(bound)),
    };
    let shown = match (value, &outcome.failed) {
        (Some(value), _) => written(value),
        (None, Some(_)) => "failed".to_owned(),
        (None, None) => "not measured".to_owned(),
    };
    Some(Reached {
        what: target.what,
        figure: format!("{}: {}{}", outcome.name, target.figure, beside(target)),
        aim,
        measured: shown,
        value,
        is_reached: value.is_some_and(|value| target.bound.holds(value)),
    })
}

/// What a figure is compared with.
fn beside(target: &Target) -> String {
    match target.value {
        Median => String::new(),
        Share(limit) | Times(limit) => format!(" / {limit}"),
        TimesThat(other) => format!(" / {other}"),
        Elsewhere(who, "") => format!(" / {who}, elsewhere"),
        Elsewhere(who, note) => format!(" / {who} ({note}), elsewhere"),
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            AtLeast(bound) => value >= bound,
            AtMost(bound) => value <= bound,
            Below(bound) => value < bound,
        }
    }
}

fn figure_of<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a Measured> {
    outcome
        .figures
        .iter()
        .find(|measured| measured.figure.name == name)
}

fn median(measured: &Measured) -> Option<f64> {
    measured.product.as_ref().map(|rounds| rounds.median)
}

fn share_of(measured: &Measured, limit: &str) -> Option<f64> {
    let limit = measured.limits.iter().find(|one| one.what == limit)?;
    limit.share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Figure, Measurement, Unit};
    use crate::measurements;
    use crate::references::compare;
    use crate::rounds::Limit;
    use crate::scale::Scale;
    use crate::statistics::Rounds;

    fn measured(figure: Figure, median: f64, limits: Vec<Limit>) -> Measured {
        Measured {
            figure,
            product: Rounds::of(vec![median]),
            limits,
        }
    }

    /// Everything that a full run measures, with figures of nothing.
    fn all() -> Vec<Outcome> {
        let outcome = |measurement: Box<dyn Measurement>| {
            let sides = measurement.sides();
            let limits = sides[1..].iter().map(|what| Limit {
                what,
                rounds: Rounds::of(vec![1.0]).unwrap(),
                share: Some(1.0),
            });
            let limits: Vec<Limit> = limits.collect();
            let figures = measurement.figures().into_iter();
            let differences = measurement.differences().into_iter();
            let figures = figures.chain(differences.map(|difference| difference.figure));
            Outcome {
                name: measurement.name(),
                about: measurement.about(),
                figures: figures
                    .map(|figure| measured(figure, 1.0, limits.clone()))
                    .collect(),
                failed: None,
            }
        };
        let all = measurements::all(&Scale::full()).into_iter();
        all.map(outcome).collect()
    }

    #[test]
    fn every_target_is_of_figures_that_a_full_run_has() {
        let outcomes = all();
        let references = compare(&outcomes);
        for target in &TARGETS {
            let mut found = outcomes
                .iter()
                .filter(|outcome| is_called(&outcome.name, target.measurement))
                .peekable();
            assert!(found.peek().is_some(), "{}", target.measurement);
            for outcome in found {
                let reached = one(target, outcome, &outcomes, &references);
                let value = reached.as_ref().and_then(|reached| reached.value);
                assert!(value.is_some(), "{}: {reached:?}", target.measurement);
            }
        }
    }

    /// What is said of one figure of a measurement, and of a limit of which it has that share.
    fn check(name: &str, figure: &str, unit: Unit, median: f64, share: f64) -> Vec<(String, bool)> {
        let what = match name {
            "drain-0" => "bare: push with acks",
            _ => "the same with little stored",
        };
        let limit = Limit {
            what,
            rounds: Rounds::of(vec![1.0]).unwrap(),
            share: Some(share),
        };
        let outcome = Outcome {
            name: name.to_owned(),
            about: String::new(),
            figures: vec![measured(Figure::new(figure, unit), median, vec![limit])],
            failed: None,
        };
        let reached = reached(&[outcome], &[]);
        let of = reached
            .into_iter()
            .filter(|one| one.figure.contains(figure));
        of.map(|one| (format!("{} {}", one.measured, one.aim), one.is_reached))
            .collect()
    }

    #[test]
    fn a_bound_is_held_against_what_was_measured() {
        let said = |text: &str, is_reached| vec![(text.to_owned(), is_reached)];
        let drain = |share| check("drain-0", "deliveries", Unit::PerSecond, 7.0, share);
        assert_eq!(drain(0.6), said("60 % ≥ 60 %", true));
        assert_eq!(drain(0.59), said("59 % ≥ 60 %", false));
        // More of a cost is a smaller share.
        let growth = |share| check("growth", "server CPU a message", Unit::Micros, 7.0, share);
        assert_eq!(growth(0.95), said("1.05× ≤ 1.10×", true));
        assert_eq!(growth(0.8), said("1.25× ≤ 1.10×", false));
        let scan = |rate| check("scan", "events passed", Unit::PerSecond, rate, 1.0);
        assert_eq!(scan(500_000.0), said("500,000/s ≥ 500,000/s", true));
        assert_eq!(scan(3_000.0), said("3,000/s ≥ 500,000/s", false));
        let start = |time| {
            check(
                "start-1m",
                "from start to listening",
                Unit::Millis,
                time,
                1.0,
            )
        };
        assert_eq!(start(1_000.0), said("1,000 ms < 1,000 ms", false));
    }

    #[test]
    fn what_failed_is_not_reached() {
        let mut outcomes = all();
        outcomes.retain(|outcome| outcome.name == "growth");
        outcomes[0].figures.clear();
        outcomes[0].failed = Some("lost an event".to_owned());
        let reached = reached(&outcomes, &[]);
        assert_eq!(reached.len(), 2);
        let is_said = |one: &Reached| !one.is_reached && one.measured == "failed";
        assert!(reached.iter().all(is_said), "{reached:?}");
        assert!(super::reached(&[], &[]).is_empty(), "nothing was measured");
    }
}

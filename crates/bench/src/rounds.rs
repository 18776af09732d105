//! How do product and limits take turns, and what came of it?

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::measurement::{Bench, Figure, Measurement, Sample};
use crate::progress::Progress;
use crate::statistics::{Rounds, share_of_limit};

/// What a measurement showed.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What was done.
    pub about: String,
    /// Each figure; empty if it failed.
    pub figures: Vec<Measured>,
    /// Why there are none.
    pub failed: Option<String>,
}

/// A figure of the product beside its limits.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Which.
    #[serde(flatten)]
    pub figure: Figure,
    /// The product, if it has this figure.
    pub product: Option<Rounds>,
    /// The limits that have it, the one of the whole first, then those of parts.
    pub limits: Vec<Limit>,
}

/// A limit in the same run.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// What it is.
    pub what: &'static str,
    /// Its rounds.
    #[serde(flatten)]
    pub rounds: Rounds,
    /// How much of it the product reaches: 1 is all of it.
    pub share: Option<f64>,
}

/// Runs a measurement to its end. A failure is an outcome: the others go on.
pub fn run(bench: &Bench, measurement: &mut dyn Measurement, progress: &mut Progress) -> Outcome {
    let samples = rounds(bench, measurement, progress);
    let finished = measurement.finish().context("at the end");
    let (figures, failed) = match samples.and_then(|samples| finished.map(|()| samples)) {
        Ok(samples) => (measured(measurement, &samples), None),
        Err(error) => (Vec::new(), Some(format!("{error:#}"))),
    };
    Outcome {
        name: measurement.name(),
        about: measurement.about(),
        figures,
        failed,
    }
}

/// Samples by side and round. Who begins changes with each round.
fn rounds(
    bench: &Bench,
    measurement: &mut dyn Measurement,
    progress: &mut Progress,
) -> Result<Vec<Vec<Sample>>> {
    let sides = measurement.sides();
    let figures = measurement.figures().len();
    let count = measurement.rounds(&bench.scale);
    progress.begin(&measurement.name(), count);
    measurement.prepare(bench).context("while preparing")?;
    let mut samples = vec![Vec::with_capacity(count); sides.len()];
    for round in 0..count {
        progress.round(round);
        for turn in 0..sides.len() {
            let side = (turn + round) % sides.len();
            let sample = measurement
                .run(bench, side)
                .with_context(|| format!("{} in round {}", sides[side], round + 1))?;
            ensure!(
                sample.len() == figures,
                "{} values of {figures} figures",
                sample.len()
            );
            samples[side].push(sample);
        }
    }
    progress.end();
    Ok(samples)
}

fn measured(measurement: &dyn Measurement, samples: &[Vec<Sample>]) -> Vec<Measured> {
    let sides = measurement.sides();
    let figures = measurement.figures().into_iter().enumerate();
    let differences = measurement.differences().into_iter();
    let differences = differences.map(|difference| {
        let each = samples[0].iter().zip(&samples[difference.side]);
        let each = each
            .filter_map(|(product, other)| Some(product[difference.of]? - other[difference.of]?));
        Measured {
            product: Rounds::of(each.collect()),
            limits: Vec::new(),
            figure: difference.figure,
        }
    });
    figures
        .map(|(index, figure)| {
            let of = |side: usize| {
                let each = samples[side]
                    .iter()
                    .filter_map(|sample| sample[index])
                    .collect();
                Rounds::of(each)
            };
            let product = of(0);
            let limits = (1..sides.len()).filter_map(|side| {
                let rounds = of(side)?;
                let share = product.as_ref().and_then(|product| {
                    share_of_limit(figure.unit.better(), &product.each, &rounds.each)
                });
                Some(Limit {
                    what: sides[side],
                    rounds,
                    share,
                })
            });
            Measured {
                limits: limits.collect(),
                product,
                figure,
            }
        })
        .chain(differences)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{Difference, Unit};

    /// Two figures of three sides.
    struct Fake;

    impl Measurement for Fake {
        fn name(&self) -> String {
            "fake".to_owned()
        }

        fn about(&self) -> String {
            String::new()
        }

        fn figures(&self) -> Vec<Figure> {
            vec![
                Figure::new("time", Unit::Micros),
                Figure::new("rate", Unit::PerSecond),
            ]
        }

        fn differences(&self) -> Vec<Difference> {
            vec![Difference {
                figure: Figure::new("more", Unit::Micros),
                of: 0,
                side: 2,
            }]
        }

        fn sides(&self) -> Vec<&'static str> {
            vec!["product", "bare", "part"]
        }

        fn prepare(&mut self, _: &Bench) -> Result<()> {
            Ok(())
        }

        fn run(&mut self, _: &Bench, _: usize) -> Result<Sample> {
            Ok(Vec::new())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn shares_and_differences_are_those_of_each_round() {
        let samples = [
            [(30.0, 5.0), (50.0, 1.0), (9.0, 5.0)],
            [(15.0, 10.0), (25.0, 2.0), (9.0, 5.0)],
            [(20.0, 0.0), (20.0, 0.0), (20.0, 0.0)],
        ];
        let samples = samples.map(|rounds| {
            rounds
                .map(|(time, rate)| vec![Some(time), (rate > 0.0).then_some(rate)])
                .to_vec()
        });
        let measured = measured(&Fake, &samples);
        let names: Vec<&str> = measured.iter().map(|one| &*one.figure.name).collect();
        assert_eq!(names, ["time", "rate", "more"]);
        let shares = |index: usize| -> Vec<_> {
            let limits = measured[index].limits.iter();
            limits.map(|limit| (limit.what, limit.share)).collect()
        };
        assert_eq!(
            shares(0),
            [("bare", Some(0.5)), ("part", Some(20.0 / 30.0))]
        );
        // A part that does not have a figure has no limit of it.
        assert_eq!(shares(1), [("bare", Some(0.5))]);
        let more = measured[2].product.as_ref().unwrap();
        assert_eq!(more.each, [10.0, 30.0, -11.0]);
        assert_eq!((more.median, shares(2)), (10.0, vec![]));
    }
}

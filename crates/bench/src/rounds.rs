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

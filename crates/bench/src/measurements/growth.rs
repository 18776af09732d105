//! Does it cost more where much is stored?

use anyhow::{Context, Result};
use serde_json::json;

use super::stock::{Shown, drain_product, fill};
use crate::drive::bulk;
use crate::drive::drain::Plan;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{BULK_PATH, Product};
use crate::scale::Scale;

const READ_AHEAD: usize = 500;
/// Most rounds: CPU time is steady.
const ROUNDS_MAX: usize = 3;

/// The same load on a product that has stored much, and on one that has stored little.
pub(super) struct Growth {
    large: usize,
    small: usize,
    /// What is published, and then drained.
    messages: usize,
    product: Option<Product>,
}

impl Growth {
    pub(super) fn new(scale: &Scale) -> Self {
        let (large, small, messages) = scale.growth;
        Self {
            large,
            small,
            messages,
            product: None,
        }
    }

    /// One that has stored so many when half of the messages are published, and was just started on them.
    fn filled(&self, bench: &Bench, events: usize) -> Result<Product> {
        let product = bench.product()?;
        let events = events.saturating_sub(self.messages / 2);
        bench.runtime.block_on(fill(&product, events))?;
        bench.restart(product)
    }

    async fn load(&self, product: &Product) -> Result<Sample> {
        let before = product.process.cpu()?;
        let connection = product.http().await?;
        let (_, sequences) = bulk::post(connection, BULK_PATH, self.messages, |_| 0).await?;
        let published = product.process.cpu()?.saturating_sub(before);
        let published = published.as_secs_f64() * 1e6 / self.messages as f64;
        let before = sequences.first().map(|first| first - 1);
        let options = json!({"readAhead": READ_AHEAD});
        let plan = Plan {
            subscriptions: 1,
            expected: sequences.into(),
            window: READ_AHEAD + 1,
            batch: false,
            named: false,
        };
        let shown = drain_product(product, before, 1, 1, options, &plan).await?;
        let [_, drained] = Shown::sum(&[shown]);
        Ok(vec![Some(published), Some(drained)])
    }
}

impl Measurement for Growth {
    fn name(&self) -> String {
        "growth".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "with {} events stored, {} more are published in one bulk request, then drained with read-ahead {READ_AHEAD}; beside it the same with {}",
            self.large, self.messages, self.small
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("server CPU a message", Unit::Micros),
            Figure::new("server CPU a delivery", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "the same with little stored"]
    }

    fn rounds(&self, scale: &Scale) -> usize {
        scale.rounds.min(ROUNDS_MAX)
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.product = Some(self.filled(bench, self.large)?);
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        if side > 0 {
            let product = self.filled(bench, self.small)?;
            let sample = bench.runtime.block_on(self.load(&product))?;
            product.end()?;
            return Ok(sample);
        }
        // Started anew as the other is.
        let product = bench.restart(self.product.take().context("it was not prepared")?)?;
        let sample = bench.runtime.block_on(self.load(&product))?;
        self.product = Some(product);
        Ok(sample)
    }

    fn finish(&mut self) -> Result<()> {
        self.product.take().map_or(Ok(()), Product::end)
    }
}

//! What does a start on a long history cost?

use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use super::memory::mebibytes;
use super::stock::Stock;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::Product;
use crate::scale::Scale;

/// From the start to when requests are taken, and what is in memory then.
pub(super) struct Start {
    stock: Option<Rc<Stock>>,
    events: usize,
}

impl Start {
    pub(super) fn new(stock: &Rc<Stock>, scale: &Scale) -> Self {
        Self {
            stock: Some(stock.clone()),
            events: scale.history_events,
        }
    }
}

fn sample(bench: &Bench, product: &Product) -> Result<Sample> {
    // Not its share of it: two of them may run here, and share the program.
    let memory = product.process.memory_resident()?;
    ensure!(
        bench.runtime.block_on(product.is_ready())?,
        "it listens and is not ready"
    );
    Ok(vec![
        Some(product.started_in.as_secs_f64() * 1e3),
        Some(mebibytes(memory)),
    ])
}

impl Measurement for Start {
    fn name(&self) -> String {
        match self.events {
            events if events.is_multiple_of(1_000_000) => format!("start-{}m", events / 1_000_000),
            events if events.is_multiple_of(1_000) => format!("start-{}k", events / 1_000),
            events => format!("start-{events}"),
        }
    }

    fn about(&self) -> String {
        format!(
            "a start with {} stored events, after an orderly end, the files in the memory of the system",
            self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("from start to listening", Unit::Millis),
            Figure::new("memory then (RSS)", Unit::Mebibytes),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "the same with none stored"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        let stock = self.stock.as_ref().context("it is finished")?;
        stock.get(bench).map(drop)
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        if side > 0 {
            let product = bench.restart(bench.product()?)?;
            let sample = sample(bench, &product)?;
            product.end()?;
            return Ok(sample);
        }
        let stock = self.stock.as_ref().context("it is finished")?;
        sample(bench, &stock.restarted(bench)?.product)
    }

    fn finish(&mut self) -> Result<()> {
        self.stock = None;
        Ok(())
    }
}

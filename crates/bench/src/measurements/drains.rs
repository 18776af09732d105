//! How fast does one application get what is stored?

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::stock::{Shown, Stock};
use crate::drive::drain::Plan;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};

/// One subscription over one WebSocket.
pub(super) struct Drain {
    stock: Option<Rc<Stock>>,
    /// The read-ahead, or the size of batches.
    read_ahead: usize,
    batch: bool,
    events: usize,
}

impl Drain {
    /// With this read-ahead, or in batches of that many.
    pub(super) fn new(stock: &Rc<Stock>, read_ahead: usize, batch: bool, events: usize) -> Self {
        Self {
            stock: Some(stock.clone()),
            read_ahead,
            batch,
            events,
        }
    }

    fn window(&self) -> usize {
        match self.batch {
            true => self.read_ahead,
            false => self.read_ahead + 1,
        }
    }

    fn plan(&self, expected: Arc<[u64]>) -> Plan {
        Plan {
            subscriptions: 1,
            expected,
            window: self.window(),
            batch: self.batch,
            named: false,
        }
    }
}

/// The figures of all drains.
pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure::new("deliveries", Unit::PerSecond),
        Figure::new("server CPU a delivery", Unit::Micros),
    ]
}

/// Drains again and again for about that long: one drain of what is stored is soon over. A sample of [`figures`].
pub(super) fn repeat(time: Duration, mut drain: impl FnMut() -> Result<Shown>) -> Result<Sample> {
    let mut several = Vec::new();
    while several.is_empty() || Shown::elapsed(&several) < time {
        several.push(drain()?);
    }
    Ok(Shown::sum(&several).map(Some).to_vec())
}

impl Measurement for Drain {
    fn name(&self) -> String {
        match self.batch {
            true => format!("batch-{}", self.read_ahead),
            false => format!("drain-{}", self.read_ahead),
        }
    }

    fn about(&self) -> String {
        match self.batch {
            true => format!(
                "{} stored events to one durable subscription over one WebSocket in batches of {}, each acknowledged by its id",
                self.events, self.read_ahead
            ),
            false => format!(
                "{} stored events to one durable subscription over one WebSocket, read-ahead {}, each acknowledged by its id",
                self.events, self.read_ahead
            ),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        figures()
    }

    fn sides(&self) -> Vec<&'static str> {
        match self.batch {
            true => vec!["product", "bare: ready frames with acks"],
            false => vec!["product", "bare: push with acks"],
        }
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let stored = &*self.stock.as_ref().context("it is finished")?.get(bench)?;
        let drain = || {
            bench.runtime.block_on(async {
                if side > 0 {
                    let plan = self.plan(stored.last(self.events));
                    return stored.drain_bare(1, &plan).await;
                }
                let options = match self.batch {
                    true => {
                        json!({"batch": true, "readAhead": self.read_ahead, "batchTimeout": "10ms"})
                    }
                    false => json!({"readAhead": self.read_ahead}),
                };
                let plan = |expected| self.plan(expected);
                stored.drain_product(1, 1, self.events, options, plan).await
            })
        };
        repeat(bench.scale.drain_time, drain)
    }

    fn finish(&mut self) -> Result<()> {
        self.stock = None;
        Ok(())
    }
}

//! How often is an event read from the store if many catch up at once?

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;

use super::drains::figures;
use super::stock::{Shown, Stock};
use crate::drive::drain::Plan;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::scale::Scale;

const READ_AHEAD: usize = 500;
/// Most sockets that they share.
const SOCKETS_MAX: usize = 10;
/// The limit is a rate, for which a part of the events is enough.
const LIMIT_PART: usize = 10;

/// Subscriptions that are as fast as each other, from the oldest event of a long history on.
pub(super) struct CatchUp {
    stock: Option<Rc<Stock>>,
    count: usize,
    sockets: usize,
    events: usize,
    /// Events of the limit.
    limit_events: usize,
    read_ahead: usize,
}

impl CatchUp {
    pub(super) fn new(stock: &Rc<Stock>, scale: &Scale) -> Self {
        let events = scale.history_events;
        let read_ahead = READ_AHEAD.min(events / 4);
        Self {
            stock: Some(stock.clone()),
            count: scale.catch_up,
            sockets: SOCKETS_MAX.min(scale.catch_up),
            events,
            limit_events: (events / LIMIT_PART).max(2 * read_ahead),
            read_ahead,
        }
    }

    fn plan(&self, expected: Arc<[u64]>) -> Plan {
        Plan {
            subscriptions: self.count / self.sockets,
            expected,
            window: self.read_ahead + 1,
            batch: false,
            named: true,
        }
    }
}

impl Measurement for CatchUp {
    fn name(&self) -> String {
        format!("catch-up-{}", self.count)
    }

    fn about(&self) -> String {
        format!(
            "{} durable subscriptions, read-ahead {}, on {} WebSockets, each gets all of {} stored events from the oldest on; one round",
            self.count, self.read_ahead, self.sockets, self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = figures();
        figures.push(Figure::new("times an event was read", Unit::Times));
        figures
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: push with acks"]
    }

    fn rounds(&self, _: &Scale) -> usize {
        1
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        let stock = self.stock.as_ref().context("it is finished")?;
        stock.get(bench).map(drop)
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let stored = &*self.stock.as_ref().context("it is finished")?.get(bench)?;
        bench.runtime.block_on(async {
            if side > 0 {
                let plan = self.plan(stored.last(self.limit_events));
                let shown = stored.drain_bare(self.sockets, &plan).await?;
                let [rate, cpu] = Shown::sum(&[shown]);
                return Ok(vec![Some(rate), Some(cpu), None]);
            }
            let read = || stored.product.metric("photinus_pages_read_records_total");
            let before = read().await?;
            let options = json!({"readAhead": self.read_ahead});
            let plan = |expected| self.plan(expected);
            let shown = stored
                .drain_product(self.count, self.sockets, self.events, options, plan)
                .await?;
            // A message has one event. An older product does not count them.
            let times = before
                .zip(read().await?)
                .map(|(before, after)| (after - before) / self.events as f64);
            let [rate, cpu] = Shown::sum(&[shown]);
            Ok(vec![Some(rate), Some(cpu), times])
        })
    }

    fn finish(&mut self) -> Result<()> {
        self.stock = None;
        Ok(())
    }
}

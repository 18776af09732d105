//! What do many subscriptions over the same events cost?

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;

use super::drains::{figures, repeat};
use super::stock::Stock;
use crate::drive::drain::Plan;
use crate::measurement::{Bench, Figure, Measurement, Sample};
use crate::scale::Scale;

const READ_AHEAD: usize = 50;
/// Most sockets that they share.
const SOCKETS_MAX: usize = 10;

/// So many subscriptions that all get the same events.
pub(super) struct Subscriptions {
    stock: Option<Rc<Stock>>,
    count: usize,
    sockets: usize,
    /// Events that each of them gets.
    events: usize,
}

impl Subscriptions {
    /// Of so many.
    pub(super) fn new(stock: &Rc<Stock>, scale: &Scale, count: usize) -> Self {
        // More than two windows each.
        let events =
            (scale.shared_deliveries / count).clamp(2 * (READ_AHEAD + 1), scale.stored_events);
        Self {
            stock: Some(stock.clone()),
            count,
            sockets: (1..=SOCKETS_MAX.min(count))
                .rev()
                .find(|sockets| count.is_multiple_of(*sockets))
                .unwrap_or(1),
            events,
        }
    }

    fn plan(&self, expected: Arc<[u64]>) -> Plan {
        Plan {
            subscriptions: self.count / self.sockets,
            expected,
            window: READ_AHEAD + 1,
            batch: false,
            named: self.count > self.sockets,
        }
    }
}

impl Measurement for Subscriptions {
    fn name(&self) -> String {
        format!("subscriptions-{}", self.count)
    }

    fn about(&self) -> String {
        format!(
            "{} durable subscriptions, read-ahead {READ_AHEAD}, on {} WebSockets, each gets the same {} stored events; deliveries of all together",
            self.count, self.sockets, self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        figures()
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: push with acks"]
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
                    return stored.drain_bare(self.sockets, &plan).await;
                }
                let options = json!({"readAhead": READ_AHEAD});
                let plan = |expected| self.plan(expected);
                stored
                    .drain_product(self.count, self.sockets, self.events, options, plan)
                    .await
            })
        };
        repeat(bench.scale.drain_time, drain)
    }

    fn finish(&mut self) -> Result<()> {
        self.stock = None;
        Ok(())
    }
}

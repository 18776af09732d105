//! How fast does a subscription pass what it does not want?

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use serde_json::json;

use super::stock::{Stock, Stored};
use crate::clock::now;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{PUBLISH_PATH, start_frame};
use crate::scale::Scale;
use crate::wire::scan;
use crate::workload;

/// The tag of the last event of the first scan; that of the next is one less.
const LAST_TAG: usize = 99_999_999;

/// One subscription from the oldest event on, whose filter matches the newest alone.
pub(super) struct Scan {
    stock: Option<Rc<Stock>>,
    events: usize,
    /// How many were made: each has published one event.
    made: usize,
}

impl Scan {
    pub(super) fn new(stock: &Rc<Stock>, scale: &Scale) -> Self {
        Self {
            stock: Some(stock.clone()),
            events: scale.history_events,
            made: 0,
        }
    }

    async fn product(&self, stored: &Stored) -> Result<Sample> {
        let product = &stored.product;
        let tag = LAST_TAG - self.made;
        let filter = json!({"message": {"tag": format!("^{}$", workload::tag(tag))}});
        let options = json!({"firstEvent": "oldest", "readAhead": 50});
        let mut http = product.http().await?;
        let subscription = product
            .subscribe(&mut http, "scan", filter, options)
            .await?;
        http.post(
            PUBLISH_PATH,
            workload::body(tag).into(),
            StatusCode::ACCEPTED,
        )
        .await?;
        let newest = product.newest(&mut http).await?;
        let mut socket = product.socket().await?;
        let before = product.process.cpu()?;
        let start = now();
        socket.send(start_frame("scan")).await?;
        let frame = socket.next().await?;
        let elapsed = start.elapsed();
        let cpu = product.process.cpu()?.saturating_sub(before);
        let seen = scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
        ensure!(
            scan::tag(&frame) == Some(tag) && seen.sequence == newest,
            "not the newest event: {frame}"
        );
        socket
            .send(json!({"type": "ack", "id": seen.id}).to_string())
            .await?;
        // A connection on which nothing is asked for long is closed.
        let mut http = product.http().await?;
        product
            .wait_for_offset(&mut http, &subscription, newest)
            .await?;
        drop(socket);
        product.unsubscribe(&mut http, &subscription).await?;
        let events = (stored.sequences.len() + self.made + 1) as f64;
        let each = cpu.as_secs_f64() * 1e6 / events;
        Ok(vec![Some(events / elapsed.as_secs_f64()), Some(each)])
    }
}

impl Measurement for Scan {
    fn name(&self) -> String {
        "scan".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "one durable subscription from the oldest of {} stored events, none of which matches its filter on a tag, until it gets the newest, which does",
            self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("events passed", Unit::PerSecond),
            Figure::new("server CPU an event", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: SQLite range read"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let stored = &*self.stock.as_ref().context("it is finished")?.get(bench)?;
        if side > 0 {
            let bare = &stored.bare;
            let before = bare.process.cpu()?;
            let rate = bench.runtime.block_on(bare.read_rows(self.events))?;
            let cpu = bare.process.cpu()?.saturating_sub(before);
            let each = cpu.as_secs_f64() * 1e6 / self.events as f64;
            return Ok(vec![Some(rate), Some(each)]);
        }
        let sample = bench.runtime.block_on(self.product(stored))?;
        self.made += 1;
        Ok(sample)
    }

    fn finish(&mut self) -> Result<()> {
        self.stock = None;
        Ok(())
    }
}

//! How much more goes through receivers that take their time, if only events with one key have to wait for each other?

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock::now;
use crate::drive::bulk;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{BULK_PATH, Product, Subscription, start_frame};
use crate::scale::Scale;
use crate::wire::scan;
use crate::wire::socket::{PATIENCE, Socket};

/// How long the application takes for an event.
const WORK: Duration = Duration::from_millis(50);
/// How many keys there are.
const KEYS: usize = 64;

/// A receiver that works on each event for a while, with an ordering key and without.
pub(super) struct Keys {
    /// Events of each key.
    each: usize,
    product: Option<Product>,
}

impl Keys {
    pub(super) fn new(scale: &Scale) -> Self {
        Self {
            each: scale.keyed_events,
            product: None,
        }
    }

    /// Events a second, from the publish until the last one is acknowledged.
    async fn load(&self, product: &Product, options: Value, events: usize) -> Result<f64> {
        let mut http = product.http().await?;
        let subscription = product
            .subscribe(&mut http, "keys", json!({}), options)
            .await?;
        let mut socket = product.socket().await?;
        socket.send(start_frame("keys")).await?;
        socket.ping().await?;
        let start = now();
        let publisher = product.http().await?;
        let published = bulk::post(publisher, BULK_PATH, events, |number| number % KEYS).await?;
        let (_, sequences) = published;
        let came = work(&mut socket, &subscription, events).await?;
        let elapsed = start.elapsed();
        let mut sorted = came;
        sorted.sort_unstable();
        ensure!(sorted == sequences, "what came is not what was published");
        socket.close().await?;
        product.unsubscribe(&mut http, &subscription).await?;
        Ok(events as f64 / elapsed.as_secs_f64())
    }
}

/// Takes so many events, works on each for a while, beside each other, and acknowledges it then. Of one tag they have to
/// come one after the other.
async fn work(socket: &mut Socket, subscription: &Subscription, events: usize) -> Result<Vec<u64>> {
    let mut came = Vec::with_capacity(events);
    let mut latest: HashMap<usize, u64> = HashMap::new();
    let mut working: VecDeque<(Instant, String)> = VecDeque::new();
    let mut open = events;
    while open > 0 {
        let until = working
            .front()
            .map_or(now() + PATIENCE, |(until, _)| *until);
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(until.into()) => {
                let (_, ack) = working.pop_front().context("nothing came for too long")?;
                socket.send(ack).await?;
                open -= 1;
            }
            frame = socket.wait() => {
                let frame = frame?;
                let seen = scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
                let tag = scan::tag(&frame).context("an event without a tag")?;
                let before = latest.insert(tag, seen.sequence);
                ensure!(before.is_none_or(|before| before < seen.sequence), "the events of a key came out of order");
                came.push(seen.sequence);
                let ack = json!({"type": "ack", "id": seen.id, "subscription": {"id": subscription.id}});
                working.push_back((now() + WORK, ack.to_string()));
            }
        }
    }
    Ok(came)
}

impl Measurement for Keys {
    fn name(&self) -> String {
        format!("keys-{KEYS}")
    }

    fn about(&self) -> String {
        format!(
            "a receiver that works {} ms on each event and takes as many as it gets: {KEYS} keys with {} events each, until the last is acknowledged; without a key one at a time, {} events",
            WORK.as_millis(),
            self.each,
            self.each
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![Figure::new("events", Unit::PerSecond)]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "the same without keys"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.product = Some(bench.product()?);
        self.run(bench, 0)?;
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let product = self.product.as_ref().context("it was not prepared")?;
        let newest = json!({"firstEvent": "newest", "readAhead": 0});
        let keyed = json!({"firstEvent": "newest", "readAhead": KEYS - 1, "orderingKey": "tag"});
        let (options, events) = match side {
            0 => (keyed, self.each * KEYS),
            _ => (newest, self.each),
        };
        let rate = bench
            .runtime
            .block_on(self.load(product, options, events))?;
        Ok(vec![Some(rate)])
    }

    fn finish(&mut self) -> Result<()> {
        match self.product.take() {
            Some(product) => product.end().map(drop),
            None => Ok(()),
        }
    }
}

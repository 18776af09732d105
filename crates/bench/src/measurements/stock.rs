//! What is stored before it is drained?

use std::cell::{Ref, RefCell};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::bare::{self, Bare, PushOrder};
use crate::drive::bulk;
use crate::drive::drain::{Drained, Plan, drain};
use crate::measurement::Bench;
use crate::process::Process;
use crate::product::{BULK_PATH, Product, Subscription, start_frame};
use crate::wire::socket::Socket;

/// Lines of one request.
const LINES_MAX: usize = 10_000;

/// A product that has events, and a bare server: stored once for all measurements that drain them. They end with the
/// last of these.
pub(super) struct Stock {
    events: usize,
    stored: RefCell<Option<Stored>>,
}

/// What is there.
pub(super) struct Stored {
    pub(super) product: Product,
    pub(super) bare: Bare,
    /// The sequences of all events.
    pub(super) sequences: Vec<u64>,
}

/// What a drain showed.
pub(super) struct Shown {
    pub(super) drained: Drained,
    /// CPU time of the server meanwhile.
    pub(super) cpu: Duration,
}

impl Shown {
    /// Deliveries a second, and CPU of the server for each in microseconds; of several drains, together.
    pub(super) fn sum(several: &[Self]) -> [f64; 2] {
        let deliveries: usize = several.iter().map(|shown| shown.drained.deliveries).sum();
        let elapsed: Duration = several.iter().map(|shown| shown.drained.elapsed).sum();
        let cpu: Duration = several.iter().map(|shown| shown.cpu).sum();
        [
            deliveries as f64 / elapsed.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / deliveries as f64,
        ]
    }

    /// How long they took, together.
    pub(super) fn elapsed(several: &[Self]) -> Duration {
        several.iter().map(|shown| shown.drained.elapsed).sum()
    }
}

impl Stock {
    /// Of so many events.
    pub(super) fn new(events: usize) -> Self {
        Self {
            events,
            stored: RefCell::default(),
        }
    }

    /// What is stored, now if it was not before.
    pub(super) fn get(&self, bench: &Bench) -> Result<Ref<'_, Stored>> {
        if self.stored.borrow().is_none() {
            let product = bench.product()?;
            let sequences = bench.runtime.block_on(fill(&product, self.events))?;
            // So that what is drained is read from the store, and not still in memory.
            let product = bench.restart(product)?;
            let bare = bench.bare()?;
            *self.stored.borrow_mut() = Some(Stored {
                product,
                bare,
                sequences,
            });
        }
        Ref::filter_map(self.stored.borrow(), Option::as_ref)
            .ok()
            .context("it was stored just now")
    }

    /// The same, of a product that was just started on it.
    pub(super) fn restarted(&self, bench: &Bench) -> Result<Ref<'_, Stored>> {
        drop(self.get(bench)?);
        let stored = self.stored.take().context("it is stored")?;
        let product = bench.restart(stored.product)?;
        *self.stored.borrow_mut() = Some(Stored { product, ..stored });
        self.get(bench)
    }
}

/// Publishes so many events; returns their sequences.
pub(super) async fn fill(product: &Product, events: usize) -> Result<Vec<u64>> {
    let mut sequences = Vec::with_capacity(events);
    while sequences.len() < events {
        let lines = LINES_MAX.min(events - sequences.len());
        let (_, stored) = bulk::post(product.http().await?, BULK_PATH, lines, |_| 0).await?;
        sequences.extend(stored);
    }
    ensure!(
        sequences.is_sorted_by(|a, b| a < b),
        "sequences do not rise"
    );
    Ok(sequences)
}

impl Stored {
    /// Subscribes so many times to the last `events` of what is stored, drains it all over so many sockets, and
    /// unsubscribes.
    pub(super) async fn drain_product(
        &self,
        subscriptions: usize,
        sockets: usize,
        events: usize,
        options: serde_json::Value,
        plan: impl FnOnce(Arc<[u64]>) -> Plan,
    ) -> Result<Shown> {
        let (before, expected) = self.sequences.split_at(self.sequences.len() - events);
        let first = before.last().copied();
        let plan = plan(expected.into());
        drain_product(&self.product, first, subscriptions, sockets, options, &plan).await
    }

    /// The same of the bare server: the same frames over as many sockets, with as many in flight on each.
    pub(super) async fn drain_bare(&self, sockets: usize, plan: &Plan) -> Result<Shown> {
        // A bare socket has one stream of frames, as many in flight as all subscriptions of a socket have.
        let plan = Plan {
            subscriptions: 1,
            expected: (1..=(plan.expected.len() * plan.subscriptions) as u64).collect(),
            window: plan.window * plan.subscriptions,
            batch: plan.batch,
            named: plan.named,
        };
        let order = PushOrder {
            events: plan.expected.len(),
            window: plan.window,
            batch: plan.batch,
        };
        let order = serde_json::to_string(&order)?;
        let mut open = Vec::with_capacity(sockets);
        for _ in 0..sockets {
            let mut socket = self.bare.socket(bare::PUSH_SOCKET_PATH).await?;
            socket.send(order.clone()).await?;
            open.push(socket);
        }
        let (drained, cpu, _) = timed(&self.bare.process, open, &plan).await?;
        Ok(Shown { drained, cpu })
    }

    /// The last so many sequences.
    pub(super) fn last(&self, events: usize) -> Arc<[u64]> {
        self.sequences[self.sequences.len() - events..].into()
    }
}

/// Subscribes so many times to what follows `first`, or to everything, drains it all over so many sockets, and unsubscribes.
pub(super) async fn drain_product(
    product: &Product,
    first: Option<u64>,
    subscriptions: usize,
    sockets: usize,
    options: serde_json::Value,
    plan: &Plan,
) -> Result<Shown> {
    let last = plan.expected.last().copied().context("nothing to drain")?;
    let mut options = options;
    options["firstEvent"] = json!(first.map_or("oldest".to_owned(), |first| first.to_string()));
    let mut http = product.http().await?;
    let mut made: Vec<Subscription> = Vec::with_capacity(subscriptions);
    let mut open = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        open.push(product.socket().await?);
    }
    for number in 0..subscriptions {
        let name = format!("drain-{number}");
        let subscribed = product.subscribe(&mut http, &name, json!({}), options.clone());
        made.push(subscribed.await?);
        open[number % sockets].feed(start_frame(&name)).await?;
    }
    for socket in &mut open {
        socket.flush().await?;
    }
    let (drained, cpu, open) = timed(&product.process, open, plan).await?;
    // A connection on which nothing is asked for long is closed.
    let mut http = product.http().await?;
    for subscription in &made {
        product
            .wait_for_offset(&mut http, subscription, last)
            .await?;
    }
    drop(open);
    for subscription in &made {
        product.unsubscribe(&mut http, subscription).await?;
    }
    Ok(Shown { drained, cpu })
}

/// Drains, and says what the server's CPU did while the clock ran.
async fn timed(
    process: &Process,
    sockets: Vec<Socket>,
    plan: &Plan,
) -> Result<(Drained, Duration, Vec<Socket>)> {
    let at_start = Arc::new(OnceLock::new());
    let watched = process.watch();
    let (drained, sockets) = drain(sockets, plan, {
        let at_start = at_start.clone();
        move || drop(at_start.set(watched.cpu()))
    })
    .await?;
    let after = watched.cpu()?;
    let before = Arc::into_inner(at_start)
        .and_then(OnceLock::into_inner)
        .context("the clock did not start")??;
    Ok((drained, after.saturating_sub(before), sockets))
}

//! How much memory do many subscriptions take under full load?

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::oneshot;

use super::memory::mebibytes;
use super::stock::fill;
use crate::bare::{self, PushOrder};
use crate::drive::bulk;
use crate::drive::drain::{Plan, drain};
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::process::Process;
use crate::product::{BULK_PATH, Subscription, start_frame};
use crate::scale::Scale;
use crate::wire::http::Http;
use crate::wire::socket::Socket;

const READ_AHEAD: usize = 50;
/// Most sockets that they share.
const SOCKETS_MAX: usize = 10;
/// Most rounds: the peak differs little.
const ROUNDS_MAX: usize = 2;

/// Subscriptions that drain what is stored while as much is published, which each of them gets as well.
pub(super) struct FullLoad {
    subscriptions: usize,
    sockets: usize,
    /// Stored before, and published meanwhile.
    events: usize,
}

impl FullLoad {
    pub(super) fn new(scale: &Scale) -> Self {
        let (subscriptions, events) = scale.full_load;
        Self {
            subscriptions,
            sockets: SOCKETS_MAX.min(subscriptions),
            events,
        }
    }

    async fn product(&self, bench: &Bench) -> Result<Sample> {
        let product = bench.product()?;
        let sequences = fill(&product, self.events).await?;
        // What is stored is read from the store, and the peak is not that of storing it.
        let product = bench.restart(product)?;
        let mut http = product.http().await?;
        let (mut made, mut sockets): (Vec<Subscription>, Vec<Socket>) = Default::default();
        for _ in 0..self.sockets {
            sockets.push(product.socket().await?);
        }
        for number in 0..self.subscriptions {
            let name = format!("load-{number}");
            let options = json!({"firstEvent": "oldest", "readAhead": READ_AHEAD});
            let subscribed = product.subscribe(&mut http, &name, json!({}), options);
            made.push(subscribed.await?);
            sockets[number % self.sockets]
                .feed(start_frame(&name))
                .await?;
        }
        for socket in &mut sockets {
            socket.flush().await?;
        }
        // What will be published is known before: nothing else is, and none fails.
        let last = *sequences.last().context("nothing is stored")?;
        let new: Vec<u64> = (last + 1..).take(self.events).collect();
        let plan = Plan {
            subscriptions: self.subscriptions / self.sockets,
            expected: [sequences, new.clone()].concat().into(),
            window: READ_AHEAD + 1,
            batch: false,
            named: true,
        };
        let connection = product.http().await?;
        let (sample, published) = load(
            &product.process,
            sockets,
            &plan,
            connection,
            BULK_PATH,
            self.events,
        )
        .await?;
        ensure!(published == new, "other sequences than those that follow");
        // A connection on which nothing is asked for long is closed.
        let mut http = product.http().await?;
        for subscription in &made {
            let last = last + self.events as u64;
            product
                .wait_for_offset(&mut http, subscription, last)
                .await?;
        }
        product.end()?;
        Ok(sample)
    }

    async fn bare(&self, bench: &Bench) -> Result<Sample> {
        let bare = bench.bare()?;
        // A bare socket has one stream of frames, as many in flight as all subscriptions of a socket have.
        let each = self.subscriptions / self.sockets;
        let events = 2 * self.events * each;
        let plan = Plan {
            subscriptions: 1,
            expected: (1..=events as u64).collect(),
            window: (READ_AHEAD + 1) * each,
            batch: false,
            named: true,
        };
        let order = PushOrder {
            events,
            window: plan.window,
            batch: false,
        };
        let order = serde_json::to_string(&order)?;
        let mut sockets = Vec::with_capacity(self.sockets);
        for _ in 0..self.sockets {
            let mut socket = bare.socket(bare::PUSH_SOCKET_PATH).await?;
            socket.send(order.clone()).await?;
            sockets.push(socket);
        }
        let (connection, path) = (bare.http().await?, bare::BULK_PATH);
        let (sample, _) =
            load(&bare.process, sockets, &plan, connection, path, self.events).await?;
        Ok(sample)
    }
}

/// Drains, and publishes as soon as all windows are full. Returns the sequences of what was published, too.
async fn load(
    process: &Process,
    sockets: Vec<Socket>,
    plan: &Plan,
    connection: Http,
    path: &str,
    events: usize,
) -> Result<(Sample, Vec<u64>)> {
    let lines = bulk::lines(events, |_| 0);
    let (started, start) = oneshot::channel();
    let publish = async {
        start.await.context("nothing is drained")?;
        bulk::post_lines(connection, path, lines).await
    };
    let drained = drain(sockets, plan, move || {
        // Nobody waits for it if the other side has failed.
        let _ = started.send(());
    });
    let ((drained, sockets), (_, published)) = tokio::try_join!(drained, publish)?;
    let sample = [
        drained.deliveries as f64 / drained.elapsed.as_secs_f64(),
        mebibytes(process.memory_peak()?),
        mebibytes(process.memory()?),
    ];
    drop(sockets);
    Ok((sample.map(Some).to_vec(), published))
}

impl Measurement for FullLoad {
    fn name(&self) -> String {
        format!("memory-{}", self.subscriptions)
    }

    fn about(&self) -> String {
        format!(
            "{} durable subscriptions, read-ahead {READ_AHEAD}, on {} WebSockets: each gets {} stored events from the oldest on, and {} more that are published meanwhile in one bulk request",
            self.subscriptions, self.sockets, self.events, self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("deliveries", Unit::PerSecond),
            Figure::new("memory at its peak (RSS)", Unit::Mebibytes),
            Figure::new("memory afterwards (PSS)", Unit::Mebibytes),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: the same load"]
    }

    fn rounds(&self, scale: &Scale) -> usize {
        scale.rounds.min(ROUNDS_MAX)
    }

    fn prepare(&mut self, _: &Bench) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        bench.runtime.block_on(async {
            match side {
                0 => self.product(bench).await,
                _ => self.bare(bench).await,
            }
        })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

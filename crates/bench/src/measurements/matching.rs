//! What does it cost that each event matches one subscription of many?

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bare;
use crate::clock::now;
use crate::drive::bulk;
use crate::measurement::{Bench, Figure, Measurement, Pair, Sample, Unit};
use crate::product::{BULK_PATH, start_frame};
use crate::scale::Scale;
use crate::wire::scan;
use crate::wire::socket::Socket;
use crate::workload;

const READ_AHEAD: usize = 50;
const SOCKETS: usize = 10;

/// Many durable subscriptions with filters of their own, and events that are published while they are served.
pub(super) struct Matching {
    subscriptions: usize,
    events: usize,
    pair: Pair,
    /// Of the product, and of the bare server.
    sockets: [Vec<Socket>; 2],
}

impl Matching {
    pub(super) fn new(scale: &Scale) -> Self {
        let [.., subscriptions] = scale.subscriptions;
        Self {
            subscriptions,
            events: scale.matched_events,
            pair: Pair::default(),
            sockets: Default::default(),
        }
    }
}

impl Measurement for Matching {
    fn name(&self) -> String {
        format!("match-1-of-{}", self.subscriptions)
    }

    fn about(&self) -> String {
        format!(
            "{} durable subscriptions on {SOCKETS} WebSockets, each with a filter on a tag of its own; {} events in one bulk request, each matches one of them; until the last delivery",
            self.subscriptions, self.events
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("events published and delivered", Unit::PerSecond),
            Figure::new("server CPU an event", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: parse + fdatasync + push"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.pair.start(bench)?;
        let (product, bare) = self.pair.get()?;
        self.sockets = bench.runtime.block_on(async {
            let mut http = product.http().await?;
            let (mut delivered, mut relayed) = (Vec::new(), Vec::new());
            for _ in 0..SOCKETS {
                delivered.push(product.socket().await?);
                relayed.push(bare.socket(bare::RELAY_SOCKET_PATH).await?);
            }
            for number in 0..self.subscriptions {
                let name = format!("match-{number}");
                let filter = json!({"message": {"tag": format!("^{}$", workload::tag(number))}});
                let options = json!({"firstEvent": "newest", "readAhead": READ_AHEAD});
                product.subscribe(&mut http, &name, filter, options).await?;
                delivered[number % SOCKETS].send(start_frame(&name)).await?;
                relayed[number % SOCKETS]
                    .send(json!({"type": "start", "tag": number}).to_string())
                    .await?;
            }
            for socket in delivered.iter_mut().chain(&mut relayed) {
                socket.ping().await?;
            }
            anyhow::Ok([delivered, relayed])
        })?;
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (product, bare) = self.pair.get()?;
        let process = if side == 0 {
            &product.process
        } else {
            &bare.process
        };
        let (events, subscriptions) = (self.events, self.subscriptions);
        // Each is matched in turn.
        let tag = move |number| number % subscriptions;
        let sockets = std::mem::take(&mut self.sockets[side]);
        let (rate, cpu, sockets) = bench.runtime.block_on(async {
            let (connection, path) = match side {
                0 => (product.http().await?, BULK_PATH),
                _ => (bare.http().await?, bare::RELAY_BULK_PATH),
            };
            let lines = bulk::lines(events, tag);
            let before = process.cpu()?;
            let start = now();
            let mut receiving = JoinSet::new();
            for (number, socket) in sockets.into_iter().enumerate() {
                // The tags whose subscriptions are on this socket.
                let awaited = (0..events)
                    .filter(|event| event % subscriptions % SOCKETS == number)
                    .count();
                receiving.spawn(receive(socket, number, awaited));
            }
            bulk::post_lines(connection, path, lines).await?;
            let mut sockets: [Option<Socket>; SOCKETS] = Default::default();
            while let Some(received) = receiving.join_next().await {
                let (socket, number) = received.context("a client has panicked")??;
                sockets[number] = Some(socket);
            }
            let rate = events as f64 / start.elapsed().as_secs_f64();
            let cpu = process.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / events as f64;
            anyhow::Ok((rate, cpu, sockets.into_iter().flatten().collect()))
        })?;
        self.sockets[side] = sockets;
        Ok(vec![Some(rate), Some(cpu)])
    }

    fn finish(&mut self) -> Result<()> {
        self.sockets = Default::default();
        self.pair.end()
    }
}

/// Receives and acknowledges so many events, each of which belongs on this socket.
async fn receive(mut socket: Socket, number: usize, awaited: usize) -> Result<(Socket, usize)> {
    let mut came = 0;
    while came < awaited {
        let mut next = Some(
            socket
                .next()
                .await
                .with_context(|| format!("after {came} of {awaited} events"))?,
        );
        while let Some(frame) = next {
            let seen = scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
            let tag = scan::tag(&frame).context("an event without a tag")?;
            ensure!(
                tag % SOCKETS == number,
                "an event came on a socket whose filters it does not match: {frame}"
            );
            let ack = format!(
                r#"{{"type":"ack","id":"{}","subscription":{{"id":"{}"}}}}"#,
                seen.id, seen.subscription
            );
            socket.feed(ack).await?;
            came += 1;
            next = socket.ready()?;
        }
        socket.flush().await?;
    }
    ensure!(came == awaited, "{came} events instead of {awaited}");
    Ok((socket, number))
}

//! What do subscriptions cost that an event does not match?

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

use super::ephemeral::{COMMON, all_are_served, bare_start_frame, product_start_frame};
use crate::bare::{self, Bare};
use crate::drive::bulk;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::process::Process;
use crate::product::{BULK_PATH, PUBLISH_PATH, Product, SOCKET_PATH};
use crate::scale::Scale;
use crate::wire::http::Http;
use crate::wire::scan;
use crate::wire::socket::Socket;

/// Subscriptions that match everything that is published, each on a socket of its own.
const MATCHING: usize = 10;
const READ_AHEAD: usize = 50;
/// How many are started on a socket before it is closed.
const STARTED_TOGETHER: usize = 100;
/// The first tag for which those wait that are started and ended again.
const FIRST_STARTED: usize = 50_000_000;

/// Ephemeral subscriptions of which ten match, and a publisher beside them.
pub(super) struct Bystanders {
    subscriptions: usize,
    sockets: usize,
    messages: usize,
    started: usize,
    sides: Vec<Side>,
}

/// Who is loaded.
struct Side {
    server: Server,
    /// Those that get what is published.
    matching: Vec<Socket>,
    /// All others. They are only kept open.
    _others: Vec<Socket>,
}

enum Server {
    Product(Product),
    Bare(Bare),
}

impl Server {
    fn process(&self) -> &Process {
        match self {
            Self::Product(product) => &product.process,
            Self::Bare(bare) => &bare.process,
        }
    }

    fn sockets(&self) -> (SocketAddr, &'static str) {
        match self {
            Self::Product(product) => (product.address, SOCKET_PATH),
            Self::Bare(bare) => (bare.sockets_address(), bare::RELAY_SOCKET_PATH),
        }
    }

    async fn http(&self) -> Result<Http> {
        match self {
            Self::Product(product) => product.http().await,
            Self::Bare(bare) => bare.http().await,
        }
    }

    /// Where one message is published, and where many are.
    fn paths(&self) -> [&'static str; 2] {
        match self {
            Self::Product(_) => [PUBLISH_PATH, BULK_PATH],
            Self::Bare(_) => [bare::RELAY_PATH, bare::RELAY_BULK_PATH],
        }
    }

    fn start_frame(&self, tag: usize) -> String {
        match self {
            Self::Product(_) => product_start_frame(tag, json!({"readAhead": READ_AHEAD})),
            Self::Bare(_) => bare_start_frame(tag),
        }
    }
}

impl Bystanders {
    /// So many subscriptions in all.
    pub(super) fn new(scale: &Scale, subscriptions: usize) -> Self {
        let (_, sockets) = scale.bystanders;
        let (messages, started) = scale.beside_bystanders;
        Self {
            subscriptions,
            sockets,
            messages,
            started,
            sides: Vec::new(),
        }
    }

    /// Starts so many, the first of which match.
    async fn side(&self, server: Server, subscriptions: usize) -> Result<Side> {
        let (address, path) = server.sockets();
        let mut sockets = Vec::with_capacity(self.sockets);
        for _ in 0..self.sockets {
            sockets.push(Socket::open(address, path).await?);
        }
        for number in 0..subscriptions {
            let tag = if number < MATCHING { COMMON } else { number };
            let frame = server.start_frame(tag);
            sockets[number % self.sockets].feed(frame).await?;
        }
        for socket in &mut sockets {
            socket.ping().await?;
        }
        if let Server::Product(product) = &server {
            let name = "photinus_ephemeral_subscriptions";
            product.wait_for_metric(name, subscriptions as f64).await?;
        }
        let others = sockets.split_off(MATCHING);
        let [path, _] = server.paths();
        let matching = all_are_served(path, &mut server.http().await?, sockets).await?;
        Ok(Side {
            server,
            matching,
            _others: others,
        })
    }
}

impl Side {
    /// Publishes so many that ten get. Messages a second, and CPU time for each until the last delivery.
    async fn publish(&mut self, messages: usize) -> Result<[f64; 2]> {
        let lines = bulk::lines(messages, |_| COMMON);
        let connection = self.server.http().await?;
        let [_, path] = self.server.paths();
        let process = self.server.process();
        let before = process.cpu()?;
        let mut receiving = JoinSet::new();
        for socket in self.matching.drain(..) {
            receiving.spawn(receive(socket, messages));
        }
        let (done, published) = bulk::post_lines(connection, path, lines).await?;
        while let Some(received) = receiving.join_next().await {
            let (socket, came) = received.context("a client has panicked")??;
            ensure!(
                came == published,
                "what came on a socket is not what was published, in its order"
            );
            self.matching.push(socket);
        }
        let cpu = process.cpu()?.saturating_sub(before);
        Ok([done.rate(), each(cpu, messages)])
    }

    /// Starts so many and ends them, some at a time. CPU time for each.
    async fn start(&self, count: usize) -> Result<f64> {
        let (address, path) = self.server.sockets();
        let before = self.server.process().cpu()?;
        for number in (0..count).step_by(STARTED_TOGETHER) {
            let mut socket = Socket::open(address, path).await?;
            for number in number..count.min(number + STARTED_TOGETHER) {
                let frame = self.server.start_frame(FIRST_STARTED + number);
                socket.feed(frame).await?;
            }
            socket.ping().await?;
            socket.close().await?;
        }
        let cpu = self.server.process().cpu()?.saturating_sub(before);
        Ok(each(cpu, count))
    }
}

/// In microseconds.
fn each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

/// Receives and acknowledges so many events; returns their sequences.
async fn receive(mut socket: Socket, awaited: usize) -> Result<(Socket, Vec<u64>)> {
    let mut came = Vec::with_capacity(awaited);
    while came.len() < awaited {
        let next = socket.next().await;
        let mut next =
            Some(next.with_context(|| format!("after {} of {awaited} events", came.len()))?);
        while let Some(frame) = next {
            let seen = scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
            let ack = format!(
                r#"{{"type":"ack","id":"{}","subscription":{{"id":"{}"}}}}"#,
                seen.id, seen.subscription
            );
            came.push(seen.sequence);
            socket.feed(ack).await?;
            next = socket.ready()?;
        }
        socket.flush().await?;
    }
    Ok((socket, came))
}

impl Measurement for Bystanders {
    fn name(&self) -> String {
        format!("ephemeral-publish-{}", self.subscriptions)
    }

    fn about(&self) -> String {
        format!(
            "{} ephemeral subscriptions, read-ahead {READ_AHEAD}, on {} WebSockets, of which {MATCHING} match: {} events in one bulk request, until the last answer; then {} more are started and ended, {STARTED_TOGETHER} at a time on a WebSocket of their own",
            self.subscriptions, self.sockets, self.messages, self.started
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("messages", Unit::PerSecond),
            Figure::new("server CPU a message", Unit::Micros),
            Figure::new("server CPU a start", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec![
            "product",
            "the same with 10",
            "bare: hash map + fdatasync + push",
        ]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        let servers = [
            (Server::Product(bench.product()?), self.subscriptions),
            (Server::Product(bench.product()?), MATCHING),
            (Server::Bare(bench.bare()?), self.subscriptions),
        ];
        for (server, subscriptions) in servers {
            let side = bench.runtime.block_on(self.side(server, subscriptions))?;
            self.sides.push(side);
        }
        for side in 0..self.sides.len() {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (messages, started) = (self.messages, self.started);
        let side = self.sides.get_mut(side).context("it was not prepared")?;
        bench.runtime.block_on(async {
            let [rate, published] = side.publish(messages).await?;
            let start = side.start(started).await?;
            Ok(vec![Some(rate), Some(published), Some(start)])
        })
    }

    fn finish(&mut self) -> Result<()> {
        for side in self.sides.drain(..) {
            if let Server::Product(product) = side.server {
                product.end()?;
            }
        }
        Ok(())
    }
}

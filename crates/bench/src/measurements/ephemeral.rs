//! What do very many ephemeral subscriptions cost?

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::bare;
use crate::clock::now;
use crate::drive::paced::{self, Pace};
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::process::Process;
use crate::product::PUBLISH_PATH;
use crate::scale::Scale;
use crate::statistics::latencies;
use crate::wire::http::Http;
use crate::wire::scan;
use crate::wire::socket::{PATIENCE, Socket};
use crate::workload::{self, NAMESPACE};

/// The tag for which one subscription on each socket waits.
pub(super) const COMMON: usize = 99_999_999;
/// How long one event may take to come on all sockets before the next is tried.
const TRY_MAX: Duration = Duration::from_secs(2);

/// Subscriptions that wait for a tag each, spread over sockets.
pub(super) struct Ephemeral {
    subscriptions: usize,
    sockets: usize,
    events: usize,
    rate: u32,
}

impl Ephemeral {
    pub(super) fn new(scale: &Scale) -> Self {
        let (subscriptions, sockets) = scale.ephemeral;
        let (events, rate) = scale.ephemeral_events;
        Self {
            subscriptions,
            sockets,
            events,
            rate,
        }
    }

    /// What the subscription of this number waits for.
    fn tag(&self, number: usize) -> usize {
        match number < self.subscriptions - self.sockets {
            true => number,
            false => COMMON,
        }
    }

    async fn load(
        &self,
        side: Side<'_>,
        mut sockets: Vec<Socket>,
        mut http: Http,
    ) -> Result<Sample> {
        let before = side.process.memory()?;
        let start = now();
        for number in 0..self.subscriptions {
            let frame = (side.start_frame)(self.tag(number));
            sockets[number % self.sockets].feed(frame).await?;
        }
        for socket in &mut sockets {
            socket.flush().await?;
        }
        for socket in &mut sockets {
            socket.ping().await?;
        }
        let mut sockets = all_are_served(side.publish_path, &mut http, sockets).await?;
        let rate = self.subscriptions as f64 / start.elapsed().as_secs_f64();
        let memory =
            side.process.memory()?.saturating_sub(before) as f64 / self.subscriptions as f64;

        let pace = Pace {
            rate: self.rate,
            count: self.events,
        };
        let distinct = self.subscriptions - self.sockets;
        // Far from each other, and each only once.
        let one = |number: usize| number * (distinct / self.events).max(1) % distinct;
        let address = side.http;
        let all = paced::publish(address, side.publish_path, pace, one, &mut sockets, 1)
            .await
            .context("to one")?;
        let [one_p50, _, _, one_longest] = latencies(&all).context("no messages")?;
        let common = paced::publish(
            address,
            side.publish_path,
            pace,
            |_| COMMON,
            &mut sockets,
            self.sockets,
        );
        let [all_p50, _, _, all_longest] =
            latencies(&common.await.context("to all")?).context("no messages")?;
        Ok([rate, memory, one_p50, one_longest, all_p50, all_longest]
            .map(Some)
            .to_vec())
    }
}

/// Who is loaded.
struct Side<'a> {
    process: &'a Process,
    http: std::net::SocketAddr,
    publish_path: &'static str,
    start_frame: fn(usize) -> String,
}

/// Starts a subscription that waits for this tag.
pub(super) fn product_start_frame(tag: usize, options: Value) -> String {
    json!({
        "type": "start",
        "namespace": NAMESPACE,
        "ephemeral": true,
        "autoack": false,
        "filter": {"message": {"tag": format!("^{}$", workload::tag(tag))}},
        "options": options,
    })
    .to_string()
}

/// The same of a bare server.
pub(super) fn bare_start_frame(tag: usize) -> String {
    json!({"type": "start", "tag": tag}).to_string()
}

/// Publishes until an event has come on all sockets: an ephemeral subscription begins with what is published after it was
/// started, and nothing says when that is.
pub(super) async fn all_are_served(
    path: &str,
    http: &mut Http,
    mut sockets: Vec<Socket>,
) -> Result<Vec<Socket>> {
    let body = Bytes::from(workload::body(COMMON));
    let mut newest = vec![0; sockets.len()];
    let started = now();
    let mut published = 0;
    while started.elapsed() < PATIENCE {
        http.post(path, body.clone(), StatusCode::ACCEPTED).await?;
        published += 1;
        // Sequences of an empty namespace count what was published.
        let tried = tokio::time::timeout(TRY_MAX, async {
            for (socket, newest) in sockets.iter_mut().zip(&mut newest) {
                while *newest < published {
                    let frame = socket.wait().await?;
                    let seen =
                        scan::event(&frame).with_context(|| format!("not an event: {frame}"))?;
                    ensure!(
                        scan::tag(&frame) == Some(COMMON),
                        "an event that does not match: {frame}"
                    );
                    let ack = format!(
                        r#"{{"type":"ack","id":"{}","subscription":{{"id":"{}"}}}}"#,
                        seen.id, seen.subscription
                    );
                    socket.send(ack).await?;
                    *newest = seen.sequence;
                }
            }
            anyhow::Ok(())
        });
        match tried.await {
            Ok(served) => {
                served?;
                return Ok(sockets);
            }
            Err(_) => continue,
        }
    }
    bail!("after {PATIENCE:?} an event has still not come on all sockets")
}

impl Measurement for Ephemeral {
    fn name(&self) -> String {
        "ephemeral".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "{} ephemeral subscriptions on {} WebSockets, each with a filter on a tag of its own but for one on each socket, which share one; {} events at {}/s (open loop) that match one, then as many that match {}: until the last of them",
            self.subscriptions, self.sockets, self.events, self.rate, self.sockets
        )
    }

    fn figures(&self) -> Vec<Figure> {
        let to_all = self.sockets;
        vec![
            Figure::new("subscriptions started", Unit::PerSecond),
            Figure::new("memory each", Unit::Bytes),
            Figure::new("p50 to one", Unit::Micros),
            Figure::new("longest to one", Unit::Micros),
            Figure::new(format!("p50 to {to_all}"), Unit::Micros),
            Figure::new(format!("longest to {to_all}"), Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: hash map + fdatasync + push"]
    }

    fn prepare(&mut self, _: &Bench) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        bench.runtime.block_on(async {
            let mut sockets = Vec::with_capacity(self.sockets);
            if side > 0 {
                let bare = bench.bare()?;
                for _ in 0..self.sockets {
                    sockets.push(bare.socket(bare::RELAY_SOCKET_PATH).await?);
                }
                let side = Side {
                    process: &bare.process,
                    http: bare.http_address(),
                    publish_path: bare::RELAY_PATH,
                    start_frame: bare_start_frame,
                };
                return self.load(side, sockets, bare.http().await?).await;
            }
            let product = bench.product()?;
            for _ in 0..self.sockets {
                sockets.push(product.socket().await?);
            }
            let side = Side {
                process: &product.process,
                http: product.address,
                publish_path: PUBLISH_PATH,
                start_frame: |tag| product_start_frame(tag, json!({})),
            };
            let sample = self.load(side, sockets, product.http().await?).await?;
            product.end()?;
            Ok(sample)
        })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

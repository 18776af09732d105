//! How long does it take from a publish to its delivery?

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bare;
use crate::drive::paced::{self, Pace};
use crate::measurement::{Bench, Difference, Figure, Measurement, Pair, Sample, Unit};
use crate::product::{PUBLISH_PATH, start_frame};
use crate::statistics::latencies;
use crate::wire::socket::Socket;

const SIDES: [&str; 5] = [
    "product",
    "bare: parse + fdatasync + push",
    "bare: write + fdatasync",
    "bare: ping-pong + fdatasync",
    "bare: ping-pong",
];

/// The sync by itself among them.
const SYNC: usize = 2;
/// p50 and p99 among the figures.
const QUANTILES: [(usize, &str); 2] = [(0, "p50 − fsync p50"), (2, "p99 − fsync p99")];

/// One publisher and one durable subscription at a fixed rate.
pub(super) struct Latency {
    pace: Pace,
    pair: Pair,
    /// What gets the events of the product, and of the bare server.
    sockets: [Vec<Socket>; 2],
}

impl Latency {
    /// At so many messages a second, for so long.
    pub(super) fn new(rate: u32, time: Duration) -> Self {
        let count = (f64::from(rate) * time.as_secs_f64()) as usize;
        Self {
            pace: Pace {
                rate,
                count: count.max(1),
            },
            pair: Pair::default(),
            sockets: Default::default(),
        }
    }
}

/// The figures of all latencies.
pub(super) fn figures() -> Vec<Figure> {
    ["p50", "p90", "p99", "longest"]
        .map(|name| Figure::new(name, Unit::Micros))
        .to_vec()
}

/// What they are beyond a sync, which is that side.
pub(super) fn quantile_differences(sync: usize) -> Vec<Difference> {
    QUANTILES
        .map(|(of, name)| Difference {
            figure: Figure::new(name, Unit::Micros),
            of,
            side: sync,
        })
        .to_vec()
}

impl Measurement for Latency {
    fn name(&self) -> String {
        format!("latency-{}", self.pace.rate)
    }

    fn about(&self) -> String {
        format!(
            "publish → deliver at {}/s, {} messages in each round; open loop over HTTP, a durable subscription with read-ahead 50 and acks",
            self.pace.rate, self.pace.count
        )
    }

    fn figures(&self) -> Vec<Figure> {
        figures()
    }

    fn differences(&self) -> Vec<Difference> {
        quantile_differences(SYNC)
    }

    fn sides(&self) -> Vec<&'static str> {
        SIDES.to_vec()
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.pair.start(bench)?;
        let (product, bare) = self.pair.get()?;
        self.sockets = bench.runtime.block_on(async {
            let mut http = product.http().await?;
            product
                .subscribe(
                    &mut http,
                    "latency",
                    json!({}),
                    json!({"firstEvent": "newest", "readAhead": 50}),
                )
                .await?;
            let mut socket = product.socket().await?;
            socket.send(start_frame("latency")).await?;
            let mut relayed = bare.socket(bare::RELAY_SOCKET_PATH).await?;
            relayed.send(r#"{"type":"start"}"#).await?;
            relayed.ping().await?;
            anyhow::Ok([vec![socket], vec![relayed]])
        })?;
        let full = self.pace;
        self.pace.count = full.count.div_ceil(4);
        for side in 0..SIDES.len() {
            self.run(bench, side)?;
        }
        self.pace = full;
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (product, bare) = self.pair.get()?;
        let [delivered, relayed] = &mut self.sockets;
        let (pace, tag) = (self.pace, |number| number);
        let all = bench.runtime.block_on(async {
            match side {
                0 => paced::publish(product.address, PUBLISH_PATH, pace, tag, delivered, 1).await,
                1 => {
                    paced::publish(bare.http_address(), bare::RELAY_PATH, pace, tag, relayed, 1)
                        .await
                }
                SYNC => bare.paced_writes(pace).await,
                3 => paced::ping(bare.socket(bare::SYNCED_PONG_SOCKET_PATH).await?, pace).await,
                _ => paced::ping(bare.socket(bare::PONG_SOCKET_PATH).await?, pace).await,
            }
        })?;
        Ok(latencies(&all).context("no messages")?.map(Some).to_vec())
    }

    fn finish(&mut self) -> Result<()> {
        self.sockets = Default::default();
        self.pair.end()
    }
}

//! How long does it take from a publish to its delivery while somebody uploads?

use std::ops::Range;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bare;
use crate::drive::paced::{self, Pace};
use crate::drive::upload::beside;
use crate::measurement::{Bench, Figure, Measurement, Pair, Sample, Unit};
use crate::product::{BULK_PATH, PUBLISH_PATH, start_frame};
use crate::scale::Scale;
use crate::statistics::latencies;
use crate::wire::socket::Socket;

/// Messages a second whose latency counts.
const RATE: u32 = 100;
/// The tag of what is uploaded, for which nobody waits.
const UPLOADED: usize = 99_999_999;
/// How the tags of all others begin, as a filter, and how many there are at most.
const AWAITED: &str = "^n0000";
const AWAITED_MAX: usize = 10_000;

/// One publisher and one durable subscription at a fixed rate, beside an upload.
pub(super) struct BesideBulk {
    upload_rate: u32,
    messages: usize,
    pair: Pair,
    /// What gets the events of the product, and of the bare server.
    sockets: [Vec<Socket>; 2],
}

impl BesideBulk {
    pub(super) fn new(scale: &Scale) -> Self {
        let messages = (f64::from(RATE) * scale.paced_time.as_secs_f64()) as usize;
        Self {
            upload_rate: scale.upload_rate,
            messages: messages.clamp(1, AWAITED_MAX),
            pair: Pair::default(),
            sockets: Default::default(),
        }
    }

    fn tags(&self) -> Range<usize> {
        0..self.messages
    }
}

impl Measurement for BesideBulk {
    fn name(&self) -> String {
        "latency-beside-bulk".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "publish → deliver at {RATE}/s as above, {} messages in each round, while one bulk request brings {} messages a second (open loop) that match nothing",
            self.messages, self.upload_rate
        )
    }

    fn figures(&self) -> Vec<Figure> {
        let latencies =
            ["p50", "p90", "p99", "longest"].map(|name| Figure::new(name, Unit::Micros));
        let mut figures = latencies.to_vec();
        figures.push(Figure::new("uploaded", Unit::PerSecond));
        figures
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: parse + fdatasync + push"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.pair.start(bench)?;
        let (product, bare) = self.pair.get()?;
        self.sockets = bench.runtime.block_on(async {
            let mut http = product.http().await?;
            let filter = json!({"message": {"tag": AWAITED}});
            let options = json!({"firstEvent": "newest", "readAhead": 50});
            product
                .subscribe(&mut http, "latency", filter, options)
                .await?;
            let mut socket = product.socket().await?;
            socket.send(start_frame("latency")).await?;
            let mut relayed = bare.socket(bare::RELAY_SOCKET_PATH).await?;
            for tag in self.tags() {
                let start = json!({"type": "start", "tag": tag});
                relayed.feed(start.to_string()).await?;
            }
            relayed.ping().await?;
            anyhow::Ok([vec![socket], vec![relayed]])
        })?;
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (product, bare) = self.pair.get()?;
        let pace = Pace {
            rate: RATE,
            count: self.messages,
        };
        let sockets = &mut self.sockets[side];
        let (all, uploaded) = bench.runtime.block_on(async {
            let (address, path, connection, bulk_path) = match side {
                0 => {
                    let connection = product.http().await?;
                    (product.address, PUBLISH_PATH, connection, BULK_PATH)
                }
                _ => {
                    let (address, connection) = (bare.http_address(), bare.http().await?);
                    (address, bare::RELAY_PATH, connection, bare::RELAY_BULK_PATH)
                }
            };
            let published = paced::publish(address, path, pace, |number| number, sockets, 1);
            beside(connection, bulk_path, self.upload_rate, UPLOADED, published).await
        })?;
        let latencies = latencies(&all).context("no messages")?;
        let figures = latencies.into_iter().chain([uploaded]);
        Ok(figures.map(Some).collect())
    }

    fn finish(&mut self) -> Result<()> {
        self.sockets = Default::default();
        self.pair.end()
    }
}

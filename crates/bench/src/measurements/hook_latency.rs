//! How long does it take from a publish to its webhook?

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::latency::{self, quantile_differences};
use crate::drive::paced::{self, Pace};
use crate::measurement::{Bench, Difference, Figure, Measurement, Pair, Sample};
use crate::product::PUBLISH_PATH;
use crate::scale::Scale;
use crate::statistics::latencies;
use crate::wire::receiver::{Answer, Receiver};

/// Messages a second.
const RATE: u32 = 100;
/// The sync by itself among the sides.
const SYNC: usize = 1;

/// One publisher and one webhook at a fixed rate.
pub(super) struct HookLatency {
    pace: Pace,
    pair: Pair,
    receiver: Option<Receiver>,
}

impl HookLatency {
    pub(super) fn new(scale: &Scale) -> Self {
        let count = (f64::from(RATE) * scale.slow_time.as_secs_f64()) as usize;
        Self {
            pace: Pace {
                rate: RATE,
                count: count.max(1),
            },
            pair: Pair::default(),
            receiver: None,
        }
    }
}

impl Measurement for HookLatency {
    fn name(&self) -> String {
        "hooks-latency".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "publish → received at {RATE}/s, {} messages in each round; open loop over HTTP, one webhook, one request at a time",
            self.pace.count
        )
    }

    fn figures(&self) -> Vec<Figure> {
        latency::figures()
    }

    fn differences(&self) -> Vec<Difference> {
        quantile_differences(SYNC)
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: write + fdatasync"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.pair.start(bench)?;
        let (product, _) = self.pair.get()?;
        let receiver = bench.runtime.block_on(async {
            let receiver = Receiver::start(1, Answer::Received).await?;
            let mut http = product.http().await?;
            let newest = json!({"firstEvent": "newest"});
            for url in receiver.urls() {
                product
                    .subscribe_hook(&mut http, "latency", &url, newest.clone())
                    .await?;
            }
            anyhow::Ok(receiver)
        })?;
        self.receiver = Some(receiver);
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (product, bare) = self.pair.get()?;
        let receiver = self.receiver.as_mut().context("it was not prepared")?;
        let pace = self.pace;
        let all: Vec<Duration> = bench.runtime.block_on(async {
            match side {
                0 => {
                    let next = async || {
                        let arrival = receiver.wait().await.context("nobody receives")?;
                        Ok((arrival.tag, arrival.at))
                    };
                    let (address, tag) = (product.address, |number| number);
                    paced::publish_and_hear(address, PUBLISH_PATH, pace, tag, 1, next).await
                }
                _ => bare.paced_writes(pace).await,
            }
        })?;
        Ok(latencies(&all).context("no messages")?.map(Some).to_vec())
    }

    fn finish(&mut self) -> Result<()> {
        self.receiver = None;
        self.pair.end()
    }
}

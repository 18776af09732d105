//! How fast do webhooks go out?

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::clock::now;
use crate::drive::bulk;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{BULK_PATH, Product, Subscription};
use crate::scale::Scale;
use crate::wire::receiver::{Answer, Receiver};

/// How many requests are under way at once, where there are several.
const TOGETHER: usize = 64;

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One by one.
    Ordered,
    /// With an ordering key.
    Keys,
    /// Acknowledged when they were sent.
    Fastack,
    /// To many receivers, one by one to each.
    Receivers,
}

/// Stored events to webhooks.
pub(super) struct Hooks {
    way: Way,
    /// Where there are many.
    receivers: usize,
    /// Events of each task of the bare client, or of each receiver.
    each: usize,
    running: Option<(Product, Bare, Receiver)>,
    /// The sequences of what is stored.
    sequences: Vec<u64>,
}

impl Hooks {
    pub(super) fn new(way: Way, scale: &Scale) -> Self {
        let all = scale.drained_singly;
        Self {
            way,
            receivers: scale.receivers,
            each: match way {
                Way::Ordered => all,
                Way::Keys | Way::Fastack => (4 * all).div_ceil(TOGETHER),
                Way::Receivers => (10 * all).div_ceil(scale.receivers),
            },
            running: None,
            sequences: Vec::new(),
        }
    }

    fn subscriptions(&self) -> usize {
        match self.way {
            Way::Receivers => self.receivers,
            _ => 1,
        }
    }

    /// How many requests a bare client has under way.
    fn together(&self) -> usize {
        match self.way {
            Way::Ordered => 1,
            Way::Keys | Way::Fastack => TOGETHER,
            Way::Receivers => self.receivers,
        }
    }

    /// How many events are stored.
    fn stored(&self) -> usize {
        self.each * self.together() / self.subscriptions()
    }

    fn options(&self) -> Value {
        let mut options = json!({"firstEvent": "oldest"});
        match self.way {
            Way::Ordered | Way::Receivers => options["readAhead"] = 50.into(),
            Way::Keys => {
                options["readAhead"] = (TOGETHER - 1).into();
                options["orderingKey"] = "tag".into();
            }
            Way::Fastack => {
                options["readAhead"] = (TOGETHER - 1).into();
                options["fastack"] = true.into();
            }
        }
        options
    }

    /// Events a second, from when the subscriptions are made until the last event arrived.
    async fn send(&mut self) -> Result<f64> {
        let (subscriptions, options) = (self.subscriptions(), self.options());
        let (product, _, receiver) = self.running.as_mut().context("it was not prepared")?;
        let mut http = product.http().await?;
        let start = now();
        let mut made = Vec::new();
        for (number, url) in receiver.urls().iter().enumerate().take(subscriptions) {
            let name = format!("hook-{number}");
            made.push(
                product
                    .subscribe_hook(&mut http, &name, url, options.clone())
                    .await?,
            );
        }
        let all = self.sequences.len() * subscriptions;
        let mut came: HashMap<usize, Vec<(usize, u64)>> = HashMap::new();
        for _ in 0..all {
            let arrival = receiver.next().await?;
            let of_host = came.entry(arrival.host).or_default();
            of_host.push((arrival.tag, arrival.sequence));
        }
        let elapsed = start.elapsed();
        check(self.way, &self.sequences, &came)?;
        settle(product, &made, self.sequences.last().copied()).await?;
        Ok(all as f64 / elapsed.as_secs_f64())
    }

    async fn ask_bare(&mut self) -> Result<f64> {
        let (each, together) = (self.each, self.together());
        let (_, bare, receiver) = self.running.as_mut().context("it was not prepared")?;
        let urls = receiver.urls();
        let urls: Vec<String> = urls.iter().cycle().take(together).cloned().collect();
        let asking = bare.ask_hooks(&urls, each);
        tokio::pin!(asking);
        let mut open = each * together;
        let mut rate = None;
        while open > 0 || rate.is_none() {
            tokio::select! {
                asked = &mut asking, if rate.is_none() => rate = Some(asked?),
                arrival = receiver.next(), if open > 0 => {
                    arrival?;
                    open -= 1;
                }
            }
        }
        rate.context("no rate")
    }
}

/// What came is what was stored, in the order that was promised.
fn check(way: Way, sequences: &[u64], came: &HashMap<usize, Vec<(usize, u64)>>) -> Result<()> {
    for of_host in came.values() {
        let mut latest: HashMap<usize, u64> = HashMap::new();
        for (tag, sequence) in of_host {
            let key = match way {
                Way::Keys => *tag,
                _ => 0,
            };
            let before = latest.insert(key, *sequence);
            let in_order = before.is_none_or(|before| before < *sequence);
            ensure!(way == Way::Fastack || in_order, "events came out of order");
        }
        let mut all: Vec<u64> = of_host.iter().map(|(_, sequence)| *sequence).collect();
        all.sort_unstable();
        ensure!(all == sequences, "what came is not what was stored");
    }
    Ok(())
}

/// All of them are acknowledged, and go.
async fn settle(product: &Product, made: &[Subscription], last: Option<u64>) -> Result<()> {
    let mut http = product.http().await?;
    for subscription in made {
        product
            .wait_for_offset(&mut http, subscription, last.unwrap_or_default())
            .await?;
        product.unsubscribe(&mut http, subscription).await?;
    }
    Ok(())
}

impl Measurement for Hooks {
    fn name(&self) -> String {
        match self.way {
            Way::Ordered => "hooks-ordered".to_owned(),
            Way::Keys => format!("hooks-keys-{TOGETHER}"),
            Way::Fastack => format!("hooks-fastack-{TOGETHER}"),
            Way::Receivers => format!("hooks-receivers-{}", self.receivers),
        }
    }

    fn about(&self) -> String {
        let stored = self.stored();
        match self.way {
            Way::Ordered => format!("{stored} stored events to one webhook, one request at a time"),
            Way::Keys => format!(
                "{stored} stored events with {TOGETHER} ordering keys to one webhook, as many requests at once"
            ),
            Way::Fastack => format!(
                "{stored} stored events to one webhook with fastack, {TOGETHER} requests unsent at once"
            ),
            Way::Receivers => format!(
                "{stored} stored events to each of {} webhooks with receivers of their own, one request at a time to each; with the time to make the subscriptions",
                self.receivers
            ),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        vec![Figure::new("deliveries", Unit::PerSecond)]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: HTTP client"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        let (product, bare) = (bench.product()?, bench.bare()?);
        let (stored, count) = (self.stored(), self.subscriptions());
        let (sequences, receiver) = bench.runtime.block_on(async {
            let publisher = product.http().await?;
            let (_, sequences) =
                bulk::post(publisher, BULK_PATH, stored, |number| number % TOGETHER).await?;
            let receiver = Receiver::start(count, Answer::Received).await?;
            anyhow::Ok((sequences, receiver))
        })?;
        self.sequences = sequences;
        self.running = Some((product, bare, receiver));
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let rate = match side {
            0 => bench.runtime.block_on(self.send())?,
            _ => bench.runtime.block_on(self.ask_bare())?,
        };
        Ok(vec![Some(rate)])
    }

    fn finish(&mut self) -> Result<()> {
        match self.running.take() {
            Some((product, ..)) => product.end(),
            None => Ok(()),
        }
    }
}

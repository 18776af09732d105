//! What do subscriptions that work feel of those that do not?

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::drive::paced::{self, Pace};
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{PUBLISH_PATH, Product, start_frame};
use crate::scale::Scale;
use crate::statistics::latencies;
use crate::wire::receiver::{Answer, Receiver};
use crate::wire::scan;
use crate::wire::socket::Socket;

/// Of so many subscriptions one is dead.
const ONE_DEAD_OF: usize = 10;
/// How many healthy subscriptions share a WebSocket. Each dead one has its own.
const HEALTHY_TOGETHER: usize = 25;
const READ_AHEAD: usize = 50;

/// Ways to be dead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dead {
    /// It does not read.
    Deaf,
    /// It reads, and never answers.
    Mute,
    /// It refuses everything.
    Unwilling,
    /// A webhook to where nobody is.
    Absent,
    /// A webhook to who never answers.
    Silent,
    /// A webhook to who fails at everything.
    Failing,
}

/// How sockets are dead.
pub(super) const SOCKETS: [Dead; 3] = [Dead::Deaf, Dead::Mute, Dead::Unwilling];
/// How receivers of webhooks are.
pub(super) const URLS: [Dead; 3] = [Dead::Absent, Dead::Silent, Dead::Failing];

/// Many subscriptions of which each gets everything, one of ten in vain.
pub(super) struct Fairness {
    ways: &'static [Dead; 3],
    subscriptions: usize,
    pace: Pace,
    sides: Vec<Side>,
}

struct Side {
    product: Product,
    healthy: Vec<Socket>,
    copies: usize,
    /// Sockets that nobody reads.
    _deaf: Vec<Socket>,
    /// Those that connect here wait for ever.
    _silent: Vec<TcpListener>,
    /// Those that ask here are told that it fails.
    _failing: Vec<Receiver>,
    /// The others that are dead. Ended with this.
    _others: JoinSet<Result<()>>,
}

impl Fairness {
    pub(super) fn new(scale: &Scale, ways: &'static [Dead; 3]) -> Self {
        let (subscriptions, rate) = scale.fairness;
        let count = f64::from(rate) * scale.paced_time.as_secs_f64();
        Self {
            ways,
            subscriptions,
            pace: Pace {
                rate,
                count: (count as usize).max(1),
            },
            sides: Vec::new(),
        }
    }

    async fn side(&self, product: Product, with_dead: bool) -> Result<Side> {
        let dead = self.subscriptions / ONE_DEAD_OF;
        let copies = self.subscriptions - dead;
        let mut http = product.http().await?;
        let newest = json!({"firstEvent": "newest", "readAhead": READ_AHEAD});
        let mut healthy = Vec::new();
        for first in (0..copies).step_by(HEALTHY_TOGETHER) {
            let mut socket = product.socket().await?;
            for number in first..copies.min(first + HEALTHY_TOGETHER) {
                let name = format!("healthy-{number}");
                product
                    .subscribe(&mut http, &name, json!({}), newest.clone())
                    .await?;
                socket.feed(start_frame(&name)).await?;
            }
            socket.ping().await?;
            healthy.push(socket);
        }
        let (mut deaf, mut silent, mut failing) = (Vec::new(), Vec::new(), Vec::new());
        let mut others = JoinSet::new();
        for number in 0..if with_dead { dead } else { 0 } {
            let name = format!("dead-{number}");
            let way = self.ways[number % self.ways.len()];
            let url = match way {
                Dead::Deaf | Dead::Mute | Dead::Unwilling => {
                    product
                        .subscribe(&mut http, &name, json!({}), options(way))
                        .await?;
                    let mut socket = product.socket().await?;
                    socket.send(start_frame(&name)).await?;
                    socket.ping().await?;
                    match way {
                        Dead::Deaf => deaf.push(socket),
                        _ => {
                            let refuse = matches!(way, Dead::Unwilling);
                            drop(others.spawn(listen(socket, refuse)));
                        }
                    }
                    continue;
                }
                // Nobody listens at the first port.
                Dead::Absent => format!("http://127.0.0.1:1/{number}"),
                Dead::Silent => {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let url = format!("http://{}/{number}", listener.local_addr()?);
                    silent.push(listener);
                    url
                }
                Dead::Failing => {
                    let receiver = Receiver::start(1, Answer::Failed).await?;
                    let url = receiver.urls().concat();
                    failing.push(receiver);
                    url
                }
            };
            let options = options(way);
            product
                .subscribe_hook(&mut http, &name, &url, options)
                .await?;
        }
        Ok(Side {
            product,
            healthy,
            copies,
            _deaf: deaf,
            _silent: silent,
            _failing: failing,
            _others: others,
        })
    }
}

/// What makes it as bad as it can be.
fn options(way: Dead) -> Value {
    let retry = json!({"delays": ["100ms"]});
    let mut options =
        json!({"firstEvent": "newest", "readAhead": READ_AHEAD, "retryPolicy": retry});
    match way {
        Dead::Mute => options["ackTimeout"] = json!("200ms"),
        Dead::Silent => options["httpOptions"] = json!({"requestTimeout": "200ms"}),
        _ => {}
    }
    options
}

/// Reads for ever, and refuses what comes or says nothing.
async fn listen(mut socket: Socket, refuse: bool) -> Result<()> {
    loop {
        let frame = socket.wait().await?;
        if !refuse {
            continue;
        }
        let seen = scan::event(&frame).context("not an event")?;
        let nack = format!(
            r#"{{"type":"nack","id":"{}","subscription":{{"id":"{}"}}}}"#,
            seen.id, seen.subscription
        );
        socket.send(nack).await?;
    }
}

impl Measurement for Fairness {
    fn name(&self) -> String {
        match self.ways[0] {
            Dead::Absent => format!("fairness-{}-urls", self.subscriptions),
            _ => format!("fairness-{}", self.subscriptions),
        }
    }

    fn about(&self) -> String {
        let how = match self.ways[0] {
            Dead::Absent => {
                "a webhook to where nobody is, who never answers (200 ms), or fails at everything (tried again after 100 ms)"
            }
            _ => {
                "it does not read, never answers, or refuses everything (tried again after 100 ms)"
            }
        };
        format!(
            "{} subscriptions that all match, {} messages a second, until the last healthy one has it; one of {ONE_DEAD_OF} is dead: {how}",
            self.subscriptions, self.pace.rate
        )
    }

    fn figures(&self) -> Vec<Figure> {
        ["p50", "p90", "p99", "longest"]
            .map(|name| Figure::new(name, Unit::Micros))
            .to_vec()
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "the same without the dead"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        for with_dead in [true, false] {
            let side = self.side(bench.product()?, with_dead);
            let side = bench.runtime.block_on(side)?;
            self.sides.push(side);
        }
        for side in 0..self.sides.len() {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let pace = self.pace;
        let side = self.sides.get_mut(side).context("it was not prepared")?;
        let all = bench.runtime.block_on(async {
            let (address, copies) = (side.product.address, side.copies);
            let healthy = &mut side.healthy;
            let all = paced::publish(address, PUBLISH_PATH, pace, |n| n, healthy, copies).await?;
            // What the dead still try is not part of the next round's beginning.
            tokio::time::sleep(Duration::from_millis(100)).await;
            anyhow::Ok(all)
        })?;
        Ok(latencies(&all).context("no messages")?.map(Some).to_vec())
    }

    fn finish(&mut self) -> Result<()> {
        for side in self.sides.drain(..) {
            drop((side.healthy, side._deaf));
            side.product.end()?;
        }
        Ok(())
    }
}

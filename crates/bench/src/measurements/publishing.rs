//! How many messages a second are published?

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bare::{self, Bare};
use crate::drive::posts::{self, Done};
use crate::drive::{bulk, publishing_socket};
use crate::measurement::{Bench, Figure, Measurement, Pair, Sample, Unit};
use crate::process::Process;
use crate::product::{BULK_PATH, PUBLISH_PATH, PUBLISH_SOCKET_PATH, Product};
use crate::scale::Scale;

/// Who is measured.
#[derive(Clone, Copy, Debug)]
enum Side {
    Product,
    /// The same wire, and rows.
    Limit,
    /// The same wire, and nothing.
    Handler,
    Rows,
    Write,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// So many clients that wait for each answer.
    Posts(usize),
    /// One request with a line each.
    Bulk,
    /// One socket.
    Socket,
}

/// Publishing in one of the ways that there are.
pub(super) struct Publishing {
    how: How,
    time: Duration,
    messages: usize,
    pair: Pair,
}

impl Publishing {
    /// One client that waits for each answer.
    pub(super) fn single(scale: &Scale) -> Self {
        Self::new(How::Posts(1), scale)
    }

    /// 64 of them.
    pub(super) fn concurrent(scale: &Scale) -> Self {
        Self::new(How::Posts(64), scale)
    }

    /// Bulk requests.
    pub(super) fn bulk(scale: &Scale) -> Self {
        Self::new(How::Bulk, scale)
    }

    /// A publishing socket.
    pub(super) fn socket(scale: &Scale) -> Self {
        Self::new(How::Socket, scale)
    }

    fn new(how: How, scale: &Scale) -> Self {
        Self {
            how,
            time: scale.publish_time,
            messages: scale.publish_messages,
            pair: Pair::default(),
        }
    }

    fn parts(&self) -> &'static [Side] {
        use Side::{Handler, Limit, Product, Rows, Write};
        match self.how {
            How::Posts(_) => &[Product, Limit, Handler, Rows, Write],
            How::Bulk | How::Socket => &[Product, Limit, Rows, Write],
        }
    }

    /// How many rows the bare SQLite inserts together.
    fn group(&self) -> usize {
        match self.how {
            How::Posts(clients) => clients,
            How::Bulk | How::Socket => 1_000.min(self.messages),
        }
    }

    async fn product(&self, product: &Product) -> Result<(f64, Option<f64>)> {
        let mut http = product.http().await?;
        let before = product.newest(&mut http).await?;
        let cpu = product.process.cpu()?;
        let (done, extra) = match self.how {
            How::Posts(clients) => {
                let done = posts::post(product.address, PUBLISH_PATH, clients, self.time).await?;
                (done, posts::warm_up_messages(clients))
            }
            How::Bulk => (
                bulk::post(product.http().await?, BULK_PATH, self.messages, |_| 0)
                    .await?
                    .0,
                0,
            ),
            How::Socket => {
                let socket =
                    crate::wire::socket::Socket::open(product.address, PUBLISH_SOCKET_PATH).await?;
                (publishing_socket::publish(socket, self.messages).await?, 0)
            }
        };
        let cpu = each(used(&product.process, cpu)?, done, extra);
        let after = product.newest(&mut http).await?;
        // There may be gaps between sequences, but never fewer than events.
        ensure!(
            after - before >= done.messages + extra,
            "{} sequences were given to {} messages that were answered",
            after - before,
            done.messages + extra
        );
        Ok((done.rate(), Some(cpu)))
    }

    async fn limit(&self, bare: &Bare) -> Result<(f64, Option<f64>)> {
        let cpu = bare.process.cpu()?;
        let (done, extra) = match self.how {
            How::Posts(clients) => {
                let done =
                    posts::post(bare.http_address(), bare::INSERT_PATH, clients, self.time).await?;
                (done, posts::warm_up_messages(clients))
            }
            How::Bulk => (
                bulk::post(bare.http().await?, bare::BULK_PATH, self.messages, |_| 0)
                    .await?
                    .0,
                0,
            ),
            How::Socket => {
                let socket = bare.socket(bare::INSERT_SOCKET_PATH).await?;
                (publishing_socket::publish(socket, self.messages).await?, 0)
            }
        };
        Ok((
            done.rate(),
            Some(each(used(&bare.process, cpu)?, done, extra)),
        ))
    }
}

/// CPU time since then.
fn used(process: &Process, before: Duration) -> Result<Duration> {
    Ok(process.cpu()?.saturating_sub(before))
}

/// Microseconds for each message.
fn each(cpu: Duration, done: Done, extra: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / (done.messages + extra) as f64
}

impl Measurement for Publishing {
    fn name(&self) -> String {
        match self.how {
            How::Posts(1) => "publish-single".to_owned(),
            How::Posts(clients) => format!("publish-{clients}"),
            How::Bulk => "publish-bulk".to_owned(),
            How::Socket => "publish-socket".to_owned(),
        }
    }

    fn about(&self) -> String {
        let time = self.time;
        match self.how {
            How::Posts(1) => format!("one client posts for {time:?} and waits for each answer"),
            How::Posts(clients) => format!(
                "{clients} clients, a connection each that is kept alive, post for {time:?} and wait for each answer; rows in groups of {clients}"
            ),
            How::Bulk => format!(
                "one request with {} lines, answers read while it is sent; rows in groups of {}",
                self.messages,
                self.group()
            ),
            How::Socket => format!(
                "one WebSocket, {} messages with at most {} unanswered; rows in groups of {}",
                self.messages,
                publishing_socket::WINDOW,
                self.group()
            ),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("messages", Unit::PerSecond),
            Figure::new("server CPU a message", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        let words = |side: &Side| match (side, self.how) {
            (Side::Product, _) => "product",
            (Side::Limit, How::Posts(_)) => "bare: parse + SQLite row",
            (Side::Limit, How::Bulk) => "bare: parse + SQLite rows",
            (Side::Limit, How::Socket) => "bare: parse + SQLite rows",
            (Side::Handler, _) => "bare: parse alone",
            (Side::Rows, _) => "bare: SQLite alone",
            (Side::Write, _) => "bare: fdatasync alone",
        };
        self.parts().iter().map(words).collect()
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        self.pair.start(bench)?;
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (product, bare) = self.pair.get()?;
        let milliseconds = self.time.as_millis() / 2;
        bench.runtime.block_on(async {
            let (rate, cpu) = match (self.parts()[side], self.how) {
                (Side::Product, _) => self.product(product).await?,
                (Side::Limit, _) => self.limit(bare).await?,
                (Side::Handler, how) => {
                    let clients = if let How::Posts(clients) = how {
                        clients
                    } else {
                        1
                    };
                    let done = posts::post(
                        bare.http_address(),
                        bare::PARSE_PATH,
                        clients,
                        self.time / 2,
                    )
                    .await?;
                    (done.rate(), None)
                }
                (Side::Rows, _) => (
                    bare.by_itself(bare::ROWS_PATH, self.group(), milliseconds)
                        .await?,
                    None,
                ),
                (Side::Write, _) => (
                    bare.by_itself(bare::WRITE_PATH, self.group(), milliseconds)
                        .await?,
                    None,
                ),
            };
            Ok(vec![Some(rate), cpu])
        })
    }

    fn finish(&mut self) -> Result<()> {
        self.pair.end()
    }
}

//! How fast do applications get what is stored, if they acknowledge each of it?
//!
//! The clock starts when each subscription has its first window in flight: until then nothing is acknowledged. So
//! that what a start costs is not counted, and all begin together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::order::Order;
use crate::clock::now;
use crate::wire::scan::{self, ID_BYTES};
use crate::wire::socket::Socket;

/// What comes over each socket.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many subscriptions each socket has.
    pub subscriptions: usize,
    /// What each of them gets.
    pub expected: Arc<[u64]>,
    /// How many events of each are in flight at most.
    pub window: usize,
    /// Whether events come in batches of a window.
    pub batch: bool,
    /// Whether acknowledgements name the subscription, as they have to where a socket has several.
    pub named: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// Deliveries that came while the clock ran.
    pub deliveries: usize,
    /// How long that took.
    pub elapsed: Duration,
}

/// Receives everything on these sockets, which are just being started; the last acknowledgement is sent when it ends.
/// `at_start` is called when the clock starts.
pub async fn drain(
    sockets: Vec<Socket>,
    plan: &Plan,
    at_start: impl FnOnce() + Send + 'static,
) -> Result<(Drained, Vec<Socket>)> {
    ensure!(
        plan.window < plan.expected.len(),
        "a drain is longer than a window"
    );
    let barrier = Arc::new(Barrier::new(sockets.len()));
    let mut at_start = Some(at_start);
    let mut running = JoinSet::new();
    let count = sockets.len();
    for socket in sockets {
        let reader = Reader {
            plan: plan.clone(),
            socket,
        };
        running.spawn(reader.run(barrier.clone(), at_start.take()));
    }
    let (mut start, mut end): (Option<Instant>, Option<Instant>) = (None, None);
    let mut sockets = Vec::with_capacity(count);
    while let Some(reader) = running.join_next().await {
        let (started, ended, socket) = reader.context("a client has panicked")??;
        start = Some(start.map_or(started, |start| start.min(started)));
        end = Some(end.map_or(ended, |end| end.max(ended)));
        sockets.push(socket);
    }
    let elapsed = end
        .zip(start)
        .map(|(end, start)| end - start)
        .context("no sockets")?;
    let deliveries = count * plan.subscriptions * (plan.expected.len() - plan.window);
    Ok((
        Drained {
            deliveries,
            elapsed,
        },
        sockets,
    ))
}

struct Reader {
    plan: Plan,
    socket: Socket,
}

impl Reader {
    async fn run(
        mut self,
        barrier: Arc<Barrier>,
        at_start: Option<impl FnOnce()>,
    ) -> Result<(Instant, Instant, Socket)> {
        let mut inbox = Inbox::new(&self.plan);
        let mut held = Vec::new();
        let mut came = 0;
        while came < self.plan.window * self.plan.subscriptions {
            let frame = self.socket.next().await.context("in the first window")?;
            let (events, ack) = inbox.take(&frame)?;
            came += events;
            held.push(ack);
        }
        barrier.wait().await;
        if let Some(at_start) = at_start {
            at_start();
        }
        let start = now();
        for ack in held {
            self.socket.feed(ack).await?;
        }
        self.socket.flush().await?;
        let all = self.plan.expected.len() * self.plan.subscriptions;
        let mut end = start;
        while came < all {
            let mut next = Some(
                self.socket
                    .next()
                    .await
                    .with_context(|| format!("after {came} of {all} events"))?,
            );
            while let Some(frame) = next {
                let (events, ack) = inbox.take(&frame)?;
                came += events;
                self.socket.feed(ack).await?;
                next = self.socket.ready()?;
            }
            end = now();
            self.socket.flush().await?;
        }
        inbox.check()?;
        Ok((start, end, self.socket))
    }
}

/// What came, by subscription.
struct Inbox<'a> {
    plan: &'a Plan,
    orders: HashMap<[u8; ID_BYTES], Order<'a>>,
}

impl<'a> Inbox<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            orders: HashMap::new(),
        }
    }

    /// Takes a frame; returns how many events are in it, and the answer.
    fn take(&mut self, frame: &str) -> Result<(usize, String)> {
        if self.plan.batch {
            return self.take_batch(frame);
        }
        let seen = scan::event(frame).with_context(|| format!("not an event: {frame}"))?;
        self.order(seen.subscription)?.came(seen.sequence)?;
        let id = seen.id;
        let ack = match self.plan.named {
            false => format!(r#"{{"type":"ack","id":"{id}"}}"#),
            true => format!(
                r#"{{"type":"ack","id":"{id}","subscription":{{"id":"{}"}}}}"#,
                seen.subscription
            ),
        };
        Ok((1, ack))
    }

    fn take_batch(&mut self, frame: &str) -> Result<(usize, String)> {
        let id = scan::batch(frame).with_context(|| format!("not a batch: {frame}"))?;
        let subscription = scan::event(frame)
            .context("a batch is not empty")?
            .subscription;
        let order = self.order(subscription)?;
        let mut failed = None;
        let events = scan::batch_sequences(frame, |sequence| {
            if let Err(error) = order.came(sequence) {
                failed.get_or_insert(error);
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok((
                events.context("an event without a sequence")?,
                format!(r#"{{"type":"ack","id":"{id}"}}"#),
            )),
        }
    }

    fn order(&mut self, subscription: &str) -> Result<&mut Order<'a>> {
        let id: [u8; ID_BYTES] = subscription
            .as_bytes()
            .try_into()
            .context("an id of another length")?;
        let expected = &self.plan.expected;
        Ok(self
            .orders
            .entry(id)
            .or_insert_with(|| Order::new(expected)))
    }

    fn check(&self) -> Result<()> {
        let complete = self
            .orders
            .values()
            .filter(|order| order.is_complete())
            .count();
        ensure!(
            complete == self.plan.subscriptions,
            "{complete} of {} subscriptions got everything",
            self.plan.subscriptions
        );
        Ok(())
    }
}

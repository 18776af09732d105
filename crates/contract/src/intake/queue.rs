//! How do the messages of a source get into the log in the order in which they came?
//!
//! Several are on their way at once. When one cannot be taken now, those behind it are not taken either: they wait with
//! it, and begin again behind it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};

use super::Taken;
use crate::message::{MessageInput, MessageKind};
use crate::transport::{Callbacks, Chain};

/// What came from a source and is not in the log yet. `A` is what the source has to know to answer the broker.
pub struct Queue<A> {
    callbacks: Arc<dyn Callbacks>,
    namespace: String,
    chain: Chain,
    /// Each was begun when it was put here, and they end in this order.
    under_way: FuturesOrdered<Offered<A>>,
    /// What could not be taken, in order, and why the last one could not.
    failed: VecDeque<Offer<A>>,
    reason: String,
    /// What came since.
    behind: VecDeque<Offer<A>>,
    bytes: usize,
}

/// An offer, and what becomes of it.
type Offered<A> = Pin<Box<dyn Future<Output = (Offer<A>, Taken)> + Send>>;

struct Offer<A> {
    arrived: A,
    message: MessageInput,
    bytes: usize,
}

impl<A: Send + 'static> Queue<A> {
    /// Nothing yet, for this namespace.
    pub fn new(callbacks: Arc<dyn Callbacks>, namespace: &str) -> Self {
        Self {
            callbacks,
            namespace: namespace.to_owned(),
            chain: Chain::default(),
            under_way: FuturesOrdered::new(),
            failed: VecDeque::new(),
            reason: String::new(),
            behind: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Offers a message that has this many bytes: at once, or behind those that wait.
    pub fn push(&mut self, arrived: A, message: MessageInput, bytes: usize) {
        self.bytes += bytes;
        let offer = Offer {
            arrived,
            message,
            bytes,
        };
        match self.chain.is_broken() || !self.failed.is_empty() {
            true => self.behind.push_back(offer),
            false => self.begin(offer),
        }
    }

    /// How many messages are in here.
    pub fn len(&self) -> usize {
        self.under_way.len() + self.failed.len() + self.behind.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What became of the next message, in order: never [`Taken::NotNow`]. `None` if messages have to wait until
    /// [`again`](Self::again) is called. Pending while there is nothing to be told. Nothing is lost by dropping it.
    pub async fn next(&mut self) -> Option<(A, Taken)> {
        loop {
            match self.under_way.next().await {
                Some((offer, Taken::NotNow(reason))) => {
                    self.chain.break_now();
                    self.reason = reason;
                    self.failed.push_back(offer);
                }
                Some((offer, taken)) => {
                    self.bytes -= offer.bytes;
                    return Some((offer.arrived, taken));
                }
                None => std::future::pending().await,
            }
            if self.under_way.is_empty() {
                return None;
            }
        }
    }

    /// Why messages have to wait.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Offers again what could not be taken, and what came since.
    pub fn again(&mut self) {
        self.chain = Chain::default();
        let waiting = self.failed.drain(..).chain(self.behind.drain(..));
        for offer in waiting.collect::<Vec<_>>() {
            self.begin(offer);
        }
    }

    fn begin(&mut self, offer: Offer<A>) {
        let (kind, message) = (MessageKind::Broadcast, offer.message.clone());
        let publishing = self
            .callbacks
            .publish_in(&self.chain, &self.namespace, kind, message);
        let mut taking: Offered<A> = Box::pin(async move { (offer, Taken::of(&publishing.await)) });
        // It is begun here: the next one comes behind it.
        if let Some(done) = (&mut taking).now_or_never() {
            taking = Box::pin(std::future::ready(done));
        }
        self.under_way.push_back(taking);
    }
}

#[cfg(test)]
mod tests;

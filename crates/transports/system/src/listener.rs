//! How does code within this process hear events, and answer them?

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::{Data, Delivery, Event, MessageInput, Outcome};

use crate::connection::Connection;
use crate::transport::Hub;

/// A listener: an ephemeral subscription on a connection of its own. It ends when it is dropped, or with the
/// server; what it left unanswered is heard by nobody.
pub struct Listener {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    explicit: bool,
}

impl Listener {
    pub(crate) fn new(hub: Arc<Hub>, connection: Arc<Connection>) -> Self {
        Self {
            hub,
            connection,
            explicit: false,
        }
    }

    /// From now on only what is answered is acknowledged, and events can be answered in any order. What is never
    /// answered stays in flight, and counts against `readAhead`.
    pub fn explicit(mut self) -> Self {
        self.explicit = true;
        self
    }

    /// The next event; `None` when the server stops. What was heard before and not answered is acknowledged,
    /// unless the listener is [`explicit`](Self::explicit). Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Heard> {
        self.next_batch(NonZeroUsize::MIN).await.pop()
    }

    /// What there is, at least one event and at most so many; empty when the server stops. Otherwise as
    /// [`next`](Self::next).
    pub async fn next_batch(&mut self, max: NonZeroUsize) -> Vec<Heard> {
        if !self.explicit {
            self.connection.acknowledge_taken();
        }
        loop {
            match self.connection.take(max.get()) {
                None => return Vec::new(),
                Some(deliveries) if deliveries.is_empty() => self.connection.changed().await,
                Some(deliveries) => {
                    let heard = deliveries.into_iter().map(|delivery| Heard {
                        delivery,
                        connection: self.connection.clone(),
                    });
                    return heard.collect();
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.end(&self.connection.id);
    }
}

/// An event that a [`Listener`] heard, and the way to answer it. Dropping it answers nothing.
#[must_use]
pub struct Heard {
    delivery: Delivery,
    connection: Arc<Connection>,
}

impl Heard {
    /// The event.
    pub fn event(&self) -> &Event {
        &self.delivery.event
    }

    /// The values of its message, if they were asked for with `withData`.
    pub fn data(&self) -> Option<&Arc<[Data]>> {
        self.delivery.data.as_ref()
    }

    /// 1 and the failures that counted.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// The delivery, with all that the engine gave.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Has it.
    pub fn ack(self) {
        self.settle(Outcome::ack());
    }

    /// Has it, and answers it with a message.
    pub fn ack_with_reply(self, reply: MessageInput) {
        self.settle(Outcome::Acknowledge {
            reply: Some(Box::new(reply)),
        });
    }

    /// Wants it again, after that time or by the schedule, and everything after it, too. What
    /// waited here already may be heard before that, and is then heard again.
    pub fn retry(self, delay: Option<Duration>, reason: impl Into<String>) {
        self.settle(Outcome::Retry {
            delay,
            counted: true,
            reason: reason.into(),
        });
    }

    /// Any outcome. One that comes too late changes nothing.
    pub fn settle(self, outcome: Outcome) {
        self.connection.answer(&self.delivery, outcome);
    }
}

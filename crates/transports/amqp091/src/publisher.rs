//! How do events reach the broker, over one connection?
//!
//! Each subscription has a channel of its own: what the broker refuses on one closes that and no other. Messages are
//! published in order, without waiting for the confirms of those before.

mod lanes;
mod verdict;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use lapin::options::BasicPublishOptions;
use lapin::{Confirmation, Event};
use photinus_contract::outbox::{Outgoing, Settled};
use photinus_contract::{DeliveryId, Outcome, SubscriptionId};
use tokio::time::{Instant, MissedTickBehavior};

use self::lanes::{Lanes, Opened};
use crate::answers::Answers;
use crate::clock::until;
use crate::connect::{Connected, explained};
use crate::hub::{Hub, Shared};
use crate::mapping::message;
use crate::options::{Ack, Route};

/// How long confirms have that are out when the transport stops.
const GRACE: Duration = Duration::from_secs(3);
/// How often subscriptions are looked at on which nothing goes any more.
const SWEEP: Duration = Duration::from_secs(60);
/// Most answers that are taken in one go.
const ANSWERS_MAX: usize = 256;

/// Why it publishes no more.
pub(crate) enum Ended {
    /// The transport stops.
    Stopped,
    /// The connection is gone, or of no use.
    Lost(String),
}

/// Publishes over one connection.
pub(crate) struct Publisher<'a> {
    hub: &'a Hub,
    shared: &'a Shared,
    connected: Connected,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    lanes: Lanes,
    answers: Answers,
    confirms: FuturesUnordered<Pin<Box<dyn Future<Output = Confirmed> + Send>>>,
    /// When those were published whose confirms are out, by number.
    published: BTreeMap<u64, Instant>,
    numbers: u64,
    /// The broker takes nothing for now.
    is_blocked: bool,
    settled: Vec<Settled>,
}

/// What the broker said about a message.
struct Confirmed {
    number: u64,
    lane: u64,
    subscription: SubscriptionId,
    delivery: DeliveryId,
    ack: Ack,
    begun: Instant,
    result: lapin::Result<Confirmation>,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(hub: &'a Hub, shared: &'a Shared, connected: Connected) -> Self {
        Self {
            hub,
            shared,
            events: Box::pin(connected.connection.events_listener()),
            lanes: Lanes::new(&hub.target),
            answers: Answers::default(),
            connected,
            confirms: FuturesUnordered::new(),
            published: BTreeMap::new(),
            numbers: 0,
            is_blocked: false,
            settled: Vec::new(),
        }
    }

    /// Publishes until the connection ends, or the transport stops.
    pub(crate) async fn run(mut self) -> Ended {
        self.hub.outboxes.up();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.reset();
        loop {
            if let Err(reason) = self.publish().await {
                return Ended::Lost(reason);
            }
            let deadline = self.deadline();
            let again = self.lanes.next_again();
            let lost = tokio::select! {
                () = self.shared.stop.cancelled() => return self.end().await,
                () = self.hub.wake.notified() => Ok(()),
                Some(confirmed) = self.confirms.next() => self.confirmed(confirmed),
                event = self.events.next() => self.told(event),
                answers = self.answers.next() => {
                    self.answered(answers)
                }
                () = until(deadline) => Err(format!(
                    "a message was not confirmed within {:?}",
                    self.hub.target.confirm_timeout.value()
                )),
                () = until(again) => {
                    for subscription in self.lanes.take_again(Instant::now()) {
                        self.hub.outboxes.up_again(subscription);
                    }
                    Ok(())
                }
                _ = sweep.tick() => {
                    self.lanes.close(self.hub.outboxes.sweep());
                    Ok(())
                }
            };
            self.flush();
            if let Err(reason) = lost {
                return Ended::Lost(reason);
            }
        }
    }

    /// Publishes what waits, as far as confirms may be out.
    async fn publish(&mut self) -> Result<(), String> {
        while !self.is_blocked && self.published.len() < self.hub.target.unconfirmed_max {
            let Some(outgoing) = self.hub.outboxes.next() else {
                break;
            };
            self.publish_one(outgoing).await?;
        }
        self.flush();
        Ok(())
    }

    async fn publish_one(&mut self, outgoing: Outgoing<Route>) -> Result<(), String> {
        let (subscription, delivery) = (outgoing.subscription.id, outgoing.item.id);
        let ack = outgoing.route.ack;
        let connection = &self.connected.connection;
        let limit = self.hub.target.connection_timeout.value();
        let opened = async {
            if ack == Ack::Application {
                self.answers.open(connection).await?;
            }
            self.lanes
                .open(connection, subscription, &outgoing.route)
                .await
        };
        let opened = tokio::time::timeout(limit, opened).await;
        let opened = opened.map_err(|_| format!("no channel within {limit:?}"))?;
        let Opened { channel, lane } = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refused(subscription, &error),
        };
        let made = message(&outgoing, self.answers.queue());
        let frame_max = connection.configuration().frame_max() as usize;
        let fitting = made.and_then(|made| match made.properties_bytes() > frame_max {
            true => Err(format!(
                "its headers have more than the {frame_max} bytes of a frame of the broker"
            )),
            false => Ok(made),
        });
        let message = match fitting {
            Ok(message) => message,
            Err(reason) => {
                // Neither time nor another broker will help.
                self.hub.standing.refused(&reason);
                self.settle(subscription, delivery, Outcome::Park { reason });
                return Ok(());
            }
        };
        self.numbers += 1;
        let (number, begun) = (self.numbers, Instant::now());
        let options = BasicPublishOptions {
            mandatory: outgoing.route.is_mandatory,
            ..BasicPublishOptions::default()
        };
        let mut confirm = Box::pin(async move {
            let published = channel.basic_publish(
                message.exchange,
                message.routing_key,
                options,
                &message.body,
                message.properties,
            );
            let result = match published.await {
                Ok(confirm) => confirm.await,
                Err(error) => Err(error),
            };
            Confirmed {
                number,
                lane,
                subscription,
                delivery,
                ack,
                begun,
                result,
            }
        });
        self.published.insert(number, begun);
        // It is put into the queue of the library here, so that the next one comes behind it.
        match (&mut confirm).now_or_never() {
            Some(confirmed) => self.confirmed(confirmed),
            None => {
                self.confirms.push(confirm);
                Ok(())
            }
        }
    }

    /// Takes in what the broker said, and what else it has said by now. The error is why the connection is of no use.
    fn confirmed(&mut self, first: Confirmed) -> Result<(), String> {
        let mut next = Some(first);
        while let Some(confirmed) = next {
            self.confirmed_one(confirmed)?;
            next = self.confirms.next().now_or_never().flatten();
        }
        Ok(())
    }

    fn confirmed_one(&mut self, confirmed: Confirmed) -> Result<(), String> {
        self.published.remove(&confirmed.number);
        let subscription = confirmed.subscription;
        if !self.lanes.is_current(subscription, confirmed.lane) {
            // What was on its channel went back with it.
            return Ok(());
        }
        let confirmation = match confirmed.result {
            Ok(confirmation) => confirmation,
            Err(error) => return self.refused(subscription, &error),
        };
        self.lanes.works(subscription);
        let judged = verdict::judge(confirmation, confirmed.ack, confirmed.begun.elapsed());
        match &judged.refusal {
            Some(reason) => self.hub.standing.refused(reason),
            None => self.hub.standing.took(1),
        }
        if let Some(outcome) = judged.outcome {
            self.settled.push(Settled {
                subscription,
                delivery: confirmed.delivery,
                outcome,
                report: Some(judged.report),
            });
        }
        Ok(())
    }

    /// The broker has closed the channel of a subscription, or refuses to open it. If the connection is gone, it is lost
    /// with all that is on it.
    fn refused(
        &mut self,
        subscription: SubscriptionId,
        error: &lapin::Error,
    ) -> Result<(), String> {
        let reason = explained(error);
        if !self.connected.connection.status().connected() {
            return Err(reason);
        }
        self.flush();
        self.hub.standing.refused(&reason);
        let delay = self.lanes.broken(subscription);
        let reason = format!("the broker refuses it: {reason}; trying again in {delay:?}");
        self.hub.outboxes.lost_one(subscription, &reason);
        Ok(())
    }

    /// The library tells of the connection.
    fn told(&mut self, event: Option<Event>) -> Result<(), String> {
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                self.is_blocked = true;
                let reason = format!("the broker takes nothing for now: {reason}");
                self.hub.standing.blocked(Some(&reason));
                self.hub.outboxes.pause(&reason);
            }
            Some(Event::ConnectionUnblocked) => {
                self.is_blocked = false;
                // They could not be confirmed until now.
                let now = Instant::now();
                self.published.values_mut().for_each(|begun| *begun = now);
                self.hub.standing.blocked(None);
                self.hub.outboxes.up();
            }
            Some(Event::Error(error)) if !self.connected.connection.status().connected() => {
                return Err(explained(&error));
            }
            Some(_) => {}
            None => return Err("the connection was closed".into()),
        }
        Ok(())
    }

    /// Applications have answered.
    fn answered(
        &mut self,
        first: Option<lapin::Result<lapin::message::Delivery>>,
    ) -> Result<(), String> {
        let mut next = Some(first);
        for _ in 0..ANSWERS_MAX {
            match next {
                Some(Some(Ok(answer))) => {
                    let settled = self.answers.settled(&self.hub.outboxes, &answer);
                    self.settled.extend(settled);
                    next = self.answers.next().now_or_never();
                }
                // All answers that are out are to this queue, and none of them will come.
                Some(Some(Err(error))) => return Err(explained(&error)),
                Some(None) => return Err("the queue for answers is gone".into()),
                None => break,
            }
        }
        Ok(())
    }

    fn settle(&mut self, subscription: SubscriptionId, delivery: DeliveryId, outcome: Outcome) {
        self.settled.push(Settled {
            subscription,
            delivery,
            outcome,
            report: None,
        });
    }

    /// Tells the engine what became of deliveries.
    fn flush(&mut self) {
        self.hub.outboxes.settle(std::mem::take(&mut self.settled));
    }

    /// When the connection is given up, if nothing is heard until then.
    fn deadline(&self) -> Option<Instant> {
        let (_, begun) = self.published.first_key_value()?;
        (!self.is_blocked).then(|| *begun + self.hub.target.confirm_timeout.value())
    }

    /// Waits a while for the confirms that are out, so that nothing is published again for a restart.
    async fn end(mut self) -> Ended {
        let rest = async {
            while let Some(confirmed) = self.confirms.next().await {
                if self.confirmed(confirmed).is_err() {
                    break;
                }
                self.flush();
            }
        };
        let _ = tokio::time::timeout(GRACE, rest).await;
        self.flush();
        self.confirms.clear();
        self.connected.close().await;
        Ended::Stopped
    }
}

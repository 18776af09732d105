//! How do events reach the broker, over one session?
//!
//! Messages are published in order, without waiting for the acknowledgements of those before: as many as the broker
//! allows, and the target.

mod held;
mod verdict;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use photinus_contract::outbox::{Outgoing, Settled};
use photinus_contract::{DeliveryId, Outcome, SubscriptionId};
use tokio::time::Instant;

use self::held::Held;
use self::verdict::{Judged, Said, judge};
use crate::answers::{Answers, Heard};
use crate::connect::Connected;
use crate::greeting::Offers;
use crate::hub::{Hub, Shared};
use crate::mapping::{is_acknowledged, message, plain_message, reason_of};
use crate::options::{Ack, NoSubscribers, Route};
use crate::session::Session;

/// How long acknowledgements have that are out when the transport stops.
const GRACE: Duration = Duration::from_secs(3);
/// How often subscriptions are looked at on which nothing goes any more.
const SWEEP: Duration = Duration::from_secs(60);

/// Why it publishes no more.
pub(crate) enum Ended {
    /// The transport stops.
    Stopped,
    /// The connection is gone, or of no use.
    Lost(String),
}

/// Publishes over one session.
pub(crate) struct Publisher<'a> {
    hub: &'a Hub,
    shared: &'a Shared,
    session: Session,
    offers: Offers,
    answers: Answers,
    /// Those that nothing is published for now.
    held: Held,
    /// What is not acknowledged, by its number.
    out: HashMap<u16, Sent>,
    /// The same, and what has no acknowledgement, in the order in which it was sent.
    order: VecDeque<(Instant, u16)>,
    /// What counts when the kernel has taken it, which ends there.
    unacknowledged: VecDeque<(u64, Sent)>,
    settled: Vec<Settled>,
}

/// A message that was sent.
#[derive(Clone, Copy)]
struct Sent {
    subscription: SubscriptionId,
    delivery: DeliveryId,
    ack: Ack,
    no_subscribers: NoSubscribers,
    begun: Instant,
    /// The broker has said that nobody gets it.
    has_none: bool,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(hub: &'a Hub, shared: &'a Shared, connected: Connected) -> Self {
        let mut session = connected.session;
        session.answers_itself(true);
        Self {
            held: Held::new(&hub.target),
            answers: Answers::new(hub.answers.clone()),
            hub,
            shared,
            session,
            offers: connected.offers,
            out: HashMap::new(),
            order: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            settled: Vec::new(),
        }
    }

    /// Publishes until the connection ends, or the transport stops.
    pub(crate) async fn run(mut self) -> Ended {
        self.hub.outboxes.up();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.reset();
        loop {
            self.publish();
            let deadline = self.deadline();
            let again = self.held.next_again();
            let lost = tokio::select! {
                () = self.shared.stop.cancelled() => return self.end().await,
                turned = self.session.turn() => turned.and_then(|()| self.taken_in()),
                () = self.hub.wake.notified() => Ok(()),
                () = until(deadline) => Err(format!(
                    "a message was not acknowledged within {:?}",
                    self.hub.target.confirm_timeout.value()
                )),
                () = until(again) => {
                    for subscription in self.held.take_again(Instant::now()) {
                        self.hub.outboxes.up_again(subscription);
                    }
                    Ok(())
                }
                _ = sweep.tick() => {
                    self.held.forget(&self.hub.outboxes.sweep());
                    Ok(())
                }
            };
            self.flush();
            if let Err(reason) = lost {
                return Ended::Lost(reason);
            }
        }
    }

    /// Publishes what waits, as far as there is room.
    fn publish(&mut self) {
        while self.has_room() {
            let Some(outgoing) = self.hub.outboxes.next() else {
                break;
            };
            self.publish_one(&outgoing);
        }
        self.flush();
    }

    fn has_room(&self) -> bool {
        let out = self.out.len() + self.unacknowledged.len();
        out < self.hub.target.unconfirmed_max
            && self.session.vacancy() != Some(0)
            && !self.session.is_full()
    }

    fn publish_one(&mut self, outgoing: &Outgoing<Route>) {
        let (subscription, delivery) = (outgoing.subscription.id, outgoing.item.id);
        let route = &outgoing.route;
        if let Err(reason) = self.is_possible(route) {
            return self.refuse(subscription, &reason);
        }
        let id = match is_acknowledged(route.qos) {
            true => match self.session.packet_id() {
                Some(id) => Some(id),
                None => return self.refuse(subscription, "there is no number for it"),
            },
            false => None,
        };
        let made = match self.session.version() {
            Version::V3_1_1 => plain_message(outgoing, id),
            _ => message(outgoing, id, self.answers.topic()),
        };
        let sent = made.and_then(|made| {
            if let Some(max) = self.offers.packet_bytes_max
                && made.size() > max as usize
            {
                return Err(format!(
                    "it is larger than the {max} bytes that the broker takes"
                ));
            }
            self.session
                .send(made)
                .map_err(|error: MqttError| error.to_string())
        });
        if let Err(reason) = sent {
            id.inspect(|id| self.session.release(*id));
            // Neither time nor another broker will help.
            self.hub.standing.refused(&reason);
            return self.settle(subscription, delivery, Outcome::Park { reason });
        }
        let sent = Sent {
            subscription,
            delivery,
            ack: route.ack,
            no_subscribers: route.no_subscribers,
            begun: Instant::now(),
            has_none: false,
        };
        match id {
            Some(id) => {
                self.out.insert(id, sent);
                self.order.push_back((sent.begun, id));
            }
            None => self.unacknowledged.push_back((self.session.end(), sent)),
        }
    }

    /// Whether the broker offers what a subscription wants; or why not.
    fn is_possible(&mut self, route: &Route) -> Result<(), String> {
        let max = self.offers.qos_max;
        if route.qos as u8 > max {
            return Err(format!("the broker offers QoS {max} at most"));
        }
        if route.retain && !self.offers.retain {
            return Err("the broker retains no messages".into());
        }
        if route.ack == Ack::Broker {
            return Ok(());
        }
        if self.session.version() == Version::V3_1_1 {
            return Err("the broker speaks MQTT 3.1.1, which has no response topics: 'ack' 'application' needs MQTT 5".into());
        }
        self.answers.open(&mut self.session)
    }

    /// Nothing is published for a subscription for a while.
    fn refuse(&mut self, subscription: SubscriptionId, reason: &str) {
        self.flush();
        self.hub.standing.refused(reason);
        let delay = self.held.hold(subscription);
        let reason = format!("{reason}; trying again in {delay:?}");
        self.hub.outboxes.lost_one(subscription, &reason);
    }

    /// Takes in what came. The error is why the connection is of no use.
    fn taken_in(&mut self) -> Result<(), String> {
        let written = self.session.written();
        while let Some((end, sent)) = self.unacknowledged.front().copied()
            && end <= written
        {
            self.unacknowledged.pop_front();
            self.said(sent, Said::Written);
        }
        while let Some(packet) = self.session.take() {
            match packet {
                Packet::V5_0Puback(ack) => {
                    let code = ack.reason_code().map_or(0, |code| code as u8);
                    let properties = ack.props().as_deref().unwrap_or_default();
                    let reason = || shown(ack.reason_code(), properties);
                    self.acknowledged(ack.packet_id(), code, reason);
                }
                Packet::V5_0Pubrec(ack) => {
                    let code = ack.reason_code().map_or(0, |code| code as u8);
                    if code >= 0x80 {
                        let properties = ack.props().as_deref().unwrap_or_default();
                        let reason = || shown(ack.reason_code(), properties);
                        self.acknowledged(ack.packet_id(), code, reason);
                    } else if let Some(sent) = self.out.get_mut(&ack.packet_id()) {
                        // The end of it is still to come.
                        sent.has_none = code == verdict::NO_SUBSCRIBERS;
                    }
                }
                Packet::V5_0Pubcomp(ack) => {
                    let code = ack.reason_code().map_or(0, |code| code as u8);
                    let properties = ack.props().as_deref().unwrap_or_default();
                    let reason = || shown(ack.reason_code(), properties);
                    self.acknowledged(ack.packet_id(), code, reason);
                }
                Packet::V3_1_1Puback(ack) => {
                    self.acknowledged(ack.packet_id(), 0, String::new);
                }
                Packet::V3_1_1Pubcomp(ack) => {
                    self.acknowledged(ack.packet_id(), 0, String::new);
                }
                Packet::V5_0Disconnect(bye) => {
                    let properties = bye.props().as_deref().unwrap_or_default();
                    let reason = shown(bye.reason_code(), properties);
                    return Err(format!("the broker ended the connection: {reason}"));
                }
                other => match self.answers.hear(&self.hub.outboxes, other) {
                    Heard::Nothing => {}
                    Heard::Answer(settled) => self.settled.push(settled),
                    Heard::Refused(reason) => self.no_answers(&reason),
                },
            }
        }
        Ok(())
    }

    fn acknowledged(&mut self, id: u16, code: u8, reason: impl FnOnce() -> String) {
        if let Some(sent) = self.out.remove(&id) {
            let code = match sent.has_none {
                true if code == 0 => verdict::NO_SUBSCRIBERS,
                _ => code,
            };
            self.said(sent, Said::Code(code, reason()));
        }
    }

    fn said(&mut self, sent: Sent, said: Said) {
        let judged = judge(said, sent.ack, sent.no_subscribers, sent.begun.elapsed());
        let Judged {
            outcome,
            refusal,
            report,
        } = judged;
        match &refusal {
            Some(reason) => self.hub.standing.refused(reason),
            None => {
                self.hub.standing.took(1);
                self.held.works(sent.subscription);
            }
        }
        if let Some(outcome) = outcome {
            self.settled.push(Settled {
                subscription: sent.subscription,
                delivery: sent.delivery,
                outcome,
                report: Some(report),
            });
        }
    }

    /// The broker lets nobody answer: those that wait for answers would wait in vain.
    fn no_answers(&mut self, reason: &str) {
        let waiting = self
            .out
            .values()
            .filter(|sent| sent.ack == Ack::Application);
        let mut waiting: Vec<_> = waiting.map(|sent| sent.subscription).collect();
        waiting.sort_unstable();
        waiting.dedup();
        for subscription in waiting {
            self.refuse(subscription, reason);
        }
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
    fn deadline(&mut self) -> Option<Instant> {
        while let Some((begun, id)) = self.order.front().copied() {
            if self.out.get(&id).is_some_and(|sent| sent.begun == begun) {
                return Some(begun + self.hub.target.confirm_timeout.value());
            }
            self.order.pop_front();
        }
        let (_, sent) = self.unacknowledged.front()?;
        Some(sent.begun + self.hub.target.confirm_timeout.value())
    }

    /// Waits a while for what is out, so that nothing is published again for a restart.
    async fn end(mut self) -> Ended {
        let rest = async {
            while !self.out.is_empty() || !self.unacknowledged.is_empty() {
                let turned = self.session.turn().await;
                if turned.and_then(|()| self.taken_in()).is_err() {
                    break;
                }
                self.flush();
            }
        };
        let _ = tokio::time::timeout(GRACE, rest).await;
        self.flush();
        self.session.say_goodbye();
        let _ = self.session.turn().now_or_never();
        Ended::Stopped
    }
}

/// A reason code, for people.
fn shown<C: std::fmt::Debug>(
    code: Option<C>,
    properties: &[mqtt_protocol_core::mqtt::packet::Property],
) -> String {
    let code = code.map_or("no reason".to_owned(), |code| format!("{code:?}"));
    reason_of(&code, properties)
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! How do events reach the broker, over one session?
//!
//! Messages are published in order, without waiting for the acknowledgements of those before: as many as the broker
//! allows, and the target.

mod held;
mod out;
pub(crate) mod suspects;
mod verdict;

use std::time::Duration;

use futures_util::FutureExt;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use photinus_contract::outbox::{Outgoing, Settled};
use photinus_contract::{DeliveryId, Outcome, SubscriptionId};
use tokio::time::{Instant, MissedTickBehavior};

use self::held::Held;
use self::out::{Out, Sent};
use self::suspects::{Suspect, Suspects};
use self::verdict::{Judged, Said, judge};
use crate::answers::{Answers, Heard};
use crate::clock::until;
use crate::connect::Connected;
use crate::greeting::Offers;
use crate::hub::{Hub, Shared};
use crate::mapping::{NO_SUBSCRIBERS, is_acknowledged, message, plain_message, reason_of};
use crate::options::{Ack, Route};
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
    suspects: &'a mut Suspects,
    session: Session,
    offers: Offers,
    answers: Answers,
    /// Those that nothing is published for now.
    held: Held,
    out: Out,
    settled: Vec<Settled>,
}

impl<'a> Publisher<'a> {
    pub(crate) fn new(
        hub: &'a Hub,
        shared: &'a Shared,
        suspects: &'a mut Suspects,
        connected: Connected,
    ) -> Self {
        let mut session = connected.session;
        session.answers_itself(true);
        Self {
            held: Held::new(&hub.target),
            answers: Answers::new(hub.answers.clone()),
            hub,
            shared,
            suspects,
            session,
            offers: connected.offers,
            out: Out::default(),
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
            if let Err(reason) = self.publish() {
                return self.lost(reason);
            }
            let limit = self.hub.target.confirm_timeout.value();
            let deadline = self.out.deadline(&self.session, limit);
            let again = self.held.next_again();
            let lost = tokio::select! {
                () = self.shared.stop.cancelled() => return self.end().await,
                turned = self.session.turn() => turned.and_then(|()| self.taken_in()),
                () = self.hub.wake.notified() => Ok(()),
                () = until(deadline) => Err(format!("a message was not acknowledged within {limit:?}")),
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
                return self.lost(reason);
            }
        }
    }

    /// The connection is of no use. If one message breaks it again and again, that counts for it.
    fn lost(mut self, reason: String) -> Ended {
        let out = self.out.all();
        let suspects: Vec<Suspect> = out.iter().map(Sent::suspect).collect();
        if let Some(guilty) = self.suspects.lost(&suspects) {
            let reason = format!("the connection ends each time that it is sent: {reason}");
            for sent in out.iter().filter(|sent| sent.suspect() == guilty) {
                let outcome = Outcome::retry(reason.clone());
                self.settle(sent.subscription, sent.delivery, outcome);
            }
            self.flush();
        }
        Ended::Lost(reason)
    }

    /// Publishes what waits, as far as there is room.
    fn publish(&mut self) -> Result<(), String> {
        while self.has_room() {
            let Some(outgoing) = self.hub.outboxes.next() else {
                break;
            };
            self.publish_one(&outgoing)?;
        }
        self.flush();
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.out.len() < self.suspects.window(self.hub.target.unconfirmed_max)
            && !self.session.is_over()
            && self.session.vacancy() != Some(0)
            && !self.session.is_full()
    }

    /// The error is why the connection is of no use.
    fn publish_one(&mut self, outgoing: &Outgoing<Route>) -> Result<(), String> {
        let (subscription, delivery) = (outgoing.subscription.id, outgoing.item.id);
        let route = &outgoing.route;
        if let Err(reason) = self.is_possible(route) {
            self.refuse(subscription, &reason);
            return Ok(());
        }
        let id = match is_acknowledged(route.qos) {
            true => match self.session.packet_id() {
                Some(id) => Some(id),
                None => {
                    self.refuse(subscription, "there is no number for it");
                    return Ok(());
                }
            },
            false => None,
        };
        let made = match self.session.version() {
            Version::V3_1_1 => plain_message(outgoing, id),
            _ => message(outgoing, id, self.answers.topic()),
        };
        let fitting = made.and_then(|made| match self.offers.packet_bytes_max {
            Some(max) if made.size() > max as usize => Err(format!(
                "it is larger than the {max} bytes that the broker takes"
            )),
            _ => Ok(made),
        });
        let made = match fitting {
            Ok(made) => made,
            Err(reason) => {
                id.inspect(|id| self.session.release(*id));
                // Neither time nor another broker will help.
                self.hub.standing.refused(&reason);
                self.settle(subscription, delivery, Outcome::Park { reason });
                return Ok(());
            }
        };
        self.session.send(made).map_err(|error| error.to_string())?;
        let sent = Sent {
            subscription,
            delivery,
            sequence: outgoing.item.event.sequence(),
            ack: route.ack,
            no_subscribers: route.no_subscribers,
            begun: Instant::now(),
            end: self.session.end(),
            written: None,
            has_none: false,
        };
        self.out.put(id, sent);
        Ok(())
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
        while let Some(sent) = self.out.take_written(&self.session) {
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
                    } else if let Some(sent) = self.out.numbered(ack.packet_id()) {
                        // The end of it is still to come.
                        sent.has_none = self.session.has_no_subscribers(ack.packet_id());
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
        if let Some(sent) = self.out.take(id) {
            let code = match sent.has_none {
                true if code == 0 => NO_SUBSCRIBERS,
                _ => code,
            };
            self.said(sent, Said::Code(code, reason()));
        }
    }

    fn said(&mut self, sent: Sent, said: Said) {
        self.suspects.took(sent.suspect());
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
        for subscription in self.hub.outboxes.who(|route| route.ack == Ack::Application) {
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

    /// Waits a while for what is out, so that nothing is published again for a restart.
    async fn end(mut self) -> Ended {
        let rest = async {
            while self.out.len() > 0 {
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

//! How do applications answer?
//!
//! To a topic of this process's own, which each message names as its response topic. An answer names its delivery by
//! the correlation data of the message.

use mqtt_protocol_core::mqtt::packet::{Packet, Property, Qos, SubEntry, SubOpts, v5_0};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use photinus_contract::outbox::{Outboxes, Settled};
use photinus_contract::{Outcome, intake};
use tracing::debug;

use crate::clock;
use crate::mapping::{named, user_property, words};
use crate::options::{Ack, Route};
use crate::session::Session;

/// The topic and the tag of a reply, among the user properties of an answer.
const TOPIC: &str = "photinus-topic";
const TAG: &str = "photinus-tag";

/// The topic for answers, and whether it is subscribed to.
pub(crate) struct Answers {
    topic: String,
    state: State,
}

enum State {
    NotAsked,
    /// With this number. What is published behind that is answered: the broker takes one after the other.
    Asked(u16),
    Granted,
}

/// What a packet says.
pub(crate) enum Heard {
    Nothing,
    Answer(Settled),
    /// There will be no answers, for this reason.
    Refused(String),
}

impl Answers {
    pub(crate) fn new(topic: String) -> Self {
        Self {
            topic,
            state: State::NotAsked,
        }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Subscribes, if that was not done yet. The error says why there will be no answers.
    pub(crate) fn open(&mut self, session: &mut Session) -> Result<(), String> {
        match &self.state {
            State::Asked(_) | State::Granted => return Ok(()),
            State::NotAsked => {}
        }
        let id = session.packet_id().ok_or("there is no number for it")?;
        let mut ask = || -> Result<(), MqttError> {
            let options = SubOpts::new().set_qos(Qos::AtLeastOnce);
            let entry = SubEntry::new(self.topic.as_str(), options)?;
            let subscribe = v5_0::Subscribe::builder()
                .packet_id(id)
                .entries(vec![entry])
                .build()?;
            session.send(subscribe)
        };
        ask().map_err(|error| error.to_string())?;
        self.state = State::Asked(id);
        Ok(())
    }

    /// Takes in a packet.
    pub(crate) fn hear(&mut self, outboxes: &Outboxes<Route>, packet: Packet) -> Heard {
        match packet {
            Packet::V5_0Suback(answer) => {
                let codes = answer.reason_codes();
                let code = codes.first();
                if !matches!(self.state, State::Asked(id) if id == answer.packet_id()) {
                    return Heard::Nothing;
                }
                match code {
                    Some(code) if (*code as u8) < 0x80 => {
                        self.state = State::Granted;
                        Heard::Nothing
                    }
                    code => {
                        let reason = format!(
                            "the broker does not let the server subscribe to '{}', where applications answer: {code:?}",
                            self.topic
                        );
                        // It is asked again when one of them is tried again.
                        self.state = State::NotAsked;
                        Heard::Refused(reason)
                    }
                }
            }
            Packet::V5_0Publish(answer) => match settled(outboxes, &answer) {
                Some(settled) => Heard::Answer(settled),
                None => Heard::Nothing,
            },
            _ => Heard::Nothing,
        }
    }
}

/// What an answer settles. One that names nothing that it may settle is dropped.
fn settled(outboxes: &Outboxes<Route>, answer: &v5_0::Publish) -> Option<Settled> {
    let (mut correlation, mut kind) = (None, None);
    for property in answer.props() {
        match property {
            Property::CorrelationData(data) => correlation = named(data.val()),
            Property::ContentType(text) => kind = Some(text.val()),
            _ => {}
        }
    }
    let Some((subscription, delivery)) = correlation else {
        debug!("an answer without the correlation data of a message");
        return None;
    };
    let answered = outboxes.under_way(subscription, delivery);
    if answered
        .as_ref()
        .is_some_and(|it| it.route.ack == Ack::Broker)
    {
        return None;
    }
    let outcome = words(answer.props()).nack(clock::now()).unwrap_or_else(|| {
        let body = Some(answer.payload().as_slice()).filter(|body| !body.is_empty());
        let reply = answered.zip(body).map(|(answered, body)| {
            let said = |name: &str| user_property(answer.props(), name).unwrap_or_default();
            let value = intake::value(body, kind);
            intake::reply(&answered.item.event, value, said(TOPIC), said(TAG))
        });
        Outcome::Acknowledge { reply }
    });
    Some(Settled {
        subscription,
        delivery,
        outcome,
        report: None,
    })
}

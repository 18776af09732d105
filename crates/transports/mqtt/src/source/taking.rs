//! What becomes of messages that come in over one session?

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{Packet, Property, Qos, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{MqttError, PubackReasonCode, PubrecReasonCode};
use photinus_contract::backoff::Backoff;
use photinus_contract::intake::{self, Queue, Taken};
use photinus_contract::message::MessageInput;
use tokio::time::Instant;
use tracing::warn;

use super::Intake;
use super::buried::{buried, said};
use crate::clock::until;
use crate::hub::Shared;
use crate::mapping::{NO_SUBSCRIBERS, reason_of};
use crate::session::Session;

/// How long to wait before a message is offered again that could not be taken.
const AGAIN: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// How many bytes may be on their way into the log at once, in messages that came over one session; one message may have
/// more.
const BYTES_MAX: usize = 64 << 20;
/// How long messages have that are on their way into the log when the transport stops.
const GRACE: Duration = Duration::from_secs(3);
/// What stands for the topic of MQTT in the topic and the tag of a source.
const TOPIC: &str = "{topic}";

/// Takes messages in over one session.
pub(super) struct Taking<'a> {
    intake: &'a Intake,
    shared: &'a Shared,
    session: Session,
    queue: Queue<Arrived>,
    /// What came in while something else was waited for.
    aside: VecDeque<Packet>,
}

/// A message that came in.
pub(super) struct Arrived {
    pub(super) id: Option<u16>,
    pub(super) qos: Qos,
    pub(super) topic: String,
    pub(super) kind: Option<String>,
    pub(super) cid: Option<uuid::Uuid>,
    pub(super) body: Vec<u8>,
}

impl<'a> Taking<'a> {
    pub(super) fn new(intake: &'a Intake, shared: &'a Shared, session: Session) -> Self {
        Self {
            intake,
            shared,
            session,
            queue: Queue::new(shared.callbacks.clone(), &intake.source.namespace),
            aside: VecDeque::new(),
        }
    }

    /// Takes messages in until the transport stops; or why it cannot go on.
    pub(super) async fn run(mut self) -> Result<(), String> {
        let mut backoff = Backoff::new(AGAIN, AGAIN_MAX);
        let mut again = None;
        loop {
            self.take_in()?;
            // What is not read yet waits at the broker.
            let has_room =
                self.queue.len() < self.intake.source.receive_max && self.queue.bytes() < BYTES_MAX;
            tokio::select! {
                () = self.shared.stop.cancelled() => break,
                taken = self.queue.next() => match taken {
                    Some((arrived, taken)) => {
                        backoff.reset();
                        self.answer(arrived, taken).await?;
                    }
                    None => {
                        let (source, reason) = (&self.intake.name, self.queue.reason());
                        warn!(source, reason, "messages have to wait");
                        again = Some(Instant::now() + backoff.delay());
                    }
                },
                () = until(again) => {
                    again = None;
                    self.queue.again();
                }
                turned = self.session.turn_if(has_room) => turned?,
            }
        }
        let _ = tokio::time::timeout(GRACE, self.finish()).await;
        self.session.say_goodbye();
        let _ = self.session.turn().now_or_never();
        Ok(())
    }

    /// Answers what is on its way into the log.
    async fn finish(&mut self) {
        while !self.queue.is_empty() {
            let Some((arrived, taken)) = self.queue.next().await else {
                return;
            };
            if self.answer(arrived, taken).await.is_err() {
                return;
            }
        }
    }

    /// Begins with what came in.
    fn take_in(&mut self) -> Result<(), String> {
        while let Some(packet) = self.aside.pop_front().or_else(|| self.session.take()) {
            match packet {
                Packet::V5_0Publish(message) => self.offer(Arrived::of(&message)),
                Packet::V3_1_1Publish(message) => self.offer(Arrived {
                    id: message.packet_id(),
                    qos: message.qos(),
                    topic: message.topic_name().to_owned(),
                    kind: None,
                    cid: None,
                    body: message.payload().as_slice().to_vec(),
                }),
                Packet::V5_0Pubrel(release) => {
                    let done = v5_0::Pubcomp::builder().packet_id(release.packet_id());
                    self.send(done.build())?;
                }
                Packet::V3_1_1Pubrel(release) => {
                    let done = v3_1_1::Pubcomp::builder().packet_id(release.packet_id());
                    self.send(done.build())?;
                }
                Packet::V5_0Disconnect(bye) => {
                    let code = bye.reason_code().map(|code| format!("{code:?}"));
                    let properties = bye.props().as_deref().unwrap_or_default();
                    let reason = reason_of(&code.unwrap_or_default(), properties);
                    return Err(format!("the broker ended the connection: {reason}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn offer(&mut self, arrived: Arrived) {
        let message = self.message(&arrived);
        let bytes = arrived.body.len();
        self.queue.push(arrived, message, bytes);
    }

    fn message(&self, arrived: &Arrived) -> MessageInput {
        let source = &self.intake.source;
        let name = |given: &str| match given.contains(TOPIC) {
            true => intake::name(&given.replace(TOPIC, &arrived.topic)),
            false => given.to_owned(),
        };
        let mut topic = name(&source.topic);
        if topic.is_empty() {
            topic.clone_from(&self.intake.name);
        }
        let value = intake::value(&arrived.body, arrived.kind.as_deref());
        let mut message = intake::message(value, &topic, &name(&source.tag));
        message.header.cid = arrived.cid;
        message
    }

    async fn answer(&mut self, arrived: Arrived, taken: Taken) -> Result<(), String> {
        match taken {
            Taken::Yes => {
                self.intake.standing.took(1);
                self.acknowledge(&arrived, None)
            }
            Taken::Never(reason) => {
                let topic = &arrived.topic;
                warn!(
                    source = self.intake.name,
                    topic, reason, "a message is refused"
                );
                self.intake.standing.refused(&reason);
                if let Some(topic) = self.intake.source.dead_letter_topic.clone() {
                    self.bury(&topic, &arrived, &reason).await?;
                    return self.acknowledge(&arrived, None);
                }
                self.acknowledge(&arrived, Some(&reason))
            }
            // The transport stops: the broker gives it to whoever comes next.
            _ => Ok(()),
        }
    }

    /// Acknowledges a message to the broker, or refuses it.
    fn acknowledge(&mut self, arrived: &Arrived, refusal: Option<&str>) -> Result<(), String> {
        let Some(id) = arrived.id else {
            return Ok(());
        };
        let is_old = self.session.version() == Version::V3_1_1;
        match (arrived.qos, is_old) {
            (Qos::ExactlyOnce, true) => self.send(v3_1_1::Pubrec::builder().packet_id(id).build()),
            (_, true) => self.send(v3_1_1::Puback::builder().packet_id(id).build()),
            (Qos::ExactlyOnce, false) => {
                let mut answer = v5_0::Pubrec::builder().packet_id(id);
                if let Some(reason) = refusal {
                    let code = PubrecReasonCode::ImplementationSpecificError;
                    answer = answer.reason_code(code).props(said(reason)?);
                }
                self.send(answer.build())
            }
            (_, false) => {
                let mut answer = v5_0::Puback::builder().packet_id(id);
                if let Some(reason) = refusal {
                    let code = PubackReasonCode::ImplementationSpecificError;
                    answer = answer.reason_code(code).props(said(reason)?);
                }
                self.send(answer.build())
            }
        }
    }

    fn send(&mut self, packet: Result<impl Into<Packet>, MqttError>) -> Result<(), String> {
        let sent = packet.and_then(|packet| self.session.send(packet));
        sent.map_err(|error| error.to_string())
    }

    /// Publishes a message to the dead letters, with the reason. It is an error if the broker does not take it.
    async fn bury(&mut self, topic: &str, arrived: &Arrived, reason: &str) -> Result<(), String> {
        let id = self
            .session
            .packet_id()
            .ok_or("there is no number for it")?;
        let version = self.session.version();
        self.send(buried(
            topic,
            arrived,
            reason,
            &self.intake.name,
            id,
            version,
        ))?;
        let limit = self.intake.target.confirm_timeout.value();
        let taken = async {
            loop {
                while let Some(packet) = self.session.take() {
                    match packet {
                        Packet::V5_0Puback(ack) if ack.packet_id() == id => {
                            let code = ack.reason_code().map_or(0, |code| code as u8);
                            if code == NO_SUBSCRIBERS {
                                warn!(
                                    topic,
                                    "nobody has subscribed to the dead letters: one is gone"
                                );
                            }
                            return match code < 0x80 {
                                true => Ok(()),
                                false => Err("the dead letters take nothing".to_owned()),
                            };
                        }
                        Packet::V3_1_1Puback(ack) if ack.packet_id() == id => return Ok(()),
                        other => self.aside.push_back(other),
                    }
                }
                self.session.turn().await?;
            }
        };
        let taken = tokio::time::timeout(limit, taken).await;
        taken.unwrap_or_else(|_| Err(format!("the dead letters took nothing within {limit:?}")))
    }
}

impl Arrived {
    fn of(message: &v5_0::Publish) -> Self {
        let (mut kind, mut cid) = (None, None);
        for property in message.props() {
            match property {
                Property::ContentType(text) => kind = Some(text.val().to_owned()),
                Property::CorrelationData(data) => {
                    let text = std::str::from_utf8(data.val()).ok();
                    cid = text.and_then(|text| text.parse().ok());
                }
                _ => {}
            }
        }
        Self {
            id: message.packet_id(),
            qos: message.qos(),
            topic: message.topic_name().to_owned(),
            kind,
            cid,
            body: message.payload().as_slice().to_vec(),
        }
    }
}

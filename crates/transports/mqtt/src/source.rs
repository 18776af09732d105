//! How do the messages of a topic filter get into the log?
//!
//! Each is published, and acknowledged to the broker when it is committed. MQTT has no ids that tell a message from one
//! that comes again, so what the broker sends twice is in the log twice.

mod buried;
mod taking;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{
    Packet, Qos, RetainHandling, SubEntry, SubOpts, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{MqttError, SubackReturnCode};
use photinus_contract::backoff::Backoff;
use photinus_contract::standing::Standing;
use tokio::time::Instant;
use tracing::{info, warn};

use self::taking::Taking;
use crate::config::{Source, Target};
use crate::connect::{Client, Connected, connect};
use crate::hub::Shared;
use crate::link::PANICKED;
use crate::session::Session;

/// A source, and how it is.
pub(crate) struct Intake {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) standing: Standing,
}

/// Takes messages in until the transport stops, over one session after the other.
pub(crate) async fn run(intake: Arc<Intake>, shared: Shared) {
    let target = &intake.target;
    let mut backoff = Backoff::new(
        target.reconnect_delay.value(),
        target.reconnect_delay_max.value(),
    );
    let client = intake.client();
    let mut first = 0;
    while !shared.stop.is_cancelled() {
        let subscribed = async {
            let connected = connect(target, &client, first).await?;
            let limit = target.connection_timeout.value();
            let subscribed = tokio::time::timeout(limit, intake.subscribed(connected)).await;
            subscribed.map_err(|_| format!("not subscribed within {limit:?}"))?
        };
        let subscribed = tokio::select! {
            () = shared.stop.cancelled() => return,
            subscribed = subscribed => subscribed,
        };
        let reason = match subscribed {
            Ok(session) => {
                info!(
                    source = intake.name,
                    filter = intake.source.filter,
                    "subscribed to topics"
                );
                let begun = Instant::now();
                let taking = Taking::new(&intake, &shared, session);
                let ended = AssertUnwindSafe(taking.run()).catch_unwind().await;
                backoff.worked(begun.elapsed());
                match ended {
                    Ok(Ok(())) => return,
                    Ok(Err(reason)) => reason,
                    Err(_) => PANICKED.to_owned(),
                }
            }
            Err(reason) => reason,
        };
        first += 1;
        let delay = backoff.delay();
        warn!(
            source = intake.name,
            reason,
            ?delay,
            "topics are not subscribed to"
        );
        intake.standing.down(&reason);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

impl Intake {
    /// Who consumes: the broker keeps messages for it while it is away.
    fn client(&self) -> Client {
        let id = match self.source.client_id.as_str() {
            // With another filter it is another client: the broker would keep sending what the old one matches.
            "" => format!(
                "photinus-{}-{:08x}",
                self.name,
                checksum(&self.source.filter)
            ),
            given => given.to_owned(),
        };
        let kept = self.source.session_expiry.value().as_secs();
        Client {
            id,
            kept: Some(u32::try_from(kept).unwrap_or(u32::MAX)),
            // In range: it was checked.
            receive_max: u16::try_from(self.source.receive_max).unwrap_or(u16::MAX),
        }
    }

    /// A session that has the filter.
    async fn subscribed(&self, connected: Connected) -> Result<Session, String> {
        let mut session = connected.session;
        session.answers_itself(false);
        // Also in a session that the broker has kept: it may be one that was refused.
        let id = session.packet_id().ok_or("there is no number for it")?;
        let subscribe = self.subscribe(id, session.version());
        let subscribe = subscribe.map_err(|error| format!("filter: {error}"))?;
        session.send(subscribe).map_err(|error| error.to_string())?;
        self.wait_for_suback(&mut session, id).await?;
        self.standing.connected(&connected.address);
        Ok(session)
    }

    fn subscribe(&self, id: u16, version: Version) -> Result<Packet, MqttError> {
        let qos = match self.source.qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let options = SubOpts::new().set_qos(qos);
        if version == Version::V3_1_1 {
            let entry = SubEntry::new(self.source.filter.as_str(), options)?;
            let subscribe = v3_1_1::Subscribe::builder()
                .packet_id(id)
                .entries(vec![entry]);
            return Ok(subscribe.build()?.into());
        }
        let options = options.set_rh(RetainHandling::SendRetainedIfNotExists);
        let entry = SubEntry::new(self.source.filter.as_str(), options)?;
        let subscribe = v5_0::Subscribe::builder()
            .packet_id(id)
            .entries(vec![entry]);
        Ok(subscribe.build()?.into())
    }

    /// Messages may come in before: they stay in the session.
    async fn wait_for_suback(&self, session: &mut Session, id: u16) -> Result<(), String> {
        loop {
            let refusal = session.find(|packet| match packet {
                Packet::V5_0Suback(answer) if answer.packet_id() == id => {
                    let codes = answer.reason_codes();
                    let refused = codes.first().filter(|code| (**code as u8) >= 0x80);
                    Some(refused.map(|code| format!("{code:?}")))
                }
                Packet::V3_1_1Suback(answer) if answer.packet_id() == id => {
                    let codes = answer.return_codes();
                    let refused = codes.first();
                    let refused = refused.filter(|code| **code == SubackReturnCode::Failure);
                    Some(refused.map(|code| format!("{code:?}")))
                }
                _ => None,
            });
            match refusal {
                Some(None) => return Ok(()),
                Some(Some(reason)) => {
                    let filter = &self.source.filter;
                    return Err(format!(
                        "the broker refuses the filter '{filter}': {reason}"
                    ));
                }
                None => session.turn_beyond().await?,
            }
        }
    }
}

/// Tells texts from each other, and is the same in every version of this program (FNV-1a).
fn checksum(text: &str) -> u32 {
    let step = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

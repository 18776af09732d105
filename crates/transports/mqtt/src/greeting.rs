//! What do client and broker say to each other first?

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{Packet, Property, SessionExpiryInterval, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode, MqttError};

use crate::config::Target;
use crate::connect::{Client, User};
use crate::mapping::reason_of;

/// What the broker offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offers {
    pub(crate) qos_max: u8,
    pub(crate) retain: bool,
    pub(crate) packet_bytes_max: Option<u32>,
}

/// Why no session began.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The broker does not know this version.
    Version(String),
    /// It closed the connection without a word: it knows only an older version, or it stops.
    Silence(String),
    Other(String),
}

/// What the broker says to a greeting.
pub(crate) fn answered(answer: &Packet) -> Result<Offers, Refusal> {
    let mut offers = Offers {
        qos_max: 2,
        retain: true,
        packet_bytes_max: None,
    };
    match answer {
        Packet::V5_0Connack(answer) => {
            let code = answer.reason_code();
            let reason = reason_of(&format!("{code:?}"), answer.props());
            match code {
                ConnectReasonCode::Success => {}
                ConnectReasonCode::UnsupportedProtocolVersion => {
                    return Err(Refusal::Version(reason));
                }
                _ => return Err(Refusal::Other(format!("the broker refuses: {reason}"))),
            }
            for property in answer.props() {
                match property {
                    Property::MaximumQos(max) => offers.qos_max = max.val(),
                    Property::RetainAvailable(is) => offers.retain = is.val() != 0,
                    Property::MaximumPacketSize(max) => offers.packet_bytes_max = Some(max.val()),
                    _ => {}
                }
            }
            Ok(offers)
        }
        Packet::V3_1_1Connack(answer) => match answer.return_code() {
            ConnectReturnCode::Accepted => Ok(offers),
            ConnectReturnCode::UnacceptableProtocolVersion => {
                Err(Refusal::Version("it does not know MQTT 3.1.1".into()))
            }
            code => Err(Refusal::Other(format!("the broker refuses: {code:?}"))),
        },
        _ => Err(Refusal::Other("the broker did not greet".into())),
    }
}

/// The greeting.
pub(crate) fn hello(
    target: &Target,
    client: &Client,
    user: User,
    version: Version,
) -> Result<Packet, MqttError> {
    // In range: it was checked.
    let keep_alive = u16::try_from(target.keep_alive.value().as_secs()).unwrap_or(u16::MAX);
    let is_clean = client.kept.is_none();
    if version == Version::V3_1_1 {
        let mut hello = v3_1_1::Connect::builder()
            .client_id(client.id.as_str())?
            .clean_session(is_clean)
            .keep_alive(keep_alive);
        if let Some(name) = user.name {
            hello = hello.user_name(name)?;
        }
        if let Some(password) = user.password {
            hello = hello.password(password.into_bytes())?;
        }
        return Ok(hello.build()?.into());
    }
    let mut hello = v5_0::Connect::builder()
        .client_id(client.id.as_str())?
        .clean_start(is_clean)
        .keep_alive(keep_alive);
    if let Some(kept) = client.kept {
        let kept: Property = SessionExpiryInterval::new(kept)?.into();
        hello = hello.props(vec![kept]);
    }
    if let Some(name) = user.name {
        hello = hello.user_name(name)?;
    }
    if let Some(password) = user.password {
        hello = hello.password(password.into_bytes())?;
    }
    Ok(hello.build()?.into())
}

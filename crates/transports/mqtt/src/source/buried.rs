//! What is said of a message that can never be taken?

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{
    ContentType, Packet, Property, Qos, ReasonString, UserProperty, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use photinus_contract::words::REASON;

use super::taking::Arrived;
use crate::mapping::cut;

/// To the broker: why it is refused.
pub(super) fn said(reason: &str) -> Result<Vec<Property>, String> {
    let reason = ReasonString::new(cut(reason)).map_err(|error| error.to_string())?;
    Ok(vec![reason.into()])
}

/// To whoever looks at the dead letters: the message, where it came from, and why it is there.
pub(super) fn buried(
    topic: &str,
    arrived: &Arrived,
    reason: &str,
    source: &str,
    id: u16,
    version: Version,
) -> Result<Packet, MqttError> {
    if version == Version::V3_1_1 {
        let made = v3_1_1::Publish::builder()
            .topic_name(topic)?
            .qos(Qos::AtLeastOnce)
            .packet_id(id)
            .payload(arrived.body.clone());
        return Ok(made.build()?.into());
    }
    let mut properties: Vec<Property> = Vec::new();
    for (name, value) in [
        (REASON, reason),
        ("photinus-source", source),
        ("photinus-source-topic", &arrived.topic),
    ] {
        properties.push(UserProperty::new(name, cut(value))?.into());
    }
    if let Some(kind) = &arrived.kind {
        properties.push(ContentType::new(kind.as_str())?.into());
    }
    let made = v5_0::Publish::builder()
        .topic_name(topic)?
        .qos(Qos::AtLeastOnce)
        .packet_id(id)
        .props(properties)
        .payload(arrived.body.clone());
    Ok(made.build()?.into())
}

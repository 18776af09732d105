//! What does a fuzzer read that a client, an application or a broker sends?
//!
//! Not for use: the readers of options and of answers, what an event becomes, and the session itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet};
use photinus_contract::delivery::BatchItem;
use photinus_contract::outbox::Outgoing;
use photinus_contract::{CodedError, DeliveryId, SubscriptionOptions, samples};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Target;
use crate::connect::{Client, User};
use crate::greeting::{answered, hello};
use crate::options::{Route, fill_in};
use crate::session::Session;
use crate::{clock, mapping};

/// The topic that these options make of an event with this topic and value, and the bytes of its message in MQTT 5 and in
/// 3.1.1.
pub type Made = Result<(String, [Vec<u8>; 2]), String>;

/// What these options make of an event.
pub fn message(
    mut options: SubscriptionOptions,
    topic: &str,
    value: &str,
) -> Result<Made, CodedError> {
    let route = Route::read(&options)?;
    fill_in(&route, &mut options);
    let (event, data) = samples::event(topic, "tag", value);
    let mut item = BatchItem::new(DeliveryId::new(1, 2), 3, event);
    item.data = Some([data].into());
    let outgoing = Outgoing {
        subscription: Arc::new(samples::subscription("mqtt", options)),
        route: Arc::new(route),
        item,
    };
    Ok(made(&outgoing))
}

fn made(outgoing: &Outgoing<Route>) -> Made {
    let data = outgoing.item.data.as_deref().unwrap_or_default();
    let topic = mapping::topic(&outgoing.route, &outgoing.item.event, data)?;
    let id = mapping::is_acknowledged(outgoing.route.qos).then_some(1);
    let made = [
        mapping::message(outgoing, id, "answers")?,
        mapping::plain_message(outgoing, id)?,
    ];
    Ok((topic, made.map(|packet| bytes(&packet))))
}

fn bytes(packet: &Packet) -> Vec<u8> {
    let parts = packet.to_buffers();
    parts.iter().flat_map(|part| part.to_vec()).collect()
}

/// What a broker says that sends this, in words: to a greeting, and then whatever it likes. It has to be read within a
/// runtime.
pub async fn session(input: &[u8], is_old: bool) -> String {
    let (version, target) = (version(is_old), Target::default());
    let client = Client {
        id: "c".to_owned(),
        kept: None,
        receive_max: 5,
    };
    let user = User {
        name: None,
        password: None,
    };
    let wire = Said {
        input: input.to_vec(),
        at: 0,
    };
    let mut session = Session::new(Box::new(wire), version, 1 << 20, client.receive_max);
    let Ok(()) = hello(&target, &client, user, version).and_then(|hello| session.send(hello))
    else {
        return "no greeting".to_owned();
    };
    let mut heard = String::new();
    loop {
        while let Some(packet) = session.take() {
            if heard.is_empty() && answered(&packet).is_err() {
                return "refused".to_owned();
            }
            if let Packet::V5_0Publish(answer) = &packet {
                let outcome = mapping::words(answer.props()).nack(clock::now());
                heard.push_str(&format!("{:?}", outcome.is_some()));
            }
            heard.push_str(&format!("{packet};"));
        }
        if let Err(reason) = session.turn().await {
            return heard + &reason;
        }
    }
}

fn version(is_old: bool) -> Version {
    match is_old {
        true => Version::V3_1_1,
        false => Version::V5_0,
    }
}

/// Says so much, in pieces, and takes anything.
struct Said {
    input: Vec<u8>,
    at: usize,
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.input[self.at..];
        let piece = &rest[..rest.len().min(buffer.remaining()).min(7)];
        buffer.put_slice(piece);
        let count = piece.len();
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! How fast does a broker confirm, with nothing before it but a client?
//!
//! RabbitMQ with the library of the product, and with the headers of the product. Mosquitto with bytes that are made once:
//! what is left of the client is the socket.

use anyhow::{Result, bail, ensure};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rows::Done;
use crate::clock::now;

/// What a message says beside its body, as the product says it.
const METADATA: [(&str, &str); 8] = [
    ("photinus-namespace", "default"),
    ("photinus-type", "message_confirmed"),
    ("photinus-topic", "bench"),
    ("photinus-tag", "17"),
    ("photinus-event", "01a203f0-7a23-7481-9bdc-a3ebaac16001"),
    ("photinus-subscription", "broker"),
    ("photinus-attempt", "1"),
    (
        "traceparent",
        "00-01a203f07a2374819bdca3ebaac16000-bc3c8c8adf6603a5-01",
    ),
];
/// CONNECT of MQTT 5 from `bare`, without a user.
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04bare";
/// The topic, or the queue.
const ADDRESS: &str = "bench";

/// Which broker gets how much.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrokerOrder {
    /// Where it is, if it is RabbitMQ.
    pub rabbit: Option<String>,
    /// The port of Mosquitto.
    pub mqtt_port: Option<u16>,
    /// So many messages,
    pub count: usize,
    /// of which so many are without a confirm at once,
    pub window: usize,
    /// and each has so many bytes.
    pub bytes: usize,
}

/// Publishes all of them.
pub(super) async fn publish(order: BrokerOrder) -> Result<Done> {
    match (&order.rabbit, order.mqtt_port) {
        (Some(url), _) => to_rabbit(url, &order).await,
        (None, Some(port)) => to_mosquitto(port, &order).await,
        (None, None) => bail!("no broker"),
    }
}

async fn to_rabbit(url: &str, order: &BrokerOrder) -> Result<Done> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let body = vec![b'x'; order.bytes];
    let mut headers = FieldTable::default();
    for (name, value) in METADATA {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_message_id("01a203f0-7a23-7481-9bdc-a3ebaac16001".into())
        .with_headers(headers);
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let start = now();
    let mut out = FuturesUnordered::new();
    let (mut sent, mut confirmed) = (0, 0);
    while confirmed < order.count {
        let next = match sent < order.count && out.len() < order.window {
            true => {
                let (channel, body, properties) = (&channel, &body, properties.clone());
                let mut confirm = Box::pin(async move {
                    let key = ADDRESS.into();
                    let sent = channel.basic_publish("".into(), key, options, body, properties);
                    sent.await?.await
                });
                sent += 1;
                // The first time that it is asked it publishes.
                let done = (&mut confirm).now_or_never();
                if done.is_none() {
                    out.push(confirm);
                }
                done
            }
            false => out.next().await,
        };
        if let Some(confirm) = next {
            let confirm = confirm?;
            let is_there = confirm.is_ack() && confirm.take_message().is_none();
            ensure!(is_there, "not confirmed");
            confirmed += 1;
        }
    }
    let rate = order.count as f64 / start.elapsed().as_secs_f64();
    connection.close(200, "OK".into()).await?;
    Ok(Done { rate })
}

async fn to_mosquitto(port: u16, order: &BrokerOrder) -> Result<Done> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(CONNECT).await?;
    let mut input = vec![0; 64 << 10];
    let count = stream.read(&mut input).await?;
    ensure!(count > 3 && input[0] == 0x20 && input[3] == 0, "no CONNACK");
    let (mut packet, place) = template(order.bytes);
    let start = now();
    let (mut sent, mut confirmed) = (0_usize, 0);
    let mut output = Vec::new();
    let mut rest = Vec::new();
    while confirmed < order.count {
        output.clear();
        while sent < order.count && sent - confirmed < order.window {
            // One of those that are not out.
            let id = (sent % 65_535 + 1) as u16;
            packet[place..place + 2].copy_from_slice(&id.to_be_bytes());
            output.extend_from_slice(&packet);
            sent += 1;
        }
        stream.write_all(&output).await?;
        let count = stream.read(&mut input).await?;
        ensure!(count > 0, "the broker closed the connection");
        rest.extend_from_slice(&input[..count]);
        let mut at = 0;
        // All are so short that their length is one byte.
        while let Some(length) = rest.get(at + 1).map(|length| usize::from(*length) + 2)
            && at + length <= rest.len()
        {
            if rest[at] == 0x40 {
                confirmed += 1;
            }
            at += length;
        }
        rest.drain(..at);
    }
    Ok(Done {
        rate: order.count as f64 / start.elapsed().as_secs_f64(),
    })
}

/// A PUBLISH of QoS 1, and where its number is.
fn template(bytes: usize) -> (Vec<u8>, usize) {
    let text = |text: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    let mut properties = vec![0x01, 1, 0x03];
    text("application/json", &mut properties);
    for (name, value) in METADATA {
        properties.push(0x26);
        text(name, &mut properties);
        text(value, &mut properties);
    }
    let mut rest = Vec::new();
    text(ADDRESS, &mut rest);
    let place = rest.len();
    rest.extend_from_slice(&[0, 0]);
    length(properties.len(), &mut rest);
    rest.extend_from_slice(&properties);
    rest.extend(std::iter::repeat_n(b'x', bytes));
    let mut packet = vec![0x32];
    length(rest.len(), &mut packet);
    let place = packet.len() + place;
    packet.extend_from_slice(&rest);
    (packet, place)
}

fn length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        match length {
            0 => return out.push(byte),
            _ => out.push(byte | 128),
        }
    }
}

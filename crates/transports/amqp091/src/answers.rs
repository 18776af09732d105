//! How do applications answer?
//!
//! To a queue of this connection's own, which `reply-to` of each message names. An answer names its delivery by the
//! correlation id of the message.

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};
use photinus_contract::outbox::{Outboxes, Settled};
use photinus_contract::{Outcome, intake};
use tracing::debug;

use crate::clock;
use crate::mapping::{named, text, words};
use crate::options::{Ack, Route};

/// How many answers the broker hands over that were not looked at yet.
const PREFETCH: u16 = 1_000;
/// The topic and the tag of a reply, among the headers of an answer.
const TOPIC: &str = "photinus-topic";
const TAG: &str = "photinus-tag";

/// The queue for answers, once somebody needs it.
#[derive(Default)]
pub(crate) struct Answers {
    open: Option<(ShortString, Consumer)>,
}

impl Answers {
    /// Makes the queue, if there is none yet.
    pub(crate) async fn open(&mut self, connection: &Connection) -> lapin::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = queue.await?.name().clone();
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions {
            exclusive: true,
            ..BasicConsumeOptions::default()
        };
        let consumer =
            channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default());
        self.open = Some((queue, consumer.await?));
        Ok(())
    }

    /// The name of the queue; empty if there is none.
    pub(crate) fn queue(&self) -> &str {
        let open = self.open.as_ref();
        open.map_or("", |(queue, _)| queue.as_str())
    }

    /// The next answer; `None` if there will be none any more.
    pub(crate) async fn next(&mut self) -> Option<lapin::Result<Delivery>> {
        match &mut self.open {
            Some((_, consumer)) => consumer.next().await,
            None => std::future::pending().await,
        }
    }

    /// What an answer settles. One that names nothing that it may settle is dropped.
    pub(crate) fn settled(&self, outboxes: &Outboxes<Route>, answer: &Delivery) -> Option<Settled> {
        // It is looked at once: what it answers comes again if this is lost. That never waits.
        let ack = answer.acker.ack(BasicAckOptions::default());
        let _ = futures_util::FutureExt::now_or_never(ack);
        let properties = &answer.properties;
        let correlation = properties.correlation_id().as_ref();
        let Some((subscription, delivery)) = correlation.and_then(|id| named(id.as_str())) else {
            debug!("an answer without the correlation id of a message");
            return None;
        };
        let answered = outboxes.under_way(subscription, delivery);
        if answered
            .as_ref()
            .is_some_and(|it| it.route.ack == Ack::Broker)
        {
            return None;
        }
        let none = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&none);
        let outcome = words(headers).nack(clock::now()).unwrap_or_else(|| {
            let body = Some(&answer.data[..]).filter(|body| !body.is_empty());
            let reply = answered.zip(body).map(|(answered, body)| {
                let kind = properties.content_type().as_ref().map(ShortString::as_str);
                let said = |name: &str| headers.inner().get(name).and_then(text);
                let (topic, tag) = (
                    said(TOPIC).unwrap_or_default(),
                    said(TAG).unwrap_or_default(),
                );
                let value = intake::value(body, kind);
                intake::reply(&answered.item.event, value, topic, tag)
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
}

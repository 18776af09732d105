//! How do the messages of a queue get into the log?
//!
//! Each is published, and acknowledged to the broker when it is committed. What comes again, because the broker did not
//! hear that, is known by its message id.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use photinus_contract::backoff::Backoff;
use photinus_contract::intake::{self, Queue, Taken};
use photinus_contract::message::MessageInput;
use photinus_contract::standing::Standing;
use photinus_contract::words::REASON;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::until;
use crate::config::{Source, Target};
use crate::connect::{Connected, connect, explained};
use crate::hub::Shared;
use crate::link::PANICKED;
use crate::mapping::put;

/// How long to wait before a message is offered again that could not be taken.
const AGAIN: Duration = Duration::from_millis(250);
const AGAIN_MAX: Duration = Duration::from_secs(10);
/// How long messages have that are on their way into the log when the transport stops.
const GRACE: Duration = Duration::from_secs(3);
/// What stands for the routing key in the topic and the tag of a source.
const ROUTING_KEY: &str = "{routing_key}";

/// A source, and how it is.
pub(crate) struct Intake {
    pub(crate) name: String,
    pub(crate) source: Source,
    pub(crate) target: Target,
    pub(crate) standing: Standing,
}

/// Takes messages in until the transport stops, over one connection after the other.
pub(crate) async fn run(intake: Arc<Intake>, shared: Shared) {
    let target = &intake.target;
    let mut backoff = Backoff::new(
        target.reconnect_delay.value(),
        target.reconnect_delay_max.value(),
    );
    let mut first = 0;
    while !shared.stop.is_cancelled() {
        let connected = tokio::select! {
            () = shared.stop.cancelled() => return,
            connected = connect(target, &intake.name, first) => connected,
        };
        let reason = match connected {
            Ok(connected) => match intake.consume(&shared, &connected).await {
                Ok(consuming) => {
                    info!(
                        source = intake.name,
                        address = connected.address,
                        "consuming a queue"
                    );
                    intake.standing.connected(&connected.address);
                    let begun = Instant::now();
                    let taking = AssertUnwindSafe(intake.take(&shared, consuming));
                    let ended = taking.catch_unwind().await;
                    backoff.worked(begun.elapsed());
                    match ended {
                        Ok(Ok(())) => {
                            connected.close().await;
                            return;
                        }
                        Ok(Err(error)) => explained(&error),
                        Err(_) => PANICKED.to_owned(),
                    }
                }
                Err(error) => explained(&error),
            },
            Err(reason) => reason,
        };
        first += 1;
        let delay = backoff.delay();
        warn!(
            source = intake.name,
            reason,
            ?delay,
            "a queue is not consumed"
        );
        intake.standing.down(&reason);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// What a source works with on one connection.
struct Consuming {
    consumer: Consumer,
    /// For what can never be taken.
    dead_letters: Channel,
}

impl Intake {
    async fn consume(&self, shared: &Shared, connected: &Connected) -> lapin::Result<Consuming> {
        let begun = async {
            let connection = &connected.connection;
            let dead_letters = connection.create_channel().await?;
            let confirms = ConfirmSelectOptions::default();
            dead_letters.confirm_select(confirms).await?;
            let channel = connection.create_channel().await?;
            // In range: it was checked.
            let prefetch = u16::try_from(self.source.prefetch).unwrap_or(u16::MAX);
            channel
                .basic_qos(prefetch, BasicQosOptions::default())
                .await?;
            let (queue, options) = (self.source.queue.as_str(), BasicConsumeOptions::default());
            let consumer =
                channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
            Ok(Consuming {
                consumer: consumer.await?,
                dead_letters,
            })
        };
        tokio::select! {
            () = shared.stop.cancelled() => Err(std::io::Error::other("the server stops").into()),
            begun = tokio::time::timeout(self.target.connection_timeout.value(), begun) => {
                begun.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
            }
        }
    }

    /// Takes messages in until the transport stops; or why it cannot go on.
    async fn take(&self, shared: &Shared, mut on: Consuming) -> lapin::Result<()> {
        let mut queue = Queue::new(shared.callbacks.clone(), &self.source.namespace);
        let mut backoff = Backoff::new(AGAIN, AGAIN_MAX);
        let mut again = None;
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                delivery = on.consumer.next() => match delivery {
                    Some(delivery) => {
                        let delivery = delivery?;
                        let (message, bytes) = (self.message(&delivery), delivery.data.len());
                        queue.push(delivery, message, bytes);
                    }
                    None => return Err(std::io::Error::other("the broker has ended it: the queue may be gone").into()),
                },
                taken = queue.next() => match taken {
                    Some((delivery, taken)) => {
                        backoff.reset();
                        self.answer(&on, delivery, taken).await?;
                    }
                    None => {
                        warn!(source = self.name, reason = queue.reason(), "messages have to wait");
                        again = Some(Instant::now() + backoff.delay());
                    }
                },
                () = until(again) => {
                    again = None;
                    queue.again();
                }
            }
        }
        let finish = async {
            while !queue.is_empty() {
                let Some((delivery, taken)) = queue.next().await else {
                    return;
                };
                if self.answer(&on, delivery, taken).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(GRACE, finish).await;
        Ok(())
    }

    fn message(&self, delivery: &Delivery) -> MessageInput {
        let properties = &delivery.properties;
        let kind = properties.content_type().as_ref().map(ShortString::as_str);
        let name = |given: &str| match given.contains(ROUTING_KEY) {
            true => intake::name(&given.replace(ROUTING_KEY, delivery.routing_key.as_str())),
            false => given.to_owned(),
        };
        let mut topic = name(&self.source.topic);
        if topic.is_empty() {
            topic.clone_from(&self.name);
        }
        let value = intake::value(&delivery.data, kind);
        let mut message = intake::message(value, &topic, &name(&self.source.tag));
        let id = properties.message_id().as_ref().map(ShortString::as_str);
        message.idempotency_key = intake::key(&self.name, id.unwrap_or_default());
        let answered = properties.correlation_id().as_ref();
        message.header.cid = answered.and_then(|id| id.as_str().parse().ok());
        message
    }

    async fn answer(&self, on: &Consuming, delivery: Delivery, taken: Taken) -> lapin::Result<()> {
        match taken {
            Taken::Yes => {
                self.standing.took(1);
                delivery.acker.ack(BasicAckOptions::default()).await?;
            }
            Taken::Never(reason) => {
                warn!(
                    source = self.name,
                    reason, "a message of a queue is refused"
                );
                self.standing.refused(&reason);
                match &self.source.dead_letter_exchange {
                    Some(exchange) => {
                        self.bury(on, exchange, &delivery, &reason).await?;
                        delivery.acker.ack(BasicAckOptions::default()).await?;
                    }
                    None => {
                        let options = BasicRejectOptions { requeue: false };
                        delivery.acker.reject(options).await?;
                    }
                }
            }
            // The transport stops: the broker gives it to whoever comes next.
            _ => {}
        }
        Ok(())
    }

    /// Publishes a message to the dead letters, with the reason. It is an error if they do not take it.
    async fn bury(
        &self,
        on: &Consuming,
        exchange: &str,
        delivery: &Delivery,
        reason: &str,
    ) -> lapin::Result<()> {
        let mut headers = delivery.properties.headers().clone().unwrap_or_default();
        put(&mut headers, REASON, reason);
        put(&mut headers, "photinus-source", &self.name);
        let key = match &self.source.dead_letter_routing_key {
            Some(key) => crate::mapping::cut(key),
            None => delivery.routing_key.clone(),
        };
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let published = on.dead_letters.basic_publish(
            crate::mapping::cut(exchange),
            key,
            options,
            &delivery.data,
            delivery.properties.clone().with_headers(headers),
        );
        let confirm = published.await?.await?;
        match confirm.is_ack() && confirm.take_message().is_none() {
            true => Ok(()),
            false => Err(std::io::Error::other("the dead letters take nothing").into()),
        }
    }
}

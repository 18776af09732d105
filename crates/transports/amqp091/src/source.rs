//! How do the messages of a queue get into the log?
//!
//! Each is published, and acknowledged to the broker when it is committed. What comes again, because the broker did not
//! hear that, is known by its message id.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use photinus_contract::intake::{self, Taken};
use photinus_contract::message::{MessageInput, MessageKind};
use photinus_contract::words::REASON;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Source, Target};
use crate::connect::{Connected, connect, explained};
use crate::hub::Shared;
use crate::mapping::put;
use photinus_contract::backoff::Backoff;
use photinus_contract::standing::Standing;

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

/// A message that was offered to the engine, and what became of it.
type Offered = Pin<Box<dyn Future<Output = (Delivery, Taken)> + Send>>;

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
                    backoff.reset();
                    match intake.take(&shared, consuming).await {
                        Ok(()) => {
                            connected.close().await;
                            return;
                        }
                        Err(error) => explained(&error),
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
        // They are begun and answered in the order of the queue.
        let mut offered: FuturesOrdered<Offered> = FuturesOrdered::new();
        loop {
            tokio::select! {
                () = shared.stop.cancelled() => break,
                delivery = on.consumer.next() => match delivery {
                    Some(delivery) => offered.push_back(self.offer(shared, delivery?)),
                    None => return Err(std::io::Error::other("the broker has ended it: the queue may be gone").into()),
                },
                Some((delivery, taken)) = offered.next() => self.answer(&on, delivery, taken).await?,
            }
        }
        let rest = async {
            while let Some((delivery, taken)) = offered.next().await {
                if self.answer(&on, delivery, taken).await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(GRACE, rest).await;
        Ok(())
    }

    /// Offers a message to the engine until it is taken, or it is known that it never will be.
    fn offer(&self, shared: &Shared, delivery: Delivery) -> Offered {
        let (callbacks, stop) = (shared.callbacks.clone(), shared.stop.clone());
        let (namespace, message) = (self.source.namespace.clone(), self.message(&delivery));
        let source = self.name.clone();
        let mut offered: Offered = Box::pin(async move {
            let mut backoff = Backoff::new(AGAIN, AGAIN_MAX);
            loop {
                let published =
                    callbacks.publish(&namespace, MessageKind::Broadcast, message.clone());
                match Taken::of(&published.await) {
                    Taken::NotNow(reason) if !stop.is_cancelled() => {
                        warn!(source, reason, "a message of a queue has to wait");
                        wait(&stop, backoff.delay()).await;
                    }
                    taken => return (delivery, taken),
                }
            }
        });
        // It is begun here: the next one comes behind it.
        match (&mut offered).now_or_never() {
            Some(done) => Box::pin(std::future::ready(done)),
            None => offered,
        }
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

async fn wait(stop: &CancellationToken, delay: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(delay) => {}
    }
}

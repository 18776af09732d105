//! Who takes the messages?
//!
//! A consumer of a queue of RabbitMQ, to which all subscriptions of the suite publish. It answers as an application does:
//! to `reply-to`, with the correlation id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use photinus_brokers::RabbitMq;
use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarConnection, FarEnd, FarError, FarEvent, Running, Skill, Subject,
    Token,
};
use photinus_contract::BoxFuture;
use photinus_transport_amqp091::Amqp091;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

/// The broker of all rules.
fn rabbit() -> &'static RabbitMq {
    static RABBIT: OnceLock<RabbitMq> = OnceLock::new();
    RABBIT.get_or_init(RabbitMq::start)
}

pub(crate) fn subject() -> Subject {
    let config = json!({"targets": {"main": {"url": rabbit().url()}}});
    Subject::new(
        || Arc::new(Amqp091),
        |_| Box::pin(async { Ok(Box::new(Application::start().await?) as Box<dyn FarEnd>) }),
    )
    .with_config(config)
}

/// What came and was not received, by the name of the subscription.
#[derive(Default)]
struct Arrived {
    waiting: Mutex<HashMap<String, Vec<Arrival>>>,
    changed: Notify,
}

struct Application {
    _connection: Connection,
    channel: Channel,
    queue: String,
    arrived: Arc<Arrived>,
    names: HashMap<FarConnection, String>,
}

impl Application {
    async fn start() -> Result<Self, FarError> {
        let connection = Connection::connect(&rabbit().url(), ConnectionProperties::default())
            .await
            .map_err(failed)?;
        let channel = connection.create_channel().await.map_err(failed)?;
        let options = QueueDeclareOptions {
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = queue.await.map_err(failed)?.name().to_string();
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, none);
        let mut consumer = consumer.await.map_err(failed)?;
        let arrived = Arc::new(Arrived::default());
        let all = arrived.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Some(Ok(message)) = consumer.next().await {
                let _ = message.acker.ack(BasicAckOptions::default()).await;
                all.take(&message);
            }
        });
        Ok(Self {
            _connection: connection,
            channel,
            queue,
            arrived,
            names: HashMap::new(),
        })
    }
}

impl Arrived {
    fn take(&self, message: &Delivery) {
        let event: Value = serde_json::from_slice(&message.data).unwrap_or_default();
        let properties = &message.properties;
        let named = |value: &Option<lapin::types::ShortString>| {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let token = Token(json!([
            named(properties.reply_to()),
            named(properties.correlation_id())
        ]));
        let mut event = FarEvent::from_json(&event, token);
        let headers = properties.headers().clone().unwrap_or_default();
        event.attempt = match headers.inner().get("photinus-attempt") {
            Some(AMQPValue::LongLongInt(attempt)) => u32::try_from(*attempt).ok(),
            _ => None,
        };
        if headers.inner().contains_key("photinus-test") {
            return;
        }
        let name = event.subscription.clone().unwrap_or_default();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(name).or_default().push(Arrival::Event(event));
        drop(waiting);
        self.changed.notify_waiters();
    }
}

impl FarEnd for Application {
    fn can(&self, skill: Skill) -> bool {
        matches!(
            skill,
            Skill::AnyOrder
                | Skill::Retry
                | Skill::Park
                | Skill::Skip
                | Skill::Reply
                | Skill::LateAnswer
                | Skill::AnswerTwice
                | Skill::AttachEarly
        )
    }

    fn options(&mut self, _name: &str) -> Map<String, Value> {
        let options = json!({
            "target": "main", "exchange": "", "routingKey": self.queue, "ack": "application", "withData": false,
        });
        options.as_object().cloned().unwrap_or_default()
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        let connection = FarConnection(self.names.len() as u64 + 1);
        let attached = match to {
            Attach::Durable { name, .. } => {
                self.names.insert(connection, name);
                Ok(connection)
            }
            _ => Err(failed("it takes durable subscriptions only")),
        };
        Box::pin(std::future::ready(attached))
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let name = self.names.get(&connection);
            let name = name.ok_or_else(|| failed("there is no such connection"))?;
            loop {
                let changed = self.arrived.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let waiting = &self.arrived.waiting;
                if let Some(arrivals) = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_mut(name)
                    && !arrivals.is_empty()
                {
                    return Ok(arrivals.remove(0));
                }
                changed.await;
            }
        })
    }

    fn answer(
        &mut self,
        _: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            let text = |place: usize| token.0[place].as_str().unwrap_or_default().to_owned();
            let (words, body) = said(&answer);
            let mut headers = FieldTable::default();
            for (name, value) in words {
                headers.insert(name.into(), AMQPValue::LongString(value.into()));
            }
            let properties = BasicProperties::default()
                .with_correlation_id(text(1).into())
                .with_headers(headers);
            let options = BasicPublishOptions::default();
            let sent =
                self.channel
                    .basic_publish("".into(), text(0).into(), options, &body, properties);
            sent.await.map_err(failed)?.await.map_err(failed)?;
            Ok(())
        })
    }

    fn restarted(&mut self, _: Running) -> BoxFuture<'_, Result<(), FarError>> {
        self.names.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An answer in words, and its body.
fn said(answer: &FarAnswer) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let nack = |action: &str| {
        vec![
            ("photinus-outcome", "nack".to_owned()),
            ("photinus-action", action.to_owned()),
        ]
    };
    match answer {
        FarAnswer::Reply(message) => {
            let tag = message["header"]["tag"].as_str().unwrap_or_default();
            let body = message["data"][0]["value"].to_string();
            let topic = message["header"]["topics"][0].as_str();
            let words = vec![
                ("photinus-tag", tag.to_owned()),
                ("photinus-topic", topic.unwrap_or("default").to_owned()),
            ];
            (words, body.into_bytes())
        }
        FarAnswer::Retry => (nack("retry"), Vec::new()),
        FarAnswer::Park(reason) => {
            let mut words = nack("park");
            words.push(("photinus-reason", reason.clone()));
            (words, Vec::new())
        }
        FarAnswer::Skip => (nack("skip"), Vec::new()),
        _ => (Vec::new(), Vec::new()),
    }
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}

//! Who takes the messages?
//!
//! A client of Mosquitto, to whose topic all subscriptions of the suite publish. It answers as an application does: to the
//! response topic, with the correlation data.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use photinus_brokers::{Mosquitto, MosquittoOptions};
use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarConnection, FarEnd, FarError, FarEvent, Running, Skill, Subject,
    Token,
};
use photinus_contract::BoxFuture;
use photinus_transport_mqtt::Mqtt;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::{AsyncClient, Event, MqttOptions, PublishOptions};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, oneshot};

/// The broker of all rules.
fn mosquitto() -> &'static Mosquitto {
    static MOSQUITTO: OnceLock<Mosquitto> = OnceLock::new();
    MOSQUITTO.get_or_init(|| {
        MosquittoOptions::default()
            .line("max_inflight_messages 0")
            .start()
    })
}

pub(crate) fn subject() -> Subject {
    let config = json!({"targets": {"main": {"url": mosquitto().url()}}});
    Subject::new(
        || Arc::new(Mqtt),
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
    client: AsyncClient,
    topic: String,
    arrived: Arc<Arrived>,
    names: HashMap<FarConnection, String>,
}

impl Application {
    async fn start() -> Result<Self, FarError> {
        static COUNT: Mutex<u32> = Mutex::new(0);
        let number = {
            let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
            *count += 1;
            *count
        };
        let topic = format!("far/{number}");
        let options = MqttOptions::new(format!("far-{number}"), ("127.0.0.1", mosquitto().port()));
        let (client, mut events) = AsyncClient::builder(options).capacity(100).build();
        client
            .subscribe(topic.clone(), QoS::AtLeastOnce)
            .await
            .map_err(failed)?;
        let arrived = Arc::new(Arrived::default());
        let all = arrived.clone();
        let (subscribed, is_subscribed) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            let mut subscribed = Some(subscribed);
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        subscribed.take().map(|subscribed| subscribed.send(()));
                    }
                    Event::Incoming(Packet::Publish(message)) => all.take(&message),
                    _ => {}
                }
            }
        });
        let waited = tokio::time::timeout(Duration::from_secs(10), is_subscribed);
        waited.await.map_err(failed)?.map_err(failed)?;
        Ok(Self {
            client,
            topic,
            arrived,
            names: HashMap::new(),
        })
    }
}

impl Arrived {
    fn take(&self, message: &Publish) {
        let event: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let properties = message.properties.clone().unwrap_or_default();
        let mut said = properties.user_properties.iter();
        if said.any(|(name, _)| name == "photinus-test") {
            return;
        }
        let correlation = properties.correlation_data.unwrap_or_default();
        let correlation = String::from_utf8_lossy(&correlation).into_owned();
        let topic = properties.response_topic.unwrap_or_default();
        let mut event = FarEvent::from_json(&event, Token(json!([topic, correlation])));
        let attempt = properties
            .user_properties
            .iter()
            .find(|(name, _)| name == "photinus-attempt");
        event.attempt = attempt.and_then(|(_, attempt)| attempt.parse().ok());
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
            "target": "main", "topic": self.topic, "ack": "application", "withData": false,
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
            let words = words.into_iter();
            let properties = PublishProperties {
                correlation_data: Some(text(1).into_bytes().into()),
                user_properties: words
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                ..PublishProperties::default()
            };
            let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
            let sent = self.client.publish(text(0), body, options);
            sent.await.map_err(failed)
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

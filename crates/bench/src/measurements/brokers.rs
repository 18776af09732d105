//! How fast do events go to brokers?

use anyhow::{Context, Result, ensure};
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use photinus_brokers::{Mosquitto, MosquittoOptions, RabbitMq};
use serde_json::{Value, json};

use crate::bare::{Bare, BrokerOrder};
use crate::clock::now;
use crate::drive::bulk;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{BULK_PATH, Product};
use crate::scale::Scale;

const QUEUE: &str = "bench";

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    RabbitMq,
    Mosquitto,
}

/// Stored events to a broker that confirms each.
pub(super) struct Brokers {
    kind: Kind,
    /// How many are without a confirm at once.
    window: usize,
    events: usize,
    running: Option<Running>,
}

struct Running {
    product: Product,
    bare: Bare,
    broker: Broker,
    last: u64,
    /// How many bytes an event has at the broker.
    bytes: usize,
}

enum Broker {
    RabbitMq(Box<RabbitMq>),
    Mosquitto(Box<Mosquitto>),
}

impl Broker {
    fn start(kind: Kind) -> Self {
        match kind {
            Kind::RabbitMq => Self::RabbitMq(Box::new(RabbitMq::start())),
            Kind::Mosquitto => {
                let options = MosquittoOptions::default().line("max_inflight_messages 0");
                Self::Mosquitto(Box::new(options.start()))
            }
        }
    }

    fn settings(&self) -> String {
        let (transport, url) = match self {
            Self::RabbitMq(rabbit) => ("amqp091", rabbit.url()),
            Self::Mosquitto(mosquitto) => ("mqtt", mosquitto.url()),
        };
        format!("[transports.{transport}.targets.bench]\nurl = \"{url}\"\n")
    }

    fn subscription(&self, window: usize) -> Value {
        let options = json!({"target": "bench", "firstEvent": "oldest", "readAhead": window - 1, "withData": false});
        let (transport, place) = match self {
            Self::RabbitMq(_) => ("amqp091", "routingKey"),
            Self::Mosquitto(_) => ("mqtt", "topic"),
        };
        let mut body = json!({"name": "broker", "transport": transport, "options": options});
        body["options"][place] = QUEUE.into();
        body
    }

    /// How many messages are there, which are gone then; nothing, where nobody counts.
    async fn take(&self) -> Result<Option<usize>> {
        let Self::RabbitMq(rabbit) = self else {
            return Ok(None);
        };
        let connection =
            Connection::connect(&rabbit.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(QUEUE.into(), options, FieldTable::default())
            .await?;
        let purged = channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default());
        let count = purged.await?;
        connection.close(200, "OK".into()).await?;
        Ok(Some(count as usize))
    }
}

impl Running {
    /// Events a second, from when the subscription is made until the last was confirmed.
    async fn publish(&mut self, events: usize, window: usize) -> Result<f64> {
        let mut http = self.product.http().await?;
        let body = self.broker.subscription(window);
        let start = now();
        let made = self.product.subscribe_as(&mut http, "broker", body).await?;
        let settled = self.product.wait_for_offset(&mut http, &made, self.last);
        settled.await?;
        let rate = events as f64 / start.elapsed().as_secs_f64();
        let mut http = self.product.http().await?;
        self.product.unsubscribe(&mut http, &made).await?;
        self.check(events).await?;
        Ok(rate)
    }

    async fn publish_bare(&mut self, events: usize, window: usize) -> Result<f64> {
        let mut order = BrokerOrder {
            rabbit: None,
            mqtt_port: None,
            count: events,
            window,
            bytes: self.bytes,
        };
        match &self.broker {
            Broker::RabbitMq(rabbit) => order.rabbit = Some(rabbit.url()),
            Broker::Mosquitto(mosquitto) => order.mqtt_port = Some(mosquitto.port()),
        }
        let rate = self.bare.publish_to_broker(&order).await?;
        self.check(events).await?;
        Ok(rate)
    }

    async fn check(&self, events: usize) -> Result<()> {
        let count = self.broker.take().await?;
        ensure!(
            count.is_none_or(|count| count == events),
            "{count:?} messages came, and not {events}"
        );
        Ok(())
    }
}

impl Brokers {
    pub(super) fn new(kind: Kind, window: usize, scale: &Scale) -> Self {
        Self {
            kind,
            window,
            events: match (kind, window) {
                (_, 1) => scale.drained_singly,
                (Kind::RabbitMq, _) => scale.stored_events / 4,
                (Kind::Mosquitto, _) => scale.stored_events,
            },
            running: None,
        }
    }
}

impl Measurement for Brokers {
    fn name(&self) -> String {
        let name = match self.kind {
            Kind::RabbitMq => "rabbitmq",
            Kind::Mosquitto => "mosquitto",
        };
        format!("brokers-{name}-{}", self.window)
    }

    fn about(&self) -> String {
        let events = self.events;
        let broker = match self.kind {
            Kind::RabbitMq => "a durable queue of RabbitMQ, persistent and mandatory",
            Kind::Mosquitto => "a topic of Mosquitto with QoS 1",
        };
        format!(
            "{events} stored events to {broker}, {} without a confirm at once",
            self.window
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![Figure::new("deliveries", Unit::PerSecond)]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: client with confirms"]
    }

    fn prepare(&mut self, bench: &Bench) -> Result<()> {
        let broker = Broker::start(self.kind);
        let (product, bare) = (bench.product_with(&broker.settings())?, bench.bare()?);
        let events = self.events;
        let (last, bytes) = bench.runtime.block_on(async {
            let publisher = product.http().await?;
            let (_, sequences) = bulk::post(publisher, BULK_PATH, events, |_| 17).await?;
            broker.take().await?;
            let last = sequences.last().copied().context("there are events")?;
            anyhow::Ok((last, bench.workload.frame.len()))
        })?;
        self.running = Some(Running {
            product,
            bare,
            broker,
            last,
            bytes,
        });
        for side in 0..2 {
            self.run(bench, side)?;
        }
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        let (events, window) = (self.events, self.window);
        let running = self.running.as_mut().context("it was not prepared")?;
        let rate = match side {
            0 => bench.runtime.block_on(running.publish(events, window))?,
            _ => bench
                .runtime
                .block_on(running.publish_bare(events, window))?,
        };
        Ok(vec![Some(rate)])
    }

    fn finish(&mut self) -> Result<()> {
        match self.running.take() {
            Some(running) => running.product.end(),
            None => Ok(()),
        }
    }
}

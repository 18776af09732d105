//! What does the engine call?

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_contract::delivery::BatchItem;
use photinus_contract::transport::Exchange;
use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, CodedError, ConnectionId, Data, Delivery, DeliveryId,
    Event, HandOver, Run, Subscription, SubscriptionId, SubscriptionOptions, Transport,
    TransportPlugin, VoidReason,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::hub::{Hub, Shared};
use crate::options::{self, Options, Route};
use crate::source::{self, Intake};
use crate::{link, mapping, tested};

/// The name of the transport.
pub(crate) const NAME: &str = "amqp091";

/// The transport `amqp091`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amqp091;

impl TransportPlugin for Amqp091 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config_schema(&self) -> Value {
        schemars::schema_for!(Config).to_value()
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        Config::from_section(config).map(drop)
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        Box::pin(async move {
            let transport: Arc<dyn Transport> = Arc::new(Running::start(&config, callbacks)?);
            Ok(transport)
        })
    }
}

/// The transport, running.
struct Running {
    shared: Shared,
    /// By the names of their targets.
    hubs: BTreeMap<String, Arc<Hub>>,
    intakes: Vec<Arc<Intake>>,
}

impl Running {
    fn start(config: &Value, callbacks: Arc<dyn Callbacks>) -> Result<Self, String> {
        let config = Config::from_section(config)?;
        let shared = Shared {
            callbacks,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let mut hubs = BTreeMap::new();
        for (name, target) in &config.targets {
            let connection = ConnectionId::new(format!("{NAME}/{name}"));
            let hub = Hub::new(name, target.clone(), connection.clone(), &shared);
            let hub = Arc::new(hub);
            let of = name.clone();
            let matcher = move |subscription: &Subscription| leads_to(subscription, &of);
            let registered = shared
                .callbacks
                .register_connection(&connection, Arc::new(matcher));
            registered.map_err(|error| error.to_string())?;
            // A target that cannot be reached is no error: its subscriptions wait, and say so.
            hub.outboxes.lost("not connected yet");
            shared.tasks.spawn(link::run(hub.clone(), shared.clone()));
            hubs.insert(name.clone(), hub);
        }
        let mut intakes = Vec::new();
        for (name, source) in config.sources {
            // There is one: it was checked.
            let target = config.targets.get(&source.target).cloned();
            let intake = Arc::new(Intake {
                name,
                source,
                target: target.unwrap_or_default(),
                standing: Default::default(),
            });
            shared
                .tasks
                .spawn(source::run(intake.clone(), shared.clone()));
            intakes.push(intake);
        }
        Ok(Self {
            shared,
            hubs,
            intakes,
        })
    }

    /// The target that a connection is of.
    fn hub(&self, connection: &ConnectionId) -> Option<&Arc<Hub>> {
        let name = connection.as_str().strip_prefix(NAME)?.strip_prefix('/')?;
        self.hubs.get(name)
    }
}

/// Whether a subscription is for a target.
fn leads_to(subscription: &Subscription, target: &str) -> bool {
    let named = subscription.options.other.get("target");
    named.and_then(Value::as_str) == Some(target)
}

impl Transport for Running {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.replies = true;
        capabilities.ordering_keys = true;
        capabilities
    }

    fn options_schema(&self) -> Value {
        let mut schema = schemars::schema_for!(Options).to_value();
        if !self.hubs.is_empty() {
            schema["properties"]["target"]["enum"] = self.hubs.keys().cloned().collect();
        }
        schema
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        let route = Route::read(options)?;
        if !self.hubs.contains_key(&route.target) {
            let names: Vec<_> = self.hubs.keys().map(String::as_str).collect();
            let known = match &names[..] {
                [] => "the server's configuration has no [transports.amqp091.targets.NAME]".into(),
                names => format!("expected one of: {}", names.join(", ")),
            };
            return Err(photinus_contract::own::invalid("target", &known));
        }
        options::fill_in(&route, options);
        Ok(())
    }

    fn needs_data(&self, options: &SubscriptionOptions) -> bool {
        let in_address = || Route::read(options).is_ok_and(|route| route.needs_data());
        options.with_data == Some(true) || in_address()
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let mut item = BatchItem::new(delivery.id, delivery.attempt, delivery.event);
        item.data = delivery.data;
        let mut run = Run::new(delivery.connection, delivery.subscription, vec![item]);
        self.deliver_run(&mut run)
    }

    fn deliver_run(&self, run: &mut Run) -> HandOver {
        match self.hub(run.connection()) {
            Some(hub) => hub
                .outboxes
                .hand_over(run, |subscription| Route::read(&subscription.options)),
            None => HandOver::Closed,
        }
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        if let Some(hub) = self.hub(connection) {
            hub.outboxes.void(subscription, delivery);
        }
    }

    fn address(
        &self,
        options: &SubscriptionOptions,
        event: &Event,
        data: &[Data],
    ) -> Option<Result<String, String>> {
        let route = Route::read(options).ok()?;
        let filled = mapping::address(&route, event, data);
        Some(filled.map(|(exchange, key)| format!("exchange '{exchange}', routing key '{key}'")))
    }

    fn status(&self) -> Option<Value> {
        let targets: BTreeMap<_, _> = self
            .hubs
            .iter()
            .map(|(name, hub)| {
                let (deliveries, subscriptions) = hub.outboxes.load();
                let mut shown = json!(hub.standing().shown());
                shown["underWay"] = deliveries.into();
                shown["subscriptions"] = subscriptions.into();
                (name, shown)
            })
            .collect();
        let sources: BTreeMap<_, _> = self
            .intakes
            .iter()
            .map(|intake| {
                let mut shown = json!(intake.standing.shown());
                shown["queue"] = intake.source.queue.clone().into();
                (&intake.name, shown)
            })
            .collect();
        Some(json!({"targets": targets, "sources": sources}))
    }

    fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        let route = Route::read(&subscription.options);
        let hub = route
            .as_ref()
            .ok()
            .and_then(|route| self.hubs.get(&route.target));
        let hub = hub.cloned();
        Some(Box::pin(async move {
            let route = route?;
            let hub = hub.ok_or_else(|| {
                let text = format!("There is no target '{}'", route.target);
                CodedError::bad_request("PH00448", text)
            })?;
            tested::tested(&hub, subscription, route, event, data).await
        }))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let shared = self.shared.clone();
        let hubs: Vec<_> = self.hubs.values().cloned().collect();
        Box::pin(async move {
            shared.stop.cancel();
            shared.tasks.close();
            shared.tasks.wait().await;
            for hub in hubs {
                hub.outboxes.close();
            }
        })
    }
}

//! What does the engine call?

use std::collections::BTreeMap;
use std::sync::Arc;

use photinus_contract::targets::Targets;
use photinus_contract::transport::Exchange;
use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, CodedError, ConnectionId, Data, Delivery, DeliveryId,
    Event, HandOver, Run, Subscription, SubscriptionId, SubscriptionOptions, Transport,
    TransportPlugin, VoidReason, address,
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
pub(crate) const NAME: &str = "mqtt";

/// The transport `mqtt`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mqtt;

impl TransportPlugin for Mqtt {
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
    targets: Arc<Targets<Hub>>,
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
        let mut targets = Targets::new(NAME);
        for (name, target) in &config.targets {
            let make = |connection| Hub::new(name, target.clone(), connection, &shared);
            let hub = targets.add(name, &*shared.callbacks, make)?;
            shared.tasks.spawn(link::run(hub, shared.clone()));
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
            targets: Arc::new(targets),
            intakes,
        })
    }
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
        self.targets.tell(&mut schema);
        schema
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        let route = Route::read(options)?;
        self.targets.named(&route.target)?;
        options::fill_in(&route, options);
        Ok(())
    }

    fn needs_data(&self, options: &SubscriptionOptions) -> bool {
        options.with_data == Some(true) || address::needs_data(options, "topic")
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        self.deliver_run(&mut Run::of(delivery))
    }

    fn deliver_run(&self, run: &mut Run) -> HandOver {
        let route = |subscription: &Subscription| Route::read(&subscription.options);
        self.targets.hand_over(run, route)
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        self.targets.void(connection, subscription, delivery);
    }

    fn address(
        &self,
        options: &SubscriptionOptions,
        event: &Event,
        data: &[Data],
    ) -> Option<Result<String, String>> {
        let route = Route::read(options).ok()?;
        let topic = mapping::topic(&route, event, data);
        Some(topic.map(|topic| format!("topic '{topic}'")))
    }

    fn status(&self) -> Option<Value> {
        let sources: BTreeMap<_, _> = self
            .intakes
            .iter()
            .map(|intake| {
                let mut shown = json!(intake.standing.shown());
                shown["filter"] = intake.source.filter.clone().into();
                (&intake.name, shown)
            })
            .collect();
        Some(json!({"targets": self.targets.shown(), "sources": sources}))
    }

    fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        let route = Route::read(&subscription.options);
        let tried = route.and_then(|route| Ok((self.targets.named(&route.target)?.clone(), route)));
        Some(Box::pin(async move {
            let (hub, route) = tried?;
            tested::tested(&hub, subscription, route, event, data).await
        }))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let (shared, targets) = (self.shared.clone(), self.targets.clone());
        Box::pin(async move {
            shared.stop.cancel();
            shared.tasks.close();
            shared.tasks.wait().await;
            targets.close();
        })
    }
}

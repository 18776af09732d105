//! What does the engine call?

use std::sync::Arc;

use photinus_contract::delivery::BatchItem;
use photinus_contract::retry::Policy;
use photinus_contract::transport::{Exchange, Rotation};
use photinus_contract::{
    Batch, BoxFuture, Callbacks, Capabilities, CodedError, ConnectionId, Data, Delivery,
    DeliveryId, Event, HandOver, Subscription, SubscriptionId, SubscriptionOptions, Transport,
    TransportPlugin, VoidReason,
};
use serde_json::{Value, json};

use crate::config::Config;
use crate::hub::Hub;
use crate::options::Options;
use crate::sender::Events;
use crate::{settings, signing, tested};

/// The name of the transport, and of its one connection.
const NAME: &str = "webhooks";

/// The transport `webhooks`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webhooks;

impl TransportPlugin for Webhooks {
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
        let start = move || {
            let config = Config::from_section(&config)?;
            let connection = ConnectionId::new(NAME);
            let hub = Hub::new(config, connection.clone(), callbacks.clone())?;
            let transport: Arc<dyn Transport> = Arc::new(Running { hub: Arc::new(hub) });
            // No application has to come: it is served from now on.
            let registered = callbacks.register_connection(&connection, Arc::new(|_| true));
            registered.map_err(|error| error.to_string())?;
            Ok(transport)
        };
        Box::pin(std::future::ready(start()))
    }
}

/// The transport, running.
struct Running {
    hub: Arc<Hub>,
}

impl Running {
    fn hand_over(
        &self,
        connection: &ConnectionId,
        subscription: &Arc<Subscription>,
        delivery: DeliveryId,
        events: Events,
    ) -> HandOver {
        let sender = Some(subscription.id).filter(|_| connection == self.hub.connection());
        match sender.and_then(|id| self.hub.sender(id)) {
            Some(sender) => sender.hand_over(subscription, delivery, events),
            None => HandOver::Closed,
        }
    }
}

impl Transport for Running {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.batches = true;
        capabilities.replies = true;
        capabilities.ordering_keys = true;
        capabilities
    }

    fn options_schema(&self) -> Value {
        let mut schema = schemars::schema_for!(Options).to_value();
        // The empty name is none.
        let names = std::iter::once("").chain(self.hub.tls_names());
        schema["properties"]["tlsConfigName"]["enum"] = names.collect();
        schema["properties"]["url"]["pattern"] = match self.hub.has_base_url() {
            true => "^.",
            false => "^[Hh][Tt][Tt][Pp][Ss]?://",
        }
        .into();
        schema
    }

    fn complete(&self, options: &mut SubscriptionOptions) {
        signing::complete(options);
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        self.hub.settings(options)?;
        options.with_data.get_or_insert(true);
        Ok(())
    }

    fn retry_policy(&self, options: &SubscriptionOptions) -> Policy {
        settings::policy_of_stored(options)
    }

    fn rotate_secret(
        &self,
        options: &mut SubscriptionOptions,
        rotation: Rotation,
    ) -> Result<String, CodedError> {
        signing::rotate(options, rotation)
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let mut item = BatchItem::new(delivery.id, delivery.attempt, delivery.event);
        item.data = delivery.data;
        let (connection, subscription) = (&delivery.connection, &delivery.subscription);
        self.hand_over(connection, subscription, delivery.id, Events::One(item))
    }

    fn deliver_batch(&self, batch: Batch) -> HandOver {
        let (connection, subscription) = (&batch.connection, &batch.subscription);
        self.hand_over(
            connection,
            subscription,
            batch.id,
            Events::Batch(batch.items),
        )
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        if connection == self.hub.connection() {
            self.hub.void(subscription, delivery);
        }
    }

    fn status(&self) -> Option<Value> {
        Some(json!({"receivers": self.hub.receivers()}))
    }

    fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        let tested = tested::tested(self.hub.clone(), subscription, event, data);
        Some(Box::pin(tested))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.close().await })
    }
}

//! Which transport panics beside the one under test?

use std::sync::Arc;

use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, ConnectionId, Delivery, DeliveryId, HandOver, Subscription,
    SubscriptionId, Transport, TransportPlugin, VoidReason,
};
use serde_json::{Value, json};

use super::panics::ON_PURPOSE;

/// A transport that panics in all that it is asked to do while it runs.
pub(super) struct Neighbour;

/// The `transport` of its subscriptions.
pub(super) const NAME: &str = "conformance-neighbour";

impl TransportPlugin for Neighbour {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config_schema(&self) -> Value {
        json!({"type": "object"})
    }

    fn check_config(&self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    fn init(
        &self,
        _config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        Box::pin(async move {
            let matcher = Arc::new(|_: &Subscription| true);
            callbacks
                .register_connection(&ConnectionId::new(NAME), matcher)
                .map_err(|error| error.to_string())?;
            let transport: Arc<dyn Transport> = Arc::new(Neighbour);
            Ok(transport)
        })
    }
}

impl Transport for Neighbour {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn deliver(&self, _delivery: Delivery) -> HandOver {
        panic!("{}", ON_PURPOSE)
    }

    fn voided(
        &self,
        _connection: &ConnectionId,
        _subscription: SubscriptionId,
        _delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        panic!("{}", ON_PURPOSE)
    }

    fn status(&self) -> Option<Value> {
        panic!("{}", ON_PURPOSE)
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        panic!("{}", ON_PURPOSE)
    }
}

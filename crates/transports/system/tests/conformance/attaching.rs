//! How does a listener serve a durable subscription?
//!
//! Only here. The transport is as it is, and stands under a name that the engine does not reserve. Where a
//! listener asks for an ephemeral subscription with the option [`ATTACH_TO`], the engine is asked to attach its
//! connection to the durable one of that name instead. All else goes through untouched, so that everything
//! from the hand-over to the answer is the transport's own.

use std::sync::Arc;

use photinus_contract::transport::{ConnectionState, Published, Scope};
use photinus_contract::{
    BoxFuture, Callbacks, CodedError, ConnectionId, Matcher, MessageInput, MessageKind, Namespace,
    Response, Subscription, SubscriptionFilter, SubscriptionId, SubscriptionOptions, Timestamp,
    Transport, TransportPlugin,
};
use photinus_transport_system::System;
use serde_json::Value;
use uuid::Uuid;

/// The option that names a durable subscription.
pub(crate) const ATTACH_TO: &str = "attachTo";

const NAME: &str = "attaching";

/// The transport under another name.
pub(crate) struct Attaching(pub(crate) System);

impl TransportPlugin for Attaching {
    fn name(&self) -> &'static str {
        NAME
    }

    fn config_schema(&self) -> Value {
        self.0.config_schema()
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        self.0.check_config(config)
    }

    fn init(
        &self,
        config: Value,
        engine: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        self.0.init(config, Arc::new(Between { engine }))
    }
}

struct Between {
    engine: Arc<dyn Callbacks>,
}

impl Callbacks for Between {
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        self.engine.register_connection(connection, matcher)
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        let Some(name) = options.other.get(ATTACH_TO).and_then(Value::as_str) else {
            return self
                .engine
                .ephemeral_subscription(connection, namespace, filter, options);
        };
        let (namespace, name) = (Namespace::new(namespace), name.to_owned());
        let wanted = (namespace.clone(), name.clone());
        let matcher: Matcher = Arc::new(move |subscription| {
            (&subscription.namespace, &*subscription.name) == (&wanted.0, &*wanted.1)
        });
        self.engine.register_connection(connection, matcher)?;
        // What is returned is the one of no engine, and nobody looks at it.
        let id = SubscriptionId(Uuid::nil());
        let now = Timestamp::from_nanos(0);
        let subscription = Subscription::new(id, namespace, name, NAME, filter, options, now);
        Ok(Arc::new(subscription))
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        self.engine.connection_closed(connection);
    }

    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState) {
        self.engine.connection_state(connection, scope, state);
    }

    fn respond(&self, connection: &ConnectionId, response: Response) {
        self.engine.respond(connection, response);
    }

    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        self.engine.publish(namespace, kind, message)
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        self.engine.namespace_exists(namespace)
    }
}

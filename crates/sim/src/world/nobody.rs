//! Who answers a transport whose engine is gone?

use std::sync::Arc;

use photinus_contract::transport::{ConnectionState, Published, Scope};
use photinus_contract::{
    BoxFuture, Callbacks, CodedError, ConnectionId, Matcher, MessageInput, MessageKind, Response,
    Subscription, SubscriptionFilter, SubscriptionOptions,
};

/// Callbacks that reach nothing.
pub(super) struct Nobody;

fn gone<T>() -> Result<T, CodedError> {
    Err(CodedError::unavailable("the engine is gone"))
}

impl Callbacks for Nobody {
    fn register_connection(&self, _: &ConnectionId, _: Matcher) -> Result<(), CodedError> {
        gone()
    }

    fn ephemeral_subscription(
        &self,
        _: &ConnectionId,
        _: &str,
        _: SubscriptionFilter,
        _: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        gone()
    }

    fn connection_closed(&self, _: &ConnectionId) {}

    fn connection_state(&self, _: &ConnectionId, _: Scope, _: ConnectionState) {}

    fn respond(&self, _: &ConnectionId, _: Response) {}

    fn publish(
        &self,
        _: &str,
        _: MessageKind,
        _: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        Box::pin(std::future::ready(gone()))
    }

    fn namespace_exists(&self, _: &str) -> bool {
        false
    }
}

//! What does a transport reach when it calls back?

use std::sync::Arc;

use photinus_contract::transport::{Chain, ConnectionState, Published, Scope};
use photinus_contract::{
    BoxFuture, Callbacks, ChangeFilter, CodedError, ConnectionId, Matcher, MessageInput,
    MessageKind, Response, Subscription, SubscriptionFilter, SubscriptionOptions,
};

use crate::core::Core;
use crate::metrics::Source;
use crate::shard::{Mail, ShardHandle};

/// The callbacks of one transport.
pub(crate) struct EngineCallbacks {
    core: Arc<Core>,
    transport: &'static str,
}

impl EngineCallbacks {
    pub(crate) fn new(core: Arc<Core>, transport: &'static str) -> Self {
        Self { core, transport }
    }
}

impl Callbacks for EngineCallbacks {
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        self.core
            .registry
            .register(self.transport, connection, matcher)
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        self.core
            .subscribe_ephemeral(self.transport, connection, namespace, filter, options)
    }

    fn change_events(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        self.core
            .tell_changes(self.transport, connection, namespace, filter)
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        self.core.registry.close(self.transport, connection);
    }

    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState) {
        self.core
            .registry
            .connection_state(self.transport, connection, scope, &state);
    }

    fn respond(&self, connection: &ConnectionId, response: Response) {
        self.respond_all(connection, vec![response]);
    }

    fn respond_all(&self, connection: &ConnectionId, responses: Vec<Response>) {
        let registry = &self.core.registry;
        let post = |shard: &ShardHandle, responses: Vec<Response>| {
            let connection = connection.clone();
            shard.post(Mail::Answers {
                connection,
                responses,
            });
        };
        let Some(first) = responses.first() else {
            return;
        };
        let shard = registry.shard(first.subscription);
        let is_there = |response: &Response| registry.shard(response.subscription) == shard;
        if responses.iter().all(is_there) {
            return post(shard, responses);
        }
        let mut rest = responses;
        for shard in registry.shards() {
            let is_there = |response: &mut Response| registry.shard(response.subscription) == shard;
            let answers: Vec<_> = rest.extract_if(.., is_there).collect();
            if !answers.is_empty() {
                post(shard, answers);
            }
        }
    }

    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        let core = self.core.clone();
        let namespace = namespace.to_owned();
        Box::pin(async move {
            core.publish(&namespace, kind, Source::Transport, message, None)
                .await
                .map(|receipt| receipt.published)
        })
    }

    fn publish_in(
        &self,
        chain: &Chain,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        let (core, chain) = (self.core.clone(), chain.clone());
        let namespace = namespace.to_owned();
        Box::pin(async move {
            let (source, link) = (Source::Transport, Some(chain.clone()));
            let published = core.publish(&namespace, kind, source, message, link).await;
            // Also what did not get as far as the store.
            if published.as_ref().is_err_and(CodedError::is_temporary) {
                chain.break_now();
            }
            published.map(|receipt| receipt.published)
        })
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        self.core.namespaces.find(namespace).is_some()
    }
}

//! What stands between the engine and the transport under test?
//!
//! A plugin around the plugin, which passes everything on as it is and writes it down.

use std::sync::{Arc, OnceLock};

use photinus_contract::retry::Policy;
use photinus_contract::transport::{
    ConnectionState, Exchange, HttpMount, Published, Rotation, Scope,
};
use photinus_contract::{
    Batch, BoxFuture, Callbacks, Capabilities, ChangeEvent, ChangeFilter, CodedError, ConnectionId,
    Data, Delivery, DeliveryId, Event, HandOver, Matcher, MessageInput, MessageKind, Response, Run,
    Subscription, SubscriptionFilter, SubscriptionId, SubscriptionOptions, Transport,
    TransportPlugin, VoidReason,
};
use serde_json::Value;
use tokio::time::Instant;

use super::journal::{Entry, Journal};

/// The plugin under test, watched.
pub(super) struct Recorder {
    pub(super) inner: Arc<dyn TransportPlugin>,
    pub(super) journal: Arc<Journal>,
    pub(super) started: Arc<OnceLock<Started>>,
}

/// What is known once it runs.
pub(super) struct Started {
    /// The transport, watched.
    pub(super) transport: Arc<dyn Transport>,
    /// What it was given.
    pub(super) callbacks: Arc<dyn Callbacks>,
}

impl TransportPlugin for Recorder {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn config_schema(&self) -> Value {
        self.inner.config_schema()
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        self.inner.check_config(config)
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let journal = self.journal.clone();
        let started = self.started.clone();
        let callbacks: Arc<dyn Callbacks> = Arc::new(WatchedCallbacks {
            inner: callbacks,
            journal: journal.clone(),
        });
        let starting = self.inner.init(config, callbacks.clone());
        Box::pin(async move {
            let inner = starting.await?;
            let transport: Arc<dyn Transport> = Arc::new(WatchedTransport { inner, journal });
            let _ = started.set(Started {
                transport: transport.clone(),
                callbacks,
            });
            Ok(transport)
        })
    }
}

struct WatchedTransport {
    inner: Arc<dyn Transport>,
    journal: Arc<Journal>,
}

impl Transport for WatchedTransport {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn options_schema(&self) -> Value {
        self.inner.options_schema()
    }

    fn complete(&self, options: &mut SubscriptionOptions) {
        self.journal
            .timed("complete", || self.inner.complete(options));
    }

    fn retry_policy(&self, options: &SubscriptionOptions) -> Policy {
        self.inner.retry_policy(options)
    }

    fn rotate_secret(
        &self,
        options: &mut SubscriptionOptions,
        rotation: Rotation,
    ) -> Result<String, CodedError> {
        self.inner.rotate_secret(options, rotation)
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        self.journal
            .timed("validate", || self.inner.validate(options))
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let place = self.journal.write(Entry::Delivered(delivery.clone(), None));
        let hand_over = match self.journal.take_failure() {
            true => HandOver::Failed("the suite says so".to_owned()),
            false => self
                .journal
                .timed("deliver", || self.inner.deliver(delivery)),
        };
        self.journal.handed_over(place, &hand_over);
        hand_over
    }

    fn deliver_run(&self, run: &mut Run) -> HandOver {
        // By turns one by one and at once, so that every rule tries both.
        if self.journal.is_odd_run() {
            while let Some(delivery) = run.next_delivery() {
                match self.deliver(delivery) {
                    HandOver::Ok => {}
                    refused => return refused,
                }
            }
            return HandOver::Ok;
        }
        if self.journal.take_failure() {
            let Some(delivery) = run.next_delivery() else {
                return HandOver::Ok;
            };
            let place = self.journal.write(Entry::Delivered(delivery, None));
            let failed = HandOver::Failed("the suite says so".to_owned());
            self.journal.handed_over(place, &failed);
            return failed;
        }
        let (connection, subscription) = (run.connection().clone(), run.subscription().clone());
        let copy = || {
            Run::new(
                connection.clone(),
                subscription.clone(),
                run.rest().to_vec(),
            )
        };
        let (mut shown, mut given) = (copy(), copy());
        let mut places = Vec::new();
        while let Some(delivery) = shown.next_delivery() {
            places.push(self.journal.write(Entry::Delivered(delivery, None)));
        }
        let said = self
            .journal
            .timed("deliver", || self.inner.deliver_run(&mut given));
        let begun = match said {
            HandOver::Ok => given.begun(),
            // It is about the first if none was taken out.
            _ => given.begun().max(1),
        };
        for (index, place) in places.into_iter().enumerate() {
            match index + 1 {
                number if number == begun => self.journal.handed_over(place, &said),
                number if number < begun => self.journal.handed_over(place, &HandOver::Ok),
                _ => self.journal.not_handed_over(place, &said),
            }
        }
        let _ = run.take(begun).count();
        said
    }

    fn deliver_batch(&self, batch: Batch) -> HandOver {
        let place = self.journal.write(Entry::Batch(batch.clone(), None));
        let hand_over = self
            .journal
            .timed("deliver_batch", || self.inner.deliver_batch(batch));
        self.journal.handed_over(place, &hand_over);
        hand_over
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        reason: VoidReason,
    ) {
        self.journal.write(Entry::Voided(
            connection.clone(),
            subscription,
            delivery,
            reason,
        ));
        self.journal.timed("voided", || {
            self.inner
                .voided(connection, subscription, delivery, reason);
        });
    }

    fn change_event(&self, connection: &ConnectionId, change: &ChangeEvent) -> HandOver {
        let told = self.journal.timed("change_event", || {
            self.inner.change_event(connection, change)
        });
        let entry = Entry::Change(connection.clone(), change.clone(), told.clone());
        self.journal.write(entry);
        told
    }

    fn http_mounts(&self) -> Vec<HttpMount> {
        self.inner.http_mounts()
    }

    fn status(&self) -> Option<Value> {
        self.inner.status()
    }

    fn test_delivery(
        &self,
        subscription: Arc<Subscription>,
        event: Event,
        data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        self.inner.test_delivery(subscription, event, data)
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let journal = self.journal.clone();
        let begun = Instant::now();
        let stopping = self.inner.shutdown();
        Box::pin(async move {
            stopping.await;
            journal.write(Entry::ShutDown(begun.elapsed()));
        })
    }
}

struct WatchedCallbacks {
    inner: Arc<dyn Callbacks>,
    journal: Arc<Journal>,
}

impl Callbacks for WatchedCallbacks {
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        let result = self.inner.register_connection(connection, matcher);
        self.journal
            .write(Entry::Registered(connection.clone(), result.clone()));
        result
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        let result = self
            .inner
            .ephemeral_subscription(connection, namespace, filter, options);
        self.journal
            .write(Entry::Ephemeral(connection.clone(), result.clone()));
        result
    }

    fn change_events(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        let result = self.inner.change_events(connection, namespace, filter);
        self.journal
            .write(Entry::Listening(connection.clone(), result.clone()));
        result
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        self.inner.connection_closed(connection);
        self.journal.write(Entry::Closed(connection.clone()));
    }

    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState) {
        let entry = Entry::State(connection.clone(), state.clone());
        self.journal.write(entry);
        self.inner.connection_state(connection, scope, state);
    }

    fn respond(&self, connection: &ConnectionId, response: Response) {
        let entry = Entry::Responded(connection.clone(), response.clone());
        self.journal.write(entry);
        self.inner.respond(connection, response);
    }

    fn respond_all(&self, connection: &ConnectionId, responses: Vec<Response>) {
        for response in &responses {
            let entry = Entry::Responded(connection.clone(), response.clone());
            self.journal.write(entry);
        }
        self.inner.respond_all(connection, responses);
    }

    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        self.journal.write(Entry::Published);
        self.inner.publish(namespace, kind, message)
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        self.inner.namespace_exists(namespace)
    }
}

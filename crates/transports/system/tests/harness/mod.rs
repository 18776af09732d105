//! What stands around the transport in these tests?

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::transport::{ConnectionState, Matcher, Published, Scope};
use photinus_contract::*;
use photinus_transport_system::{Listener, Listeners, System};
use serde_json::Value;
use uuid::Uuid;

/// The future's value, or a failure after a time that only a hang takes.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("timed out")
}

/// Whether there is nothing to be had without waiting.
pub(crate) async fn is_pending<T>(future: impl Future<Output = T>) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = std::future::ready(()) => true,
    }
}

/// What the transport called.
#[derive(Debug)]
pub(crate) enum Call {
    Closed,
    State(ConnectionState),
    Respond(Response),
}

/// An engine that records.
#[derive(Default)]
pub(crate) struct Engine {
    calls: Mutex<VecDeque<Call>>,
    subscriptions: Mutex<Vec<(ConnectionId, Arc<Subscription>)>>,
    refusal: Mutex<Option<CodedError>>,
}

impl Engine {
    fn call(&self, call: Call) {
        self.calls.lock().unwrap().push_back(call);
    }

    /// The oldest call that was not taken.
    pub(crate) fn take(&self) -> Option<Call> {
        self.calls.lock().unwrap().pop_front()
    }

    /// The next ephemeral subscription is refused.
    pub(crate) fn refuse(&self, error: CodedError) {
        *self.refusal.lock().unwrap() = Some(error);
    }
}

impl Callbacks for Engine {
    fn register_connection(&self, _: &ConnectionId, _: Matcher) -> Result<(), CodedError> {
        panic!("listeners have no durable subscriptions")
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        if let Some(error) = self.refusal.lock().unwrap().take() {
            return Err(error);
        }
        let id = SubscriptionId(Uuid::new_v4());
        let (namespace, name) = (Namespace::new(namespace), id.to_string());
        let now = Timestamp::from_nanos(0);
        let subscription = Subscription::new(id, namespace, name, "system", filter, options, now);
        let subscription = Arc::new(subscription);
        let started = (connection.clone(), subscription.clone());
        self.subscriptions.lock().unwrap().push(started);
        Ok(subscription)
    }

    fn connection_closed(&self, _: &ConnectionId) {
        self.call(Call::Closed);
    }

    fn connection_state(&self, _: &ConnectionId, scope: Scope, state: ConnectionState) {
        assert_eq!(scope, Scope::All);
        self.call(Call::State(state));
    }

    fn respond(&self, _: &ConnectionId, response: Response) {
        self.call(Call::Respond(response));
    }

    fn publish(
        &self,
        _: &str,
        _: MessageKind,
        _: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        panic!("listeners do not publish by themselves")
    }

    fn namespace_exists(&self, _: &str) -> bool {
        true
    }
}

/// The transport on that engine.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) listeners: Listeners,
    pub(crate) transport: Arc<dyn Transport>,
}

impl World {
    pub(crate) async fn new(config: Value) -> Self {
        let engine = Arc::new(Engine::default());
        let system = System::new();
        let listeners = system.listeners();
        let transport = system.init(config, engine.clone()).await.unwrap();
        Self {
            engine,
            listeners,
            transport,
        }
    }

    pub(crate) fn try_listen(&self) -> Result<Listener, CodedError> {
        self.listeners
            .listen("default", Default::default(), Default::default())
    }

    pub(crate) fn listen(&self) -> Listener {
        self.try_listen().unwrap()
    }

    /// Hands an event to the listener that came last; its sequence and its delivery have this number.
    pub(crate) fn hand_over(&self, number: u64) -> HandOver {
        let started = self.engine.subscriptions.lock().unwrap();
        let (connection, subscription) = started.last().unwrap().clone();
        let id = DeliveryId::new(1, number);
        let delivery = Delivery::new(connection, subscription, id, 1, event(number));
        self.transport.deliver(delivery)
    }

    #[track_caller]
    pub(crate) fn deliver(&self, number: u64) {
        assert_eq!(self.hand_over(number), HandOver::Ok);
    }

    pub(crate) fn void(&self, number: u64, reason: VoidReason) {
        let started = self.engine.subscriptions.lock().unwrap();
        let (connection, subscription) = started.last().unwrap();
        let delivery = DeliveryId::new(1, number);
        self.transport
            .voided(connection, subscription.id, delivery, reason);
    }

    /// The next call is the answer to this delivery.
    #[track_caller]
    pub(crate) fn answer(&self, number: u64) -> Outcome {
        match self.engine.take() {
            Some(Call::Respond(response)) => {
                assert_eq!(response.delivery, DeliveryId::new(1, number));
                response.outcome
            }
            other => panic!("expected an answer to {number}, not {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn acknowledged(&self, number: u64) {
        let outcome = self.answer(number);
        assert!(matches!(outcome, Outcome::Acknowledge { reply: None }));
    }

    #[track_caller]
    pub(crate) fn closed(&self) {
        let call = self.engine.take();
        assert!(matches!(call, Some(Call::Closed)), "{call:?}");
    }
}

/// The event with this sequence.
pub(crate) fn event(number: u64) -> Event {
    let id = MessageId::from_v7(Uuid::from_u128(u128::from(number) << 12));
    let content = RecordContent::new(
        id,
        Namespace::new("default"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![RecordEvent {
            topic: "t".into(),
            json: "{".into(),
        }],
        0..0,
    );
    let record = Record::new(Sequence(number.cast_signed()), content);
    Event::new(Arc::new(record), 0).unwrap()
}

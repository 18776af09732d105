//! What does the transport call, and what does it get to deliver?

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::transport::{ConnectionState, Published, Scope};
use photinus_contract::{
    Batch, BatchItem, BoxFuture, Callbacks, ChangeEvent, ChangeFilter, ChangeKind, CodedError,
    ConnectionId, Delivery, DeliveryId, Event, EventType, HandOver, Matcher, MessageId,
    MessageInput, MessageKind, Namespace, Record, Response, Sequence, Subscription,
    SubscriptionFilter, SubscriptionId, SubscriptionOptions, Timestamp, Transport, VoidReason,
};
use uuid::Uuid;

/// Events that a subscription is given when it is attached.
const EVENTS: u64 = 3;
/// The number of a delivery that is a batch of all of them.
const BATCH: u64 = EVENTS + 1;

/// An engine that gives every new subscription a few events and checks the calls.
#[derive(Default)]
pub(super) struct Recorder(Mutex<State>);

#[derive(Default)]
struct State {
    open: BTreeSet<ConnectionId>,
    /// What still has to be delivered.
    attached: Vec<(ConnectionId, Arc<Subscription>)>,
    /// Whose last event is voided next.
    overdue: Vec<(ConnectionId, SubscriptionId)>,
    /// Durable subscriptions that were served on a connection that is open.
    served: BTreeSet<(ConnectionId, SubscriptionId)>,
    /// Who still has to be told of changes.
    listening: Vec<ConnectionId>,
    answers: usize,
}

impl Recorder {
    /// Delivers to what was attached since. The last event is voided by the next call, as if its time was up.
    pub(super) fn deliver(&self, transport: &dyn Transport) {
        for (connection, subscription) in std::mem::take(&mut self.state().overdue) {
            let last = DeliveryId::new(1, EVENTS);
            transport.voided(&connection, subscription, last, VoidReason::AckTimeout);
        }
        for connection in std::mem::take(&mut self.state().listening) {
            let created =
                ChangeEvent::new("events", ChangeKind::Created, Namespace::new("default"));
            let created = created
                .with_id(Uuid::from_u128(1))
                .with_sequence(Sequence(1));
            for change in [created, ChangeEvent::dropped(Timestamp::from_nanos(0), 7)] {
                taken(transport.change_event(&connection, &change));
            }
        }
        let attached = std::mem::take(&mut self.state().attached);
        for (connection, subscription) in attached {
            let id = subscription.id;
            if subscription.options.is_batch() {
                let items = (1..=EVENTS)
                    .map(|number| BatchItem::new(DeliveryId::new(1, number), 1, event(number)));
                let number = DeliveryId::new(1, BATCH);
                let batch = Batch::new(connection, subscription, number, items.collect());
                taken(transport.deliver_batch(batch));
                continue;
            }
            for number in 1..=EVENTS {
                let (connection, subscription) = (connection.clone(), subscription.clone());
                let delivery = DeliveryId::new(1, number);
                let event = event(number);
                taken(transport.deliver(Delivery::new(
                    connection,
                    subscription,
                    delivery,
                    1,
                    event,
                )));
            }
            self.state().overdue.push((connection, id));
        }
    }

    /// Nothing is open any more.
    pub(super) fn is_over(&self) {
        let mut state = self.state();
        assert!(state.open.is_empty(), "a connection was not closed");
        *state = State::default();
    }

    /// How many answers there were since the last conversation was over.
    #[cfg(test)]
    pub(super) fn answers(&self) -> usize {
        self.state().answers
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callbacks for Recorder {
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError> {
        let mut state = self.state();
        state.open.insert(connection.clone());
        for name in ["app", "b"] {
            let stored = subscription(name);
            if matcher(&stored) && state.served.insert((connection.clone(), stored.id)) {
                state.attached.push((connection.clone(), stored));
            }
        }
        Ok(())
    }

    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // As the engine does, before anything starts.
        photinus_dispatch::Filter::new(&filter)?;
        options.batch_timeout()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = SubscriptionId(Uuid::from_u128(1 << 100 | u128::from(number)));
        let mut subscription = Subscription::new(
            id,
            Namespace::new(namespace),
            id.to_string(),
            "websockets",
            filter,
            options,
            Timestamp::from_nanos(0),
        );
        subscription.ephemeral = true;
        let subscription = Arc::new(subscription);
        let mut state = self.state();
        assert!(state.open.contains(connection), "not registered");
        state
            .attached
            .push((connection.clone(), subscription.clone()));
        Ok(subscription)
    }

    fn change_events(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        filter.check()?;
        assert!(self.namespace_exists(namespace), "it was not looked up");
        let mut state = self.state();
        assert!(state.open.contains(connection), "not registered");
        state.listening.push(connection.clone());
        Ok(())
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        self.state().open.remove(connection);
    }

    fn connection_state(&self, _: &ConnectionId, _: Scope, _: ConnectionState) {}

    fn respond(&self, _: &ConnectionId, response: Response) {
        self.state().answers += 1;
        let number = response.delivery;
        assert!(
            (1..=BATCH).any(|given| DeliveryId::new(1, given) == number),
            "an answer to {number}, which was never delivered"
        );
    }

    fn publish(
        &self,
        _: &str,
        _: MessageKind,
        _: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        panic!("clients of WebSockets do not publish")
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        ["default", "other"].contains(&namespace)
    }
}

fn taken(hand_over: HandOver) {
    if let HandOver::Failed(reason) = hand_over {
        panic!("{reason}");
    }
}

fn subscription(name: &str) -> Arc<Subscription> {
    let mut id = [7; 16];
    id[..name.len()].copy_from_slice(name.as_bytes());
    Arc::new(Subscription::new(
        SubscriptionId(Uuid::from_bytes(id)),
        Namespace::new("default"),
        name,
        "websockets",
        SubscriptionFilter::default(),
        SubscriptionOptions::default(),
        Timestamp::from_nanos(0),
    ))
}

/// Event `number`, with the id `00000000-0000-0000-0000-00000000N001`.
fn event(number: u64) -> Event {
    let id = MessageId::from_v7(Uuid::from_u128(u128::from(number) << 12));
    let json = format!(
        r#"{{"id":"{}","type":"message_confirmed","topic":"t""#,
        id.event(0)
    );
    let content = RecordContent::new(
        id,
        Namespace::new("default"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![RecordEvent {
            topic: "t".into(),
            json: json.into(),
        }],
        0..0,
    );
    Event::new(Arc::new(Record::new(Sequence(number as i64), content)), 0).unwrap()
}

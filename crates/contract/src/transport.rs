//! What does a transport give, and what may it call?
//!
//! A transport is a plugin that brings events to applications over one protocol. It is described by a
//! [`TransportPlugin`], which the server knows before anything starts, and runs as a [`Transport`]. It
//! reaches the engine only through [`Callbacks`].
//!
//! *Connect-out* transports (brokers, webhooks) register their connections from `init`, one for each target;
//! *connect-in* transports (WebSockets) register one whenever a client attaches to a subscription.

mod exchange;
mod http_mount;
mod rotation;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

pub use self::exchange::{Exchange, ExchangeSide};
pub use self::http_mount::{BodyError, HttpBody, HttpMount, HttpService, PathParams};
pub use self::rotation::Rotation;
use crate::BoxFuture;
use crate::change::{ChangeEvent, ChangeFilter};
use crate::data::Data;
use crate::delivery::{Batch, Delivery, DeliveryId, HandOver, Response, VoidReason};
use crate::error::CodedError;
use crate::event::Event;
use crate::filter::SubscriptionFilter;
use crate::id::{ConnectionId, MessageId, Sequence, SubscriptionId};
use crate::message::{MessageInput, MessageKind};
use crate::options::SubscriptionOptions;
use crate::retry::Policy;
use crate::run::Run;
use crate::subscription::Subscription;

/// A transport before it runs: what the server lists, documents and checks for every plugin, used or not.
pub trait TransportPlugin: Send + Sync + 'static {
    /// The `transport` value of the subscriptions that it delivers, and the name of its configuration
    /// section. Lower case.
    fn name(&self) -> &'static str;

    /// The JSON Schema of its configuration section: every key with its type, default and documentation.
    fn config_schema(&self) -> Value;

    /// Checks a configuration section without starting anything. The text names the key and says what
    /// would be right. Pure.
    fn check_config(&self, config: &Value) -> Result<(), String>;

    /// Starts the transport with a section that [`check_config`](Self::check_config) accepted. Callbacks
    /// may be called from here on, also before this returns. Called once. Dropping the future abandons the
    /// start.
    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>>;
}

/// What a running transport is able to do. Known after init and constant from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// It takes [`Transport::change_event`], and asks for it with [`Callbacks::change_events`].
    pub change_events: bool,
    /// It takes [`Transport::deliver_batch`]. Subscriptions with `batch` are refused otherwise.
    pub batches: bool,
    /// Its applications can answer an event with a message.
    pub replies: bool,
    /// It can have deliveries with different ordering keys in flight to one connection, answered in any
    /// order.
    pub ordering_keys: bool,
}

/// A running transport. All methods are called from several threads at once. A panic in any of them is
/// contained: it counts as a failed hand-over and is reported.
pub trait Transport: Send + Sync + 'static {
    /// What it is able to do.
    fn capabilities(&self) -> Capabilities;

    /// The JSON Schema of the transport's own subscription options. What is `writeOnly` there is a secret.
    /// By default there are none, and any key is kept.
    fn options_schema(&self) -> Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    /// Fills in what a subscription that is to be stored leaves to the transport, such as a secret to sign with. Called
    /// before [`validate`](Self::validate), with all secrets that are known in their places; what it puts into a place
    /// that the schema calls secret is shown once, in the answer to whoever asked, and never again. No network.
    fn complete(&self, _options: &mut SubscriptionOptions) {}

    /// Checks a subscription's options before it is stored; may change the core ones (force `withData`, for
    /// example). Pure, without network. The error is shown to the client.
    fn validate(&self, _options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        Ok(())
    }

    /// What becomes of events that fail, for options that [`validate`](Self::validate) has accepted: what `retryPolicy`
    /// says. A transport with a word of its own for it translates that here. Pure.
    fn retry_policy(&self, options: &SubscriptionOptions) -> Policy {
        options.policy().unwrap_or_default()
    }

    /// Whether deliveries of a subscription with these options come with the values of the message: by default if
    /// it asks for them with `withData`. A transport that needs them to know where an event goes says so here, and gives
    /// the application no more than it asks for. Pure, and quick: it is asked again and again.
    fn needs_data(&self, options: &SubscriptionOptions) -> bool {
        options.with_data == Some(true)
    }

    /// Where an event goes by options that [`validate`](Self::validate) has accepted, for people who are about to save
    /// them; the error says why nowhere. `None` from a transport whose events go to whoever is connected. The values of
    /// the message are there, if [`needs_data`](Self::needs_data). Pure, without network.
    fn address(
        &self,
        _options: &SubscriptionOptions,
        _event: &Event,
        _data: &[Data],
    ) -> Option<Result<String, String>> {
        None
    }

    /// Puts a new secret in the place of the one that a subscription signs with, and returns it. The options have all
    /// their secrets, and are checked and stored afterwards. What is signed until
    /// [`old_until`](Rotation::old_until) is signed with both. `PH00449` from a transport that signs nothing, or if
    /// this subscription has nothing to be signed. No network.
    fn rotate_secret(
        &self,
        _options: &mut SubscriptionOptions,
        _rotation: Rotation,
    ) -> Result<String, CodedError> {
        Err(CodedError::bad_request(
            "PH00449",
            "The transport of this subscription signs nothing: there is no secret to replace",
        ))
    }

    /// Hands over one event. Called in sequence order for each (connection, subscription), at most
    /// `readAhead + 1` times without an answer. **Never blocks**: a transport that cannot take it now says
    /// [`HandOver::Busy`]. May still be called after the connection was closed, and then says
    /// [`HandOver::Closed`].
    fn deliver(&self, delivery: Delivery) -> HandOver;

    /// Hands over several events, each as by [`deliver`](Self::deliver) and with its rules; one by one through it by
    /// default. A transport that pays for each call, for a lock or for waking somebody, does so once for a run.
    ///
    /// It takes the deliveries out in order. [`HandOver::Ok`] says that it has taken all; anything else is about the
    /// last one that it took out (the first, if none): those before it are taken, and those after it were not handed
    /// over. They come again, in order, when it can go on.
    ///
    /// The engine hands over a single event by this, too: who writes it needs [`deliver`](Self::deliver) only as a run of
    /// one, for others that call it.
    fn deliver_run(&self, run: &mut Run) -> HandOver {
        while let Some(delivery) = run.next_delivery() {
            match self.deliver(delivery) {
                HandOver::Ok => {}
                refused => return refused,
            }
        }
        HandOver::Ok
    }

    /// Hands over a batch, with the rules of [`deliver`](Self::deliver); at most one batch is in flight for
    /// a (connection, subscription). Only called if [`Capabilities::batches`] is set.
    fn deliver_batch(&self, _batch: Batch) -> HandOver {
        HandOver::Failed("this transport takes no batches".into())
    }

    /// Tells that a delivery is no longer current, or a batch, by the id of the batch. Not called for a
    /// connection that was closed. Of several, the newest is voided first, so that leaving out what is not written
    /// yet leaves out the end and never the middle. Nothing has to be done: answers to them are counted and
    /// change nothing. A transport whose clients answer without naming the delivery uses it to match late
    /// answers; one that works on a delivery may stop. Never blocks.
    fn voided(
        &self,
        _connection: &ConnectionId,
        _subscription: SubscriptionId,
        _delivery: DeliveryId,
        _reason: VoidReason,
    ) {
    }

    /// Tells a connection that asked for it of a change of what is stored. Never answered, never in flight, and
    /// **never blocks**. Called for one change at a time of a connection.
    ///
    /// On [`HandOver::Busy`] the same change is told again after the connection was said to be ready. Meanwhile a
    /// bounded number of others waits in the engine, and what finds no room there is dropped, counted, and told as
    /// a change of the kind [`Dropped`](crate::ChangeKind::Dropped), which the application has to see like any
    /// other: so a transport has nothing to count. What [`HandOver::Failed`] is lost and counted as
    /// dropped; [`HandOver::Closed`] ends it. Only called if [`Capabilities::change_events`] is set.
    fn change_event(&self, _connection: &ConnectionId, _change: &ChangeEvent) -> HandOver {
        HandOver::Closed
    }

    /// Paths that the server serves on its port with this transport's services.
    fn http_mounts(&self) -> Vec<HttpMount> {
        Vec::new()
    }

    /// What an operator sees of the transport at `GET /api/v1/<name>`; nothing by default.
    fn status(&self) -> Option<Value> {
        None
    }

    /// Tries a subscription with one event, outside of its stream, and returns what was exchanged; `None` if
    /// the transport cannot. The application can see that it is a test, and nothing is settled by it. The data is
    /// that of the event's message, if the subscription asks for data.
    ///
    /// An attempt that fails is an exchange, too; an error says why none was made.
    fn test_delivery(
        &self,
        _subscription: Arc<Subscription>,
        _event: Event,
        _data: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        None
    }

    /// Stops: takes nothing new, closes its connections, and ends its tasks. Deliveries that are unanswered
    /// are delivered again after the next start. Resolves when all is done; called once.
    fn shutdown(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Decides which subscriptions a connection serves. Only subscriptions of the transport's own name are
/// offered. It is kept, and asked again whenever a subscription is created, changed or deleted; it is pure
/// and calls nothing of the engine.
pub type Matcher = Arc<dyn Fn(&Subscription) -> bool + Send + Sync>;

/// Which subscriptions of a connection a [`ConnectionState`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All of them.
    All,
    /// One of them.
    Subscription(SubscriptionId),
}

/// Whether a connection can take deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It works. A connection is up when it is registered.
    Up,
    /// It can take more after it was busy.
    Ready,
    /// It does not work now, for this reason. Nothing is dispatched to it, which counts as no attempt. What
    /// is in flight stays so until it is answered or the connection is closed.
    Down {
        /// Why, for people.
        reason: String,
    },
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The message.
    pub id: MessageId,
    /// The sequence of its last event.
    pub sequence: Sequence,
}

impl Published {
    /// The message `id`, whose last event has this sequence.
    pub fn new(id: MessageId, sequence: Sequence) -> Self {
        Self { id, sequence }
    }
}

/// Messages of one publisher that must not overtake each other: when one cannot be stored, those behind it are refused as
/// well. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Chain(Arc<AtomicBool>);

impl Chain {
    /// Whether one of them could not be stored.
    pub fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// One of them could not be stored.
    pub fn break_now(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What a transport may call. All but [`publish`](Self::publish) return at once, whatever the state of the
/// engine, and their effects come in the order of the calls. After the engine has stopped they do nothing,
/// or return an error.
pub trait Callbacks: Send + Sync + 'static {
    /// Dispatchers start on this connection for all stored subscriptions that `matcher` accepts, now or
    /// later. Calling it again for the same connection replaces the list: what is on both goes on
    /// undisturbed. A subscription that another connection serves already is served here when that one is
    /// closed.
    ///
    /// Refused with `FF10190` if the id belongs to another transport, and with `FF10290` if it was closed.
    fn register_connection(
        &self,
        connection: &ConnectionId,
        matcher: Matcher,
    ) -> Result<(), CodedError>;

    /// Starts a subscription that is not stored and ends with the connection. It begins at the newest event
    /// unless `options.firstEvent` says otherwise. Returns it as deliveries will show it.
    ///
    /// Not before [`init`](TransportPlugin::init) has returned (`FF10172`).
    ///
    /// Refused before anything starts: the namespace is unknown (`FF10436`), a regular expression does not
    /// compile (`FF10171`), options are wrong (the code of the option), or the connection is closed.
    fn ephemeral_subscription(
        &self,
        connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError>;

    /// From now on the connection is told of the changes of a namespace, by
    /// [`Transport::change_event`], until it is closed. It needs no subscription, and may have any besides; where
    /// both tell of the same event, they do so in no particular order. Asking again adds: each change is told once if
    /// the connection asked for it at least once.
    ///
    /// Refused, and then nothing is changed: the namespace is unknown (`FF10436`), the filter names what there is
    /// not (`PH00461`), the transport does not take changes (`PH00462`) or does not run yet (`FF10172`), the id
    /// belongs to another transport (`FF10190`), or the connection is closed (`FF10290`). By default changes are
    /// refused.
    fn change_events(
        &self,
        _connection: &ConnectionId,
        _namespace: &str,
        _filter: ChangeFilter,
    ) -> Result<(), CodedError> {
        Err(CodedError::bad_request(
            "PH00462",
            "Nobody tells of changes here",
        ))
    }

    /// The connection is gone. What it left unanswered is delivered again, to the next connection if there
    /// is one. A hand-over that is under way may still reach the transport afterwards. Calling it again, or
    /// for an unknown id, does nothing.
    fn connection_closed(&self, connection: &ConnectionId);

    /// Tells whether the connection can take deliveries, for all its subscriptions or for one. What was told of one
    /// subscription ends when it is changed: it may lead elsewhere now.
    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState);

    /// Settles a delivery or a batch. An answer to a delivery that is no longer current, or that was given to
    /// another connection, is counted and changes nothing; a client may well answer on its new connection
    /// what it received on the old one. An acknowledgement is durable soon after, not on return: a crash may repeat events
    /// that were acknowledged within the last 200 ms.
    fn respond(&self, connection: &ConnectionId, response: Response);

    /// As many calls of [`respond`](Self::respond), in this order, for the price of about one. For a transport that
    /// has several answers at hand; it does not wait for more.
    fn respond_all(&self, connection: &ConnectionId, responses: Vec<Response>) {
        for response in responses {
            self.respond(connection, response);
        }
    }

    /// Takes a message in: resolves when it is committed. With an idempotency key that was used before,
    /// `FF10430`. Dropping the future does not take the message back.
    fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>>;

    /// The same for one of several messages that must not overtake each other: when one cannot be taken now, those that
    /// were begun behind it in the same chain are not taken either, and the chain is broken. They are begun in the order
    /// in which the futures are polled first. By default there is no chain.
    fn publish_in(
        &self,
        _chain: &Chain,
        namespace: &str,
        kind: MessageKind,
        message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        self.publish(namespace, kind, message)
    }

    /// Whether there is a namespace of this name now.
    fn namespace_exists(&self, namespace: &str) -> bool;
}

//! What is a shard told?

use std::sync::Arc;

use photinus_contract::store::StoreError;
use photinus_contract::transport::ConnectionState;
use photinus_contract::{
    ConnectionId, Namespace, Response, Sequence, Subscription, SubscriptionId, SubscriptionOptions,
};
use photinus_dispatch::Filter;
use tokio::sync::oneshot;

use super::active::Claimed;
use super::feed::Fed;
use super::observe::Standing;
use super::replays::Replays;
use super::save::Saved;
use crate::metrics::SubscriptionMetrics;
use crate::namespaces::NamespaceState;
use crate::tail::Piece;
use crate::transports::RunningTransport;

/// What a shard is told.
pub(crate) enum Mail {
    /// A connection wants a subscription.
    Attach {
        spec: Box<Spec>,
        origin: Origin,
        connection: ConnectionId,
        up: bool,
    },
    /// A connection does not want it any more; or, `closed`, is gone.
    Detach {
        subscription: SubscriptionId,
        connection: ConnectionId,
        closed: bool,
    },
    /// The state of a connection changed for a subscription.
    State {
        subscription: SubscriptionId,
        connection: ConnectionId,
        state: ConnectionState,
    },
    /// The application answered, over one connection, in this order.
    Answers {
        connection: ConnectionId,
        responses: Vec<Response>,
    },
    /// A claim was answered.
    Claimed {
        subscription: SubscriptionId,
        start: u64,
        claim: Result<Option<Claimed>, StoreError>,
    },
    /// The page that goes on here was read. Without one it has to be asked for again.
    Page {
        namespace: Namespace,
        after: Sequence,
        piece: Option<Piece>,
    },
    /// The values of events were loaded.
    Loaded {
        subscription: SubscriptionId,
        start: u64,
        fed: Result<Fed, StoreError>,
    },
    /// Parked events of a subscription are to be delivered again: the store knows which.
    ReplaysMarked { subscription: SubscriptionId },
    /// Parked events that are to be delivered again were read.
    Replays {
        subscription: SubscriptionId,
        start: u64,
        read: Replays,
    },
    /// Parked events are gone.
    Discarded {
        subscription: SubscriptionId,
        events: Vec<Sequence>,
    },
    /// A reply or a parked entry was written, or not.
    Written {
        subscription: SubscriptionId,
        start: u64,
        number: u64,
        stored: bool,
    },
    /// Somebody else owns a subscription: a reply or a parked entry of this owner was refused.
    Fenced {
        subscription: SubscriptionId,
        start: u64,
    },
    /// Positions were written, or not.
    Saved { results: Vec<Saved> },
    /// A subscription is about to change: end its dispatcher.
    Stop {
        subscription: SubscriptionId,
        done: oneshot::Sender<()>,
    },
    /// A subscription is to deliver nothing for a while, or to go on, as the registry says.
    Paused {
        subscription: SubscriptionId,
        done: oneshot::Sender<()>,
    },
    /// Somebody wants to know how its dispatcher stands. Of one that has none the question is dropped.
    Ask {
        subscription: SubscriptionId,
        answer: oneshot::Sender<Standing>,
    },
    /// End all dispatchers and write their positions.
    Shutdown { done: oneshot::Sender<()> },
}

/// What a shard has to know about a subscription to serve it.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) filter: Filter,
    pub(crate) namespace: Arc<NamespaceState>,
    pub(crate) transport: Arc<RunningTransport>,
    pub(crate) metrics: Arc<SubscriptionMetrics>,
}

/// What the values of messages are loaded for.
pub(crate) struct ValuesWanted {
    pub(crate) options: SubscriptionOptions,
    /// Deliveries carry them; else only the ordering key is in them.
    pub(crate) are_delivered: bool,
}

impl Spec {
    /// Whether deliveries carry the values of their messages. It is asked for, and not kept: there may be very many of
    /// these.
    pub(crate) fn needs_data(&self) -> bool {
        self.transport.needs_data(&self.subscription.options)
    }

    pub(crate) fn values_wanted(&self) -> ValuesWanted {
        ValuesWanted {
            options: self.subscription.options.clone(),
            are_delivered: self.needs_data(),
        }
    }
}

/// Where the position of a subscription comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// It is claimed from the store, and written there.
    Stored,
    /// It begins here, and lives in memory only.
    Memory { offset: Sequence },
}

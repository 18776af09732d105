//! What does the suite ask of the application's end?

use std::collections::BTreeMap;
use std::fmt;

use photinus_contract::{BoxFuture, ChangeFilter, SubscriptionFilter, SubscriptionOptions};
use serde_json::{Map, Value};

use super::subject::Running;

/// The application's end of the transport under test: a client for a transport to which applications
/// connect, a server or a broker's consumer for one that connects to them.
///
/// The futures may be dropped while they wait, and nothing may be lost by that: [`receive`](Self::receive)
/// above all is dropped when nothing comes in time.
pub trait FarEnd: Send {
    /// Whether it can do this. The rules that need what it cannot do are skipped, by name.
    fn can(&self, skill: Skill) -> bool;

    /// Options that a durable subscription of this name needs so that the transport finds this far end: the
    /// address of a receiver, for example. From here on it can be reached, and what comes before it is
    /// attached waits. A secret that the suite cannot invent, a key for example, is given here too. None by
    /// default.
    fn options(&mut self, name: &str) -> Map<String, Value> {
        let _ = name;
        Map::new()
    }

    /// Opens a connection and attaches it. Where the transport connects to applications, it begins to take
    /// what comes for this subscription.
    ///
    /// Need not wait until the transport has understood. What the transport refuses is an
    /// [`FarError::Refused`], here or as the next [`Arrival`].
    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>>;

    /// Attaches an open connection to one more subscription ([`Skill::SecondAttach`]).
    fn attach_also(
        &mut self,
        connection: FarConnection,
        to: Attach,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let _ = (connection, to);
        unable()
    }

    /// The next thing that reaches this connection; waits until something does.
    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>>;

    /// Answers an event, or a whole batch, by the token with which it arrived. May be asked to answer the same
    /// token twice, and then says it twice.
    fn answer(
        &mut self,
        connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>>;

    /// Answers a batch: these events (by their place in it, from 0) so, and the others with an
    /// acknowledgement ([`Skill::BatchItems`]).
    fn answer_items(
        &mut self,
        connection: FarConnection,
        batch: FarBatch,
        items: BTreeMap<usize, FarAnswer>,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let _ = (connection, batch, items);
        unable()
    }

    /// Takes nothing in from now on, so that the transport gets full ([`Skill::Stall`]). Nothing has to be
    /// done where the far end only reads when it is asked to [`receive`](Self::receive).
    fn stall(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        let _ = connection;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Takes in again.
    fn unstall(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        let _ = connection;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Is gone at once, without a word ([`Skill::Cut`]). The suite comes back with another
    /// [`attach`](Self::attach).
    fn cut(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        let _ = connection;
        unable()
    }

    /// The transport was stopped and started again. All connections are gone; the suite attaches anew. One that connects
    /// out may have sent something already since: that is not to be lost.
    fn restarted(&mut self, running: Running) -> BoxFuture<'_, Result<(), FarError>>;
}

fn unable<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, FarError>> {
    let error = FarError::Failed("the far end says that it can do this, and cannot".to_owned());
    Box::pin(std::future::ready(Err(error)))
}

/// A connection, by a number that the far end gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FarConnection(pub u64);

/// What a far end may be unable to do, or a transport's protocol to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Skill {
    /// Hold several unanswered events (`readAhead`) and answer them in any order.
    AnyOrder,
    /// Ask for an event again.
    Retry,
    /// Set an event aside with a reason.
    Park,
    /// Go on without an event.
    Skip,
    /// Answer an event with a message.
    Reply,
    /// Answer an event that was repeated meanwhile, by its earlier hand-over.
    LateAnswer,
    /// Answer the same hand-over twice and stay connected.
    AnswerTwice,
    /// Take batches.
    Batch,
    /// Answer the events of a batch apart.
    BatchItems,
    /// Attach before the subscription exists.
    AttachEarly,
    /// Attach one connection to several subscriptions.
    SecondAttach,
    /// Have two connections for one subscription.
    TwoConnections,
    /// Ask for an ephemeral subscription.
    Ephemeral,
    /// Ask for changes of what is stored.
    Changes,
    /// Stop taking in, without ending the connection.
    Stall,
    /// Be gone without a word.
    Cut,
}

impl Skill {
    /// All of them.
    pub const ALL: [Skill; 16] = [
        Skill::AnyOrder,
        Skill::Retry,
        Skill::Park,
        Skill::Skip,
        Skill::Reply,
        Skill::LateAnswer,
        Skill::AnswerTwice,
        Skill::Batch,
        Skill::BatchItems,
        Skill::AttachEarly,
        Skill::SecondAttach,
        Skill::TwoConnections,
        Skill::Ephemeral,
        Skill::Changes,
        Skill::Stall,
        Skill::Cut,
    ];
}

/// What a connection is for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Attach {
    /// The durable subscription of this name.
    Durable {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Its options, the secret ones too, where the subscription exists: what the application has to
        /// know.
        options: Map<String, Value>,
    },
    /// A subscription that lives and dies with the connection.
    Ephemeral(Box<Ephemeral>),
    /// The changes of a namespace, and no events ([`Skill::Changes`]).
    Changes {
        /// The namespace.
        namespace: String,
        /// Which changes it wants.
        filter: ChangeFilter,
    },
}

/// A subscription that is not stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ephemeral {
    /// The namespace.
    pub namespace: String,
    /// Which events it wants.
    pub filter: SubscriptionFilter,
    /// How it wants them.
    pub options: SubscriptionOptions,
}

impl Ephemeral {
    pub(super) fn new(options: SubscriptionOptions) -> Box<Self> {
        Box::new(Self {
            namespace: "default".to_owned(),
            filter: SubscriptionFilter::default(),
            options,
        })
    }
}

/// Something that reached the application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Arrival {
    /// An event.
    Event(FarEvent),
    /// Several, to be answered together.
    Batch(FarBatch),
    /// A change, as [`ChangeEvent`](photinus_contract::ChangeEvent) is written.
    Change(Value),
    /// The transport said that something is wrong, in these words.
    Refused(String),
    /// The connection ended.
    Closed,
}

/// What an answer names: whatever the far end needs. Given back as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Token(pub Value);

/// An event as the application sees it. What the protocol does not show is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FarEvent {
    /// The id of the event: every transport shows it, because applications deduplicate by it.
    pub id: String,
    /// Its sequence.
    pub sequence: Option<i64>,
    /// The name of the subscription.
    pub subscription: Option<String>,
    /// The attempt.
    pub attempt: Option<u32>,
    /// The values.
    pub data: Option<Value>,
    /// By which it is answered.
    pub token: Token,
}

impl FarEvent {
    /// An event of which nothing more is shown.
    pub fn new(id: impl Into<String>, token: Token) -> Self {
        Self {
            id: id.into(),
            token,
            ..Self::default()
        }
    }

    /// Reads the JSON that [`Event::write_tracked_delivery`](photinus_contract::Event::write_tracked_delivery)
    /// writes.
    pub fn from_json(event: &Value, token: Token) -> Self {
        Self {
            id: event["id"].as_str().unwrap_or_default().to_owned(),
            sequence: event["sequence"].as_i64(),
            subscription: event["subscription"]["name"].as_str().map(str::to_owned),
            attempt: event["attempt"]
                .as_u64()
                .and_then(|attempt| u32::try_from(attempt).ok()),
            data: event.get("data").cloned(),
            token,
        }
    }
}

/// A batch as the application sees it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FarBatch {
    /// Its events, in order.
    pub events: Vec<FarEvent>,
    /// By which the whole of it is answered.
    pub token: Token,
}

impl FarBatch {
    /// A batch of these events.
    pub fn new(events: Vec<FarEvent>, token: Token) -> Self {
        Self { events, token }
    }
}

/// What an application says to an event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FarAnswer {
    /// It has it.
    Ack,
    /// It has it, and answers with this message (as a client sends one: `header`, `data`).
    Reply(Value),
    /// It wants it again, by the subscription's schedule.
    Retry,
    /// Set aside, for this reason.
    Park(String),
    /// Go on without it.
    Skip,
}

/// Why the far end did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FarError {
    /// The transport refused, in these words.
    Refused(String),
    /// The far end itself is in trouble.
    Failed(String),
}

impl fmt::Display for FarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FarError::Refused(text) => write!(f, "the transport refused: {text}"),
            FarError::Failed(text) => write!(f, "the far end failed: {text}"),
        }
    }
}

impl std::error::Error for FarError {}

//! What happened between the engine and the transport?

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::transport::ConnectionState;
use photinus_contract::{
    Batch, ChangeEvent, CodedError, ConnectionId, Delivery, DeliveryId, HandOver, Outcome,
    Response, Subscription, SubscriptionId, VoidReason,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How many lines of it a refusal shows.
const SHOWN: usize = 14;

/// One call, in either direction.
pub(super) enum Entry {
    /// The hand-over is `None` while the call has not returned.
    Delivered(Delivery, Option<HandOver>),
    Batch(Batch, Option<HandOver>),
    /// It stood in a run behind one that was refused; or, if so, it was left out.
    NotHandedOver(DeliveryId, bool),
    Voided(ConnectionId, SubscriptionId, DeliveryId, VoidReason),
    Registered(ConnectionId, Result<(), CodedError>),
    Ephemeral(ConnectionId, Result<Arc<Subscription>, CodedError>),
    /// It asked for changes.
    Listening(ConnectionId, Result<(), CodedError>),
    /// A change, and what it said to it.
    Change(ConnectionId, ChangeEvent, HandOver),
    Closed(ConnectionId),
    State(ConnectionId, ConnectionState),
    Responded(ConnectionId, Response),
    Published,
    ShutDown(Duration),
}

/// A call into the transport.
struct Call {
    name: &'static str,
    started: Instant,
    took: Option<Duration>,
}

/// All calls, in their order.
pub(super) struct Journal {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    calls: Vec<Call>,
    fail: usize,
    runs: usize,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Writes an entry; returns its place.
    pub(super) fn write(&self, entry: Entry) -> usize {
        let place = {
            let mut state = self.lock();
            state.entries.push(entry);
            state.entries.len() - 1
        };
        self.changed.send_replace(());
        place
    }

    /// Notes what a hand-over returned.
    pub(super) fn handed_over(&self, place: usize, returned: &HandOver) {
        if let Some(Entry::Delivered(_, hand_over) | Entry::Batch(_, hand_over)) =
            self.lock().entries.get_mut(place)
        {
            *hand_over = Some(returned.clone());
        }
        self.changed.send_replace(());
    }

    /// A delivery of a run was not handed over, because an earlier one of it was refused; or, if all were said to be
    /// taken, was left out, which no transport may do.
    pub(super) fn not_handed_over(&self, place: usize, returned: &HandOver) {
        let mut state = self.lock();
        if let Some(entry) = state.entries.get_mut(place)
            && let Entry::Delivered(delivery, _) = entry
        {
            *entry = Entry::NotHandedOver(delivery.id, *returned == HandOver::Ok);
        }
    }

    /// True for every second run.
    pub(super) fn is_odd_run(&self) -> bool {
        let mut state = self.lock();
        state.runs += 1;
        state.runs % 2 == 1
    }

    /// Makes a call into the transport, and notes how long it took.
    pub(super) fn timed<T>(&self, name: &'static str, call: impl FnOnce() -> T) -> T {
        let place = {
            let mut state = self.lock();
            state.calls.push(Call {
                name,
                started: Instant::now(),
                took: None,
            });
            state.calls.len() - 1
        };
        let value = call();
        if let Some(call) = self.lock().calls.get_mut(place) {
            call.took = Some(call.started.elapsed());
        }
        value
    }

    /// The next hand-over is failed by the suite, without the transport.
    pub(super) fn fail_next(&self) {
        self.lock().fail += 1;
    }

    pub(super) fn take_failure(&self) -> bool {
        let mut state = self.lock();
        let failing = state.fail > 0;
        state.fail -= usize::from(failing);
        failing
    }

    /// How many entries there are: a mark to read on from.
    pub(super) fn mark(&self) -> usize {
        self.lock().entries.len()
    }

    /// What `find` finds in the entries since a mark.
    pub(super) fn find<T>(&self, since: usize, find: impl FnOnce(&[Entry]) -> T) -> T {
        find(self.lock().entries.get(since..).unwrap_or_default())
    }

    /// Waits until `find` finds something in the entries since a mark.
    pub(super) async fn wait<T>(
        &self,
        patience: Duration,
        since: usize,
        mut find: impl FnMut(&[Entry]) -> Option<T>,
    ) -> Option<T> {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = self.find(since, &mut find) {
                    return found;
                }
                // The sender lives as long as the journal.
                let _ = changed.changed().await;
            }
        };
        timeout(patience, waiting).await.ok()
    }

    /// How long the calls of this name took, or have taken so far.
    pub(super) fn times(&self, names: &[&str]) -> Vec<(&'static str, Duration)> {
        let state = self.lock();
        let calls = state.calls.iter().filter(|call| names.contains(&call.name));
        calls
            .map(|call| {
                let took = call.took.unwrap_or_else(|| call.started.elapsed());
                (call.name, took)
            })
            .collect()
    }

    /// The first call of the transport that no transport may make: an answer to what it did not take, or was
    /// never given.
    pub(super) fn fault(&self) -> Option<String> {
        let state = self.lock();
        for (place, entry) in state.entries.iter().enumerate() {
            if let Entry::NotHandedOver(id, true) = entry {
                return Some(format!("it said Ok to a run and left delivery {id} out"));
            }
            let Entry::Responded(_, response) = entry else {
                continue;
            };
            let id = response.delivery;
            let given = state.entries[..place]
                .iter()
                .find_map(|earlier| match earlier {
                    Entry::Delivered(delivery, hand_over)
                        if delivery.id == id
                            && delivery.subscription.id == response.subscription =>
                    {
                        Some(hand_over.clone())
                    }
                    Entry::Batch(batch, hand_over)
                        if batch.id == id && batch.subscription.id == response.subscription =>
                    {
                        Some(hand_over.clone())
                    }
                    _ => None,
                });
            match given {
                Some(None | Some(HandOver::Ok)) => {}
                Some(Some(not_taken)) => {
                    return Some(format!(
                        "it said {not_taken:?} to delivery {id} and answered it all the same; no answer may follow"
                    ));
                }
                None => return Some(format!("it answered {id}, which it was never given")),
            }
        }
        None
    }

    /// The last delivery to which it said busy, if it did not say ready to that connection afterwards.
    pub(super) fn busy_since(&self) -> Option<DeliveryId> {
        let state = self.lock();
        let busy = |(place, entry): (usize, &'_ Entry)| match entry {
            Entry::Delivered(delivery, Some(HandOver::Busy(_))) => {
                Some((place, delivery.connection.clone(), delivery.id))
            }
            Entry::Batch(batch, Some(HandOver::Busy(_))) => {
                Some((place, batch.connection.clone(), batch.id))
            }
            _ => None,
        };
        let (place, connection, delivery) =
            state.entries.iter().enumerate().rev().find_map(busy)?;
        let over = state.entries[place..].iter().any(|entry| match entry {
            Entry::State(of, ConnectionState::Ready) | Entry::Closed(of) => *of == connection,
            _ => false,
        });
        (!over).then_some(delivery)
    }

    /// The texts that the transport gave to the engine, in which a secret could be.
    pub(super) fn texts(&self) -> Vec<String> {
        let state = self.lock();
        let mut texts = Vec::new();
        for entry in &state.entries {
            match entry {
                Entry::Delivered(_, Some(HandOver::Failed(reason)))
                | Entry::Batch(_, Some(HandOver::Failed(reason))) => texts.push(reason.clone()),
                Entry::State(_, state) => texts.push(format!("{state:?}")),
                Entry::Responded(_, response) => texts.push(format!("{response:?}")),
                _ => {}
            }
        }
        texts
    }

    /// The newest entries, a line each.
    pub(super) fn tail(&self) -> String {
        let state = self.lock();
        let from = state.entries.len().saturating_sub(SHOWN);
        let mut text = String::new();
        for entry in &state.entries[from..] {
            text.push_str(&format!("    {entry}\n"));
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Delivered(delivery, hand_over) => write!(
                f,
                "deliver {} event {} attempt {} of '{}' to {} → {}",
                delivery.id,
                delivery.event.sequence(),
                delivery.attempt,
                delivery.subscription.name,
                delivery.connection,
                returned(hand_over)
            ),
            Entry::Batch(batch, hand_over) => write!(
                f,
                "deliver batch {} of {} events of '{}' to {} → {}",
                batch.id,
                batch.items.len(),
                batch.subscription.name,
                batch.connection,
                returned(hand_over)
            ),
            Entry::NotHandedOver(delivery, _) => write!(f, "{delivery} was not handed over"),
            Entry::Voided(connection, _, delivery, reason) => {
                write!(f, "voided {delivery} at {connection}: {reason:?}")
            }
            Entry::Registered(connection, result) => {
                write!(f, "register_connection {connection}{}", refused(result))
            }
            Entry::Ephemeral(connection, result) => {
                write!(f, "ephemeral_subscription {connection}{}", refused(result))
            }
            Entry::Listening(connection, result) => {
                write!(f, "change_events {connection}{}", refused(result))
            }
            Entry::Change(connection, change, told) => {
                let (collection, kind) = (change.collection, change.kind.as_str());
                write!(
                    f,
                    "change_event {collection} {kind} to {connection} → {told:?}"
                )
            }
            Entry::Closed(connection) => write!(f, "connection_closed {connection}"),
            Entry::State(connection, state) => {
                write!(f, "connection_state {connection} {state:?}")
            }
            Entry::Responded(connection, response) => write!(
                f,
                "respond {} from {connection}: {}{}",
                response.delivery,
                outcome(&response.outcome),
                match response.items.len() {
                    0 => String::new(),
                    items => format!(", {items} events apart"),
                }
            ),
            Entry::Published => f.write_str("publish"),
            Entry::ShutDown(took) => write!(f, "shutdown took {took:?}"),
        }
    }
}

fn returned(hand_over: &Option<HandOver>) -> String {
    match hand_over {
        Some(hand_over) => format!("{hand_over:?}"),
        None => "not returned".to_owned(),
    }
}

fn refused<T>(result: &Result<T, CodedError>) -> String {
    match result {
        Ok(_) => String::new(),
        Err(error) => format!(" refused: {error}"),
    }
}

/// An outcome in one word.
pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Acknowledge { reply: None } => "acknowledge",
        Outcome::Acknowledge { reply: Some(_) } => "acknowledge with a reply",
        Outcome::Retry { .. } => "retry",
        Outcome::Park { .. } => "park",
        Outcome::Skip { .. } => "skip",
        Outcome::Pause { .. } => "pause",
        _ => "an outcome that the suite does not know",
    }
}

//! What do the subscriptions of one receiver share?
//!
//! A [`Station`]: what is known of the receiver, and how many requests to it are under way. When it is left alone, its
//! subscriptions are told to the engine as down; nothing is dispatched then, and nothing counts.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{Callbacks, ConnectionId, SubscriptionId};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::receiver::{Admission, Change, Limits, Receiver, Word};

/// Most receivers that an operator is shown.
const SHOWN_MAX: usize = 1_000;

/// Where stations tell what they have to tell.
pub(crate) struct Telling {
    pub(crate) connection: ConnectionId,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    pub(crate) tasks: TaskTracker,
    /// Everything is given up.
    pub(crate) stop: CancellationToken,
}

/// All receivers that are in use.
pub(crate) struct Stations {
    telling: Arc<Telling>,
    limits: Limits,
    known: Mutex<HashMap<String, Weak<Station>>>,
}

/// A receiver.
pub(crate) struct Station {
    name: String,
    telling: Arc<Telling>,
    state: Mutex<State>,
}

struct State {
    receiver: Receiver,
    /// The subscriptions that send there.
    members: BTreeSet<SubscriptionId>,
    under_way: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    /// Why it was left alone last.
    reason: String,
}

/// A request may be under way.
pub(crate) struct Permit {
    station: Option<Arc<Station>>,
}

/// The one request that decides whether a receiver works again. Dropped before it was made, it lets another one.
pub(crate) struct Probe {
    station: Arc<Station>,
}

/// What an operator sees of a receiver.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    url: String,
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    under_way: usize,
    window: usize,
    subscriptions: BTreeSet<SubscriptionId>,
}

impl Stations {
    pub(crate) fn new(telling: Arc<Telling>, limits: Limits) -> Self {
        Self {
            telling,
            limits,
            known: Mutex::default(),
        }
    }

    /// The receiver of this name. It is known for as long as somebody has it.
    pub(crate) fn station(&self, name: &str) -> Arc<Station> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(station) = known.get(name).and_then(Weak::upgrade) {
            return station;
        }
        known.retain(|_, station| station.strong_count() > 0);
        let station = Arc::new(Station {
            name: name.to_owned(),
            telling: self.telling.clone(),
            state: Mutex::new(State {
                receiver: Receiver::new(self.limits),
                members: BTreeSet::new(),
                under_way: 0,
                waiting: VecDeque::new(),
                reason: String::new(),
            }),
        });
        known.insert(name.to_owned(), Arc::downgrade(&station));
        station
    }

    /// What there is to be seen, those that are left alone first.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stations = known.values().filter_map(Weak::upgrade);
        let mut shown: Vec<_> = stations.map(|station| station.shown()).collect();
        shown.sort_by(|one, other| {
            let key = |shown: &Shown| (shown.state == "closed", shown.url.clone());
            key(one).cmp(&key(other))
        });
        shown.truncate(SHOWN_MAX);
        shown
    }
}

impl Station {
    /// A subscription sends here from now on.
    pub(crate) fn enter(&self, subscription: SubscriptionId) {
        self.lock().members.insert(subscription);
    }

    /// A subscription does not send here any more.
    pub(crate) fn leave(&self, subscription: SubscriptionId) {
        self.lock().members.remove(&subscription);
    }

    /// Whether its subscriptions may wait to be told that something can be sent.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.lock().receiver.is_waited_for()
    }

    /// Whether an event of this subscription can be taken, and the probe, if it is to be that. What cannot be taken is
    /// told when it can.
    pub(crate) fn admit(
        self: &Arc<Self>,
        subscription: SubscriptionId,
    ) -> Result<Option<Probe>, ()> {
        let mut state = self.lock();
        match state.receiver.admit() {
            Admission::Yes => Ok(None),
            Admission::AsProbe => Ok(Some(Probe {
                station: self.clone(),
            })),
            Admission::NotNow => {
                if state.receiver.is_open() {
                    // It may be the first that is heard of this subscription.
                    let reason = state.reason.clone();
                    self.tell_one(subscription, ConnectionState::Down { reason });
                }
                Err(())
            }
        }
    }

    /// Waits until a request may be under way; `None` if nothing is sent there now.
    pub(crate) async fn begin(self: &Arc<Self>, is_probe: bool) -> Option<Permit> {
        let waiting = {
            let mut state = self.lock();
            if !state.receiver.is_still_admitted(is_probe) {
                return None;
            }
            if state.under_way < state.receiver.window() || is_probe {
                state.under_way += 1;
                return Some(Permit {
                    station: Some(self.clone()),
                });
            }
            let (permit, waiting) = oneshot::channel();
            state.waiting.push_back(permit);
            waiting
        };
        let permit = waiting.await.ok()?;
        let is_admitted = self.lock().receiver.is_still_admitted(is_probe);
        is_admitted.then_some(permit)
    }

    /// Takes in what a request says about the receiver.
    pub(crate) fn hear(self: &Arc<Self>, word: &Word, begun: Instant, probe: Option<Probe>) {
        let now = Instant::now();
        let is_probe = probe.is_some();
        let mut state = self.lock();
        match state.receiver.hear(word, begun, is_probe, now) {
            Change::None => {}
            Change::Closed => {
                info!(receiver = self.name, "a receiver of webhooks works again");
                state.reason.clear();
                self.tell(&state, ConnectionState::Up);
            }
            Change::Opened(until) => {
                let why = match word {
                    Word::Failing(reason) | Word::Overloaded { reason, .. } => reason.as_str(),
                    Word::Well | Word::Nothing => "",
                };
                let wait = until.saturating_duration_since(now);
                state.reason = format!(
                    "the receiver is left alone for {}: {why}",
                    shown_duration(wait)
                );
                warn!(
                    receiver = self.name,
                    reason = state.reason,
                    "a receiver of webhooks is left alone"
                );
                let reason = state.reason.clone();
                self.tell(&state, ConnectionState::Down { reason });
                self.wake_at(until);
            }
        }
        drop(state);
        self.fill();
        // A probe that says nothing lets another one; else it changes nothing any more.
        drop(probe);
    }

    /// When the wait is over, whoever comes first is the probe. A receiver to which nobody sends any more is not kept
    /// for that.
    fn wake_at(self: &Arc<Self>, until: Instant) {
        let station = Arc::downgrade(self);
        let stop = self.telling.stop.clone();
        self.telling.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(until) => {
                    if let Some(station) = station.upgrade() {
                        station.wait_is_over();
                    }
                }
            }
        });
    }

    fn wait_is_over(&self) {
        let mut state = self.lock();
        if state.receiver.wait_is_over(Instant::now()) {
            self.tell(&state, ConnectionState::Up);
        }
    }

    /// Tells all subscriptions, in the order of what happens: the lock is held.
    fn tell(&self, state: &State, told: ConnectionState) {
        for subscription in &state.members {
            self.tell_one(*subscription, told.clone());
        }
    }

    fn tell_one(&self, subscription: SubscriptionId, told: ConnectionState) {
        let scope = Scope::Subscription(subscription);
        let connection = &self.telling.connection;
        self.telling
            .callbacks
            .connection_state(connection, scope, told);
    }

    /// A request is not under way any more: the next one may be.
    fn release(self: &Arc<Self>) {
        self.lock().under_way -= 1;
        self.fill();
    }

    /// Lets those begin that wait and have room.
    fn fill(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                let has_room = state.under_way < state.receiver.window();
                match has_room.then(|| state.waiting.pop_front()).flatten() {
                    Some(next) => {
                        state.under_way += 1;
                        next
                    }
                    None => return,
                }
            };
            let permit = Permit {
                station: Some(self.clone()),
            };
            if let Err(mut permit) = next.send(permit) {
                // Nobody waits for it any more.
                permit.station = None;
                self.lock().under_way -= 1;
            }
        }
    }

    fn shown(&self) -> Shown {
        let state = self.lock();
        Shown {
            url: self.name.clone(),
            state: state.receiver.state(),
            reason: state.reason.clone(),
            under_way: state.under_way,
            window: state.receiver.window(),
            subscriptions: state.members.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(station) = self.station.take() {
            station.release();
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut state = self.station.lock();
        if state.receiver.probe_is_back() {
            self.station.tell(&state, ConnectionState::Up);
        }
    }
}

/// Whole milliseconds, which people can read.
fn shown_duration(duration: std::time::Duration) -> String {
    let rounded = std::time::Duration::from_millis(duration.as_millis() as u64);
    format!("{rounded:?}")
}

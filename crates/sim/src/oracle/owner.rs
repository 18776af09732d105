//! Which ways may one owner of a subscription stand in?
//!
//! What an owner was told of the store, and when, cannot be seen from outside. So there may be several states; each
//! thing that is seen rules out those in which it could not happen, and a promise is broken when none is left.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::store::{OffsetRecord, OffsetWrite, ParkedEntry};
use photinus_contract::{
    ConnectionId, Namespace, OrderingKey, Outcome, Response, Subscription, SubscriptionFilter,
};

use super::log::{LogModel, View};
use super::state::State;

/// One owner: an epoch of a durable subscription, or an ephemeral one.
pub(super) struct Owner {
    pub(super) node: usize,
    pub(super) namespace: Namespace,
    pub(super) filter: SubscriptionFilter,
    order: Option<OrderingKey>,
    pub(super) ephemeral: bool,
    /// The seek generation that it found.
    generation: u64,
    /// The connection that an ephemeral one ends with.
    pub(super) connection: Option<ConnectionId>,
    /// It stopped, or its engine did.
    pub(super) ended: bool,
    /// It was told to deliver nothing until somebody resumes it.
    pub(super) paused: bool,
    /// The numbers of all that it handed over.
    pub(super) handed_over: BTreeSet<u64>,
    states: Vec<State>,
    /// What the store did, which the owner hears of at some time: by the number of the delivery.
    heard: BTreeMap<u64, bool>,
}

impl Owner {
    pub(super) fn durable(node: usize, subscription: &Subscription, record: &OffsetRecord) -> Self {
        let settled = record.settled.iter().cloned().flatten();
        let failures = record.failures.iter();
        let failures = failures.map(|failures| (failures.sequence.0, failures.count));
        let mut state = State::at(record.offset.0, settled.collect(), failures);
        let order = subscription.options.ordering_key();
        state.keyed = order.is_ok_and(|order| order.is_some());
        state.policy = subscription.options.policy().unwrap_or_default();
        let mut owner = Self::new(node, subscription, state);
        owner.generation = record.generation;
        owner
    }

    /// An ephemeral one: it begins after something in this range.
    pub(super) fn ephemeral(
        node: usize,
        connection: &ConnectionId,
        subscription: &Subscription,
        (low, high): (i64, i64),
    ) -> Self {
        let state = match low == high {
            true => State::at(low, BTreeSet::new(), std::iter::empty()),
            false => State::within(low, high),
        };
        let mut owner = Self::new(node, subscription, state);
        owner.connection = Some(connection.clone());
        owner
    }

    fn new(node: usize, subscription: &Subscription, state: State) -> Self {
        Self {
            node,
            namespace: subscription.namespace.clone(),
            filter: subscription.filter.clone(),
            order: subscription.options.ordering_key().ok().flatten(),
            ephemeral: subscription.ephemeral,
            generation: 0,
            connection: None,
            ended: false,
            paused: false,
            handed_over: BTreeSet::new(),
            states: vec![state],
            heard: BTreeMap::new(),
        }
    }

    /// The store did, or refused, what the answer to this delivery asked for.
    pub(super) fn written(&mut self, number: u64, stored: bool) {
        self.heard.insert(number, stored);
    }

    /// These were parked by later owners, and it may know that: it leaves out all of them, or none. It knows nothing
    /// of another seek.
    pub(super) fn may_leave_out<'a>(&mut self, parked: impl Iterator<Item = &'a ParkedEntry>) {
        let generation = self.generation;
        let current = parked.filter(|entry| entry.generation == generation);
        let current: BTreeSet<i64> = current.map(|entry| entry.sequence.0).collect();
        for mut state in self.states.clone() {
            state.leave_out(&current);
            if !self.states.contains(&state) {
                self.states.push(state);
            }
        }
    }

    /// The application answered. False if that changes nothing.
    pub(super) fn answer(
        &mut self,
        log: &LogModel,
        connection: &ConnectionId,
        response: &Response,
    ) -> bool {
        let mut applied = false;
        self.tell(log, |mut state, view| {
            applied |= state.answer(view, connection, response);
            vec![state]
        });
        if self.ephemeral {
            // Nobody stores what it parks: it hears at once that this is done.
            let parking: Vec<u64> = self.states.iter().flat_map(State::parking).collect();
            parking
                .into_iter()
                .for_each(|number| self.written(number, true));
        }
        let outcomes = response.items.iter().map(|(_, outcome)| outcome);
        let for_good = |outcome: &Outcome| matches!(outcome, Outcome::Pause { until: None, .. });
        self.paused |= applied && outcomes.chain([&response.outcome]).any(for_good);
        applied
    }

    /// Somebody pauses or resumes it from outside: what its application has asked for counts no more.
    pub(super) fn forget_pause(&mut self) {
        self.states.iter_mut().for_each(State::forget_pause);
    }

    /// Something was seen: rules out the states in which it cannot happen. The first reason, if that is all.
    pub(super) fn see(
        &mut self,
        log: &LogModel,
        mut seen: impl FnMut(&mut State, View<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let (filter, order) = (self.filter.clone(), self.order.clone());
        let view = log.view(&filter, order.as_ref());
        let mut left = Vec::new();
        let mut first = None;
        for mut state in self.possible(view) {
            match seen(&mut state, view) {
                Ok(()) if left.contains(&state) => {}
                Ok(()) => left.push(state),
                Err(reason) => {
                    first.get_or_insert(reason);
                }
            }
        }
        match first {
            Some(reason) if left.is_empty() => Err(reason),
            _ => {
                self.keep(left);
                Ok(())
            }
        }
    }

    /// The owner is told something: what each state becomes, which may be several.
    pub(super) fn tell(
        &mut self,
        log: &LogModel,
        mut told: impl FnMut(State, View<'_>) -> Vec<State>,
    ) {
        let (filter, order) = (self.filter.clone(), self.order.clone());
        let view = log.view(&filter, order.as_ref());
        let mut left = Vec::new();
        for state in self
            .possible(view)
            .into_iter()
            .flat_map(|state| told(state, view))
        {
            if !left.contains(&state) {
                left.push(state);
            }
        }
        self.keep(left);
    }

    /// The owner has certainly heard all that the store did, in whatever order.
    pub(super) fn settle_down(&mut self, log: &LogModel) {
        if self.heard.is_empty() {
            return;
        }
        let (filter, order) = (self.filter.clone(), self.order.clone());
        let mut states = self.possible(log.view(&filter, order.as_ref()));
        let has_heard = |state: &State| self.heard.keys().all(|number| !state.is_writing(*number));
        states.retain(has_heard);
        self.keep(states);
    }

    /// Whether an offset, and what it says to be settled above it, may be written.
    pub(super) fn may_commit(&mut self, log: &LogModel, write: &OffsetWrite) -> Result<(), String> {
        let offset = write.offset.0;
        self.see(log, |state, view| {
            let limit = state.limit(view);
            if offset > limit {
                return Err(format!("its offset moves to {offset}, past {limit}"));
            }
            match state.has_settled(write.settled.iter().cloned().flatten()) {
                true => Ok(()),
                false => Err(format!(
                    "{:?} is written as settled, and is not",
                    write.settled
                )),
            }
        })
    }

    /// The delivery whose failure has an event parked, in some state.
    pub(super) fn parking_of(&self, sequence: i64) -> Option<u64> {
        self.states
            .iter()
            .find_map(|state| state.parking_of(sequence))
    }

    /// Whether an event may be settled.
    pub(super) fn has_passed(&self, log: &LogModel, at: i64) -> bool {
        let view = self.view(log);
        self.states.iter().any(|state| state.has_passed(view, at))
    }

    /// What it finds in a log.
    pub(super) fn view<'a>(&'a self, log: &'a LogModel) -> View<'a> {
        log.view(&self.filter, self.order.as_ref())
    }

    /// All ways in which it may stand now.
    pub(super) fn states(&self) -> &[State] {
        &self.states
    }

    fn keep(&mut self, states: Vec<State>) {
        self.states = states;
        let states = &self.states;
        self.heard
            .retain(|number, _| states.iter().any(|state| state.is_writing(*number)));
    }

    /// The states with all that it may have heard meanwhile.
    fn possible(&self, view: View<'_>) -> Vec<State> {
        let mut states = self.states.clone();
        let mut next = 0;
        while next < states.len() {
            for (number, stored) in &self.heard {
                let mut state = states[next].clone();
                if state.written(view, *number, *stored) && !states.contains(&state) {
                    states.push(state);
                }
            }
            next += 1;
        }
        states
    }
}

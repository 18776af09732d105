//! What waits to be told to one listener?
//!
//! A bounded number of changes. What finds no room is dropped, the newest first, and counted; the count is told
//! in its place: after what came before, and before what comes next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::change::COLLECTIONS;
use photinus_contract::{ChangeEvent, ChangeFilter, ChangeKind, Namespace, Timestamp};
use tokio::sync::Notify;

use super::intake::{Committed, Lost, Told};

/// Whose changes a listener hears, and which.
pub(super) enum Scope {
    /// All. The listener filters.
    All,
    /// Those of these namespaces that were asked for. Only changes of these namespaces count as dropped.
    Namespaces(BTreeMap<Namespace, Asked>),
}

/// What was asked for, however often: a bit for each kind of change of each collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked(u128);

const _: () = assert!(COLLECTIONS.len() * ChangeKind::ALL.len() <= u128::BITS as usize);

impl Asked {
    fn add(&mut self, filter: &ChangeFilter) {
        for collection in COLLECTIONS {
            for kind in ChangeKind::ALL {
                if filter.asks(collection, kind) {
                    self.0 |= Self::bit(collection, kind);
                }
            }
        }
    }

    fn has(self, change: &ChangeEvent) -> bool {
        self.0 & Self::bit(change.collection, change.kind) != 0
    }

    fn bit(collection: &str, kind: ChangeKind) -> u128 {
        let collection = COLLECTIONS.iter().position(|it| *it == collection);
        let kind = ChangeKind::ALL.iter().position(|it| *it == kind);
        collection.zip(kind).map_or(0, |(collection, kind)| {
            1 << (collection * ChangeKind::ALL.len() + kind)
        })
    }
}

/// The queue of one listener.
pub(super) struct Queue {
    state: Mutex<State>,
    more: Notify,
    max: usize,
    /// Nothing with a lower number is for this listener.
    from: u64,
}

struct State {
    scope: Scope,
    waiting: VecDeque<Waiting>,
    /// How many changes are in `waiting`.
    changes: usize,
    /// What was dropped since then.
    dropped: Option<Lost>,
    closed: bool,
}

enum Waiting {
    /// Boxed: the others are small, and there are many of them.
    Change(Box<ChangeEvent>),
    /// From a part of a record on, so many.
    Committed {
        committed: Arc<Committed>,
        record: usize,
        part: usize,
        left: usize,
    },
    Dropped(Lost),
}

impl Queue {
    pub(super) fn new(scope: Scope, max: usize, from: u64) -> Self {
        Self {
            state: Mutex::new(State {
                scope,
                waiting: VecDeque::new(),
                changes: 0,
                dropped: None,
                closed: false,
            }),
            more: Notify::new(),
            max,
            from,
        }
    }

    /// Adds what was told, as far as there is room.
    pub(super) fn push(&self, number: u64, told: &Told, at: Timestamp) {
        if number < self.from {
            return;
        }
        let mut state = self.lock();
        if !state.takes(told.namespace()) {
            return;
        }
        let changes = told.changes();
        let taken = changes.min(self.max - state.changes);
        if taken > 0 {
            if let Some(dropped) = state.dropped.take() {
                state.waiting.push_back(Waiting::Dropped(dropped));
            }
            state.changes += taken;
            state.waiting.push_back(match told {
                Told::Change(change) => Waiting::Change(Box::new(change.clone())),
                Told::Committed(committed) => Waiting::Committed {
                    committed: match taken == changes {
                        true => committed.clone(),
                        false => Arc::new(committed.beginning(taken)),
                    },
                    record: 0,
                    part: 0,
                    left: taken,
                },
            });
        }
        if taken < changes {
            let dropped = state.dropped.get_or_insert(Lost::since(at));
            dropped.count += (changes - taken) as u64;
        }
        drop(state);
        self.more.notify_one();
    }

    /// Counts what nobody was told.
    pub(super) fn lose(&self, namespace: &Namespace, lost: Lost) {
        let mut state = self.lock();
        if state.takes(Some(namespace)) {
            state.dropped.get_or_insert(Lost::since(lost.since)).count += lost.count;
            drop(state);
            self.more.notify_one();
        }
    }

    /// Counts what was taken from here last and could not be told.
    pub(super) fn give_up(&self, change: &ChangeEvent, now: Timestamp) {
        let mut lost = Lost {
            since: change.dropped_since.unwrap_or(now),
            count: change.dropped_count.unwrap_or(1),
        };
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let Some(Waiting::Dropped(next)) = state.waiting.front() {
            lost.count += next.count;
            state.waiting.pop_front();
        }
        state.waiting.push_front(Waiting::Dropped(lost));
    }

    /// Asks for more changes.
    pub(super) fn widen(&self, namespace: Namespace, filter: &ChangeFilter) {
        if let Scope::Namespaces(namespaces) = &mut self.lock().scope {
            namespaces.entry(namespace).or_default().add(filter);
        }
    }

    /// The next change that is asked for; `None` once it is closed.
    pub(super) async fn next(&self) -> Option<ChangeEvent> {
        loop {
            if let Some(change) = self.take() {
                return Some(change);
            }
            if self.lock().closed {
                return None;
            }
            self.more().await;
        }
    }

    /// Waits until there may be more.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// The next change that is asked for, if there is one now.
    pub(super) fn take(&self) -> Option<ChangeEvent> {
        let mut state = self.lock();
        loop {
            let change = state.pop()?;
            if state.wants(&change) {
                return Some(change);
            }
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = VecDeque::new();
        state.changes = 0;
        state.dropped = None;
        drop(state);
        self.more.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn takes(&self, namespace: Option<&Namespace>) -> bool {
        !self.closed
            && match &self.scope {
                Scope::All => true,
                Scope::Namespaces(known) => namespace.is_some_and(|it| known.contains_key(it)),
            }
    }

    fn wants(&self, change: &ChangeEvent) -> bool {
        match (&self.scope, &change.namespace) {
            (Scope::Namespaces(known), Some(namespace)) => {
                known.get(namespace).is_some_and(|asked| asked.has(change))
            }
            _ => true,
        }
    }

    fn pop(&mut self) -> Option<ChangeEvent> {
        let dropped = |lost: Lost| ChangeEvent::dropped(lost.since, lost.count);
        let change = match self.waiting.front_mut() {
            None => return self.dropped.take().map(dropped),
            Some(Waiting::Committed {
                committed,
                record,
                part,
                left,
            }) => {
                let parts = committed.records.get(*record)?;
                let change = parts.change(*part, &committed.namespace);
                *part += 1;
                if *part == parts.changes() {
                    (*record, *part) = (*record + 1, 0);
                }
                *left -= 1;
                if *left == 0 {
                    self.waiting.pop_front();
                }
                change
            }
            Some(_) => match self.waiting.pop_front()? {
                Waiting::Change(change) => *change,
                Waiting::Dropped(lost) => return Some(dropped(lost)),
                Waiting::Committed { .. } => return None,
            },
        };
        debug_assert!(change.kind != ChangeKind::Dropped);
        self.changes -= 1;
        Some(change)
    }
}

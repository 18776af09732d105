//! Where do those who change something leave word of it?
//!
//! In one place, at a cost that does not depend on how many listen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::{
    ChangeEvent, ChangeKind, EventType, MessageId, Namespace, Record, Sequence, Timestamp,
};
use tokio::sync::Notify;

/// Most changes that wait to be given to the listeners. The task that does so takes all at once, so this is
/// reached only if it does not run at all.
const INTAKE_MAX: usize = 100_000;

/// Something to tell.
#[derive(Clone)]
pub(super) enum Told {
    /// Records of one namespace.
    Committed(Arc<Committed>),
    /// Anything else.
    Change(ChangeEvent),
}

/// What is told of records: their ids, from which those of all their parts follow.
pub(super) struct Committed {
    pub(super) namespace: Namespace,
    pub(super) records: Vec<Parts>,
    changes: usize,
}

/// The parts of one record.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    message: MessageId,
    /// Whether it is a datatype instead.
    is_datatype: bool,
    last: Sequence,
    events: u32,
    values: u32,
}

/// How much nobody was told.
#[derive(Clone, Copy)]
pub(super) struct Lost {
    pub(super) since: Timestamp,
    pub(super) count: u64,
}

/// All that was left since it was last taken.
#[derive(Default)]
pub(super) struct Taken {
    /// Each with its number and time.
    pub(super) told: Vec<(u64, Told, Timestamp)>,
    /// What came after that and found no room.
    pub(super) lost: BTreeMap<Namespace, Lost>,
}

/// What waits to be given to the listeners.
#[derive(Default)]
pub(super) struct Intake {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    told: VecDeque<(Told, Timestamp)>,
    changes: usize,
    lost: BTreeMap<Namespace, Lost>,
    /// The number of what comes next.
    next: u64,
    closed: bool,
}

impl Intake {
    /// The number of what comes next.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    pub(super) fn put(&self, told: Told, now: Timestamp) {
        let changes = told.changes();
        let mut state = self.lock();
        // What is lost is told last, so everything after it is lost, too, until all is taken.
        if state.lost.is_empty() && state.changes + changes <= INTAKE_MAX {
            state.changes += changes;
            state.next += 1;
            state.told.push_back((told, now));
        } else if let Some(namespace) = told.namespace() {
            let lost = state.lost.entry(namespace.clone());
            lost.or_insert(Lost::since(now)).count += changes as u64;
        }
        drop(state);
        self.more.notify_one();
    }

    /// Waits until there is something, and takes all of it; `None` once it is closed.
    pub(super) async fn take(&self) -> Option<Taken> {
        loop {
            {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                if !state.told.is_empty() || !state.lost.is_empty() {
                    state.changes = 0;
                    let first = state.next - state.told.len() as u64;
                    let told = std::mem::take(&mut state.told);
                    let told = (first..)
                        .zip(told)
                        .map(|(number, (told, at))| (number, told, at));
                    return Some(Taken {
                        told: told.collect(),
                        lost: std::mem::take(&mut state.lost),
                    });
                }
            }
            self.more.notified().await;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lost {
    pub(super) fn since(since: Timestamp) -> Self {
        Self { since, count: 0 }
    }
}

impl Told {
    pub(super) fn namespace(&self) -> Option<&Namespace> {
        match self {
            Told::Committed(committed) => Some(&committed.namespace),
            Told::Change(change) => change.namespace.as_ref(),
        }
    }

    /// How many changes it is.
    pub(super) fn changes(&self) -> usize {
        match self {
            Told::Committed(committed) => committed.changes,
            Told::Change(_) => 1,
        }
    }
}

impl Committed {
    /// Records of one namespace; nothing if there are none.
    pub(super) fn of(records: &[(Sequence, Arc<Record>)]) -> Option<Self> {
        let (_, first) = records.first()?;
        let parts = records.iter().map(|(_, record)| Parts {
            message: record.content.id,
            is_datatype: record.content.kind == EventType::DatatypeConfirmed,
            last: record.last,
            events: record.content.events_len() as u32,
            values: record.content.values_len() as u32,
        });
        Some(Self::new(first.content.namespace.clone(), parts.collect()))
    }

    fn new(namespace: Namespace, records: Vec<Parts>) -> Self {
        let changes = records.iter().map(Parts::changes).sum();
        Self {
            namespace,
            records,
            changes,
        }
    }

    /// Only the records in which the first so many changes are, so that who has room for few keeps few.
    pub(super) fn beginning(&self, mut changes: usize) -> Self {
        let fits = |parts: &&Parts| {
            let fits = changes > 0;
            changes = changes.saturating_sub(parts.changes());
            fits
        };
        let records = self.records.iter().take_while(fits).copied().collect();
        Self::new(self.namespace.clone(), records)
    }
}

impl Parts {
    /// How many changes it is: each of its values, the message, and each of its events.
    pub(super) fn changes(&self) -> usize {
        (self.values + 1 + self.events) as usize
    }

    /// One of them. First what the message needs, then the message, then what results.
    pub(super) fn change(&self, index: usize, namespace: &Namespace) -> ChangeEvent {
        let created =
            |collection| ChangeEvent::new(collection, ChangeKind::Created, namespace.clone());
        let values = self.values as usize;
        if index < values {
            return created("data").with_id(self.message.value(index).0);
        }
        if index == values && self.is_datatype {
            return created("datatypes").with_id(self.message.0);
        }
        if index == values {
            return created("messages")
                .with_id(self.message.0)
                .with_sequence(self.last);
        }
        let event = index - values - 1;
        let first = self.last.0 + 1 - i64::from(self.events);
        created("events")
            .with_id(self.message.event(event).0)
            .with_sequence(Sequence(first + event as i64))
    }
}

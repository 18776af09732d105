//! Where does a dispatcher get its events from?
//!
//! From the tail if it keeps up, else from shared pages of the store.

use std::sync::Arc;

use photinus_contract::store::StoreError;
use photinus_contract::{Data, Event, Sequence, SubscriptionId};
use photinus_dispatch::{Filter, Input, Room};
use tracing::warn;

use super::{Mail, Shard};
use crate::namespaces::NamespaceState;
use crate::tail::{Look, Piece};
use crate::values;

/// How many records of the tail are looked at together.
const TAIL_RECORDS_MAX: usize = 512;

/// An event on its way to the application.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) event: Event,
    /// Its values, if the subscription asks for them.
    pub(crate) data: Option<Arc<[Data]>>,
}

/// Matching events, and how far was looked.
pub(crate) struct Fed {
    events: Vec<(Sequence, usize, Payload)>,
    through: Sequence,
    looked_at: usize,
}

/// What came of trying to feed a dispatcher.
pub(super) enum Meal {
    /// It got something, or at least further; so many events were looked at.
    Some(usize),
    /// It cannot take more for now.
    Full,
    /// There is nothing more in the log.
    UpToDate,
    /// A page is being read for it, or values are.
    Waiting,
}

impl Shard {
    pub(super) fn feed(&mut self, id: SubscriptionId) -> Meal {
        let now = self.now();
        let Some(active) = self.active.get_mut(&id) else {
            return Meal::Full;
        };
        let start = active.start;
        let spec = active.spec.clone();
        let Some(running) = active.running() else {
            return Meal::Full;
        };
        if running.loading {
            return Meal::Waiting;
        }
        let Some(room) = running.dispatcher.room() else {
            return Meal::Full;
        };
        let piece = match self.piece(&spec.namespace, room.after) {
            Ok(piece) => piece,
            Err(meal) => return meal,
        };
        let fed = matching(
            &piece,
            room,
            &spec.filter,
            self.core.config.window_bytes_max.get(),
        );
        if fed.through <= room.after {
            return Meal::Full;
        }
        let looked_at = fed.looked_at;
        let wants_data = spec.subscription.options.with_data == Some(true);
        let Some(running) = self.running(id) else {
            return Meal::Full;
        };
        if wants_data && !fed.events.is_empty() {
            running.loading = true;
            self.load(id, start, fed);
            return Meal::Waiting;
        }
        running.dispatcher.handle(
            now,
            Input::Events {
                events: fed.events,
                through: fed.through,
            },
        );
        Meal::Some(looked_at)
    }

    /// A piece of the log that goes on after `after`.
    fn piece(&mut self, namespace: &Arc<NamespaceState>, after: Sequence) -> Result<Piece, Meal> {
        let name = &namespace.info.name;
        if let Some(piece) = self.pieces.get(name)
            && piece.after <= after
            && after < piece.through
        {
            return Ok(piece.clone());
        }
        match namespace.tail.look(after, TAIL_RECORDS_MAX) {
            Look::Piece(piece) => {
                self.pieces.insert(name.clone(), piece.clone());
                Ok(piece)
            }
            Look::UpToDate => Err(Meal::UpToDate),
            Look::Behind => {
                let head = namespace.tail.head();
                self.core
                    .pages
                    .get(name, after, head, &self.handle)
                    .ok_or(Meal::Waiting)
            }
        }
    }

    /// Loads the values of events before they are fed.
    fn load(&self, id: SubscriptionId, start: u64, mut fed: Fed) {
        let store = self.core.store.clone();
        let handle = self.handle.clone();
        self.core.tasks.spawn(async move {
            let mut failed: Option<StoreError> = None;
            for (_, bytes, payload) in &mut fed.events {
                match values::of_message(&*store, payload.event.record()).await {
                    Ok(data) => {
                        *bytes += data
                            .iter()
                            .map(|data| data.value.get().len())
                            .sum::<usize>();
                        payload.data = Some(data.into());
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let fed = failed.map_or(Ok(fed), Err);
            if fed.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
            handle.post(Mail::Loaded {
                subscription: id,
                start,
                fed,
            });
        });
    }

    pub(super) fn loaded(&mut self, id: SubscriptionId, start: u64, fed: Result<Fed, StoreError>) {
        if !self.is_current(id, start) {
            return;
        }
        if let Some(running) = self.running(id) {
            running.loading = false;
        }
        match fed {
            Ok(fed) => self.tell(
                id,
                Input::Events {
                    events: fed.events,
                    through: fed.through,
                },
            ),
            Err(error) => {
                warn!(subscription = %id, %error, "cannot read values; trying again");
                self.wake(id);
            }
        }
    }
}

/// The events of a piece that match, as far as there is room.
fn matching(piece: &Piece, room: Room, filter: &Filter, window_bytes_max: usize) -> Fed {
    let mut fed = Fed {
        events: Vec::new(),
        through: room.after,
        looked_at: 0,
    };
    let mut bytes = 0;
    let start = piece
        .records
        .partition_point(|record| record.last <= room.after);
    for record in &piece.records[start..] {
        for event in Event::all(record) {
            let sequence = event.sequence();
            if sequence <= room.after {
                continue;
            }
            fed.looked_at += 1;
            if filter.matches(&event) {
                let size = event.size();
                let is_first_of_all = fed.events.is_empty() && room.bytes == window_bytes_max;
                let fits = is_first_of_all || bytes + size <= room.bytes;
                if fed.events.len() == room.events || !fits {
                    return fed;
                }
                bytes += size;
                fed.events
                    .push((sequence, size, Payload { event, data: None }));
            }
            fed.through = sequence;
        }
    }
    fed.through = piece.through.max(fed.through);
    fed
}

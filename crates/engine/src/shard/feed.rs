//! Where does a dispatcher get its events from?
//!
//! From the tail if it keeps up, else from shared pages of the store.

use std::sync::Arc;

use photinus_contract::store::{Store, StoreError};
use photinus_contract::{Data, Event, Namespace, Sequence, SubscriptionId};
use photinus_dispatch::{Filter, Input, Room};
use tracing::{debug, warn};

use super::{Mail, Shard};
use crate::namespaces::NamespaceState;
use crate::tail::{Look, Piece};
use crate::values;

/// How long a failed read of values waits before it is tried again.
const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);
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
    /// The page that goes on here is being read.
    Waiting(Namespace, Sequence),
    /// Values are being read for it.
    Loading,
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
            return Meal::Loading;
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
            self.does_not_fit(id);
            return Meal::Full;
        }
        let looked_at = fed.looked_at;
        self.note_fed(looked_at, fed.events.len());
        let wants_data = spec.subscription.options.with_data == Some(true);
        let Some(running) = self.running(id) else {
            return Meal::Full;
        };
        if wants_data && !fed.events.is_empty() {
            running.loading = true;
            self.load(id, start, fed, room);
            return Meal::Loading;
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
            self.core.metrics.fed_by_tail.one();
            return Ok(piece.clone());
        }
        match namespace.tail.look(after, TAIL_RECORDS_MAX) {
            Look::Piece(piece) => {
                self.pieces.insert(name.clone(), piece.clone());
                self.core.metrics.fed_by_tail.one();
                Ok(piece)
            }
            Look::UpToDate => Err(Meal::UpToDate),
            Look::Behind if self.core.is_stopping() => Err(Meal::UpToDate),
            Look::Behind => {
                let head = namespace.tail.head();
                let page = self.core.pages.get(name, after, head, &self.handle);
                page.inspect(|_| self.core.metrics.fed_by_pages.one())
                    .ok_or_else(|| Meal::Waiting(name.clone(), after))
            }
        }
    }

    fn does_not_fit(&mut self, id: SubscriptionId) {
        let now = self.now();
        if let Some(running) = self.running(id) {
            running.dispatcher.handle(now, Input::Full);
        }
    }

    /// Loads the values of events before they are fed, as far as there is room for them.
    fn load(&self, id: SubscriptionId, start: u64, fed: Fed, room: Room) {
        let store = self.core.store.clone();
        let handle = self.handle.clone();
        let is_window_empty = room.bytes == self.core.config.window_bytes_max.get();
        self.core.tasks.spawn(async move {
            let fed = with_values(&*store, fed, room, is_window_empty).await;
            if fed.is_err() {
                tokio::time::sleep(RETRY_DELAY).await;
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
            Ok(fed) if fed.events.is_empty() => {
                self.does_not_fit(id);
                self.wake(id);
            }
            Ok(fed) => self.tell(
                id,
                Input::Events {
                    events: fed.events,
                    through: fed.through,
                },
            ),
            Err(error) if self.core.is_stopping() => {
                debug!(subscription = %id, %error, "values are not read any more");
            }
            Err(error) => {
                warn!(subscription = %id, %error, "cannot read values; trying again");
                self.wake(id);
            }
        }
    }
}

/// Reads the values of matching events. Ends at the first event that does not fit any more; what was passed on
/// the way there without a match is passed, too.
async fn with_values(
    store: &dyn Store,
    fed: Fed,
    room: Room,
    is_window_empty: bool,
) -> Result<Fed, StoreError> {
    let mut events = Vec::with_capacity(fed.events.len());
    let mut bytes = 0;
    for (sequence, size, mut payload) in fed.events {
        let data = values::of_message(store, payload.event.record()).await?;
        let size = size
            + data
                .iter()
                .map(|data| data.value.get().len())
                .sum::<usize>();
        let is_first_of_all = events.is_empty() && is_window_empty;
        if !is_first_of_all && bytes + size > room.bytes {
            return Ok(Fed {
                events,
                through: sequence.previous(),
                looked_at: fed.looked_at,
            });
        }
        bytes += size;
        payload.data = Some(data.into());
        events.push((sequence, size, payload));
    }
    Ok(Fed { events, ..fed })
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

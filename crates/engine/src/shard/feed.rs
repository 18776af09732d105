//! Where does a dispatcher get its events from?
//!
//! From the tail if it keeps up, else from shared pages of the store.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use photinus_contract::store::{Store, StoreError};
use photinus_contract::{Data, Event, Namespace, Sequence, SubscriptionId, SubscriptionOptions};
use photinus_dispatch::{Arrived, Filter, Input, Room};
use tracing::{debug, warn};

use super::mail::ValuesWanted;
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
    /// Of a replay, the seek generation in which it was parked.
    pub(crate) parked_in: Option<u64>,
}

impl Payload {
    pub(super) fn new(event: Event) -> Self {
        Self {
            event,
            data: None,
            parked_in: None,
        }
    }
}

/// Matching events, and how far was looked.
pub(crate) struct Fed {
    pub(super) events: Vec<Arrived<Payload>>,
    pub(super) through: Sequence,
}

/// What one dispatcher gets of a piece: events that match, as long as there is room.
pub(super) struct Portion {
    room: Room,
    window_bytes_max: usize,
    events: Vec<Arrived<Payload>>,
    bytes: usize,
    /// The first event for which there was no room.
    first_left: Option<Sequence>,
}

impl Portion {
    pub(super) fn new(room: Room, window_bytes_max: usize) -> Self {
        Self {
            room,
            window_bytes_max,
            events: Vec::new(),
            bytes: 0,
            first_left: None,
        }
    }

    /// Takes the next event that matches, of this size, if there is room. What does not fit ends it.
    pub(super) fn offer(&mut self, event: &Event, size: usize) -> bool {
        if self.first_left.is_some() {
            return false;
        }
        let sequence = event.sequence();
        let is_first_of_all = self.events.is_empty() && self.room.bytes == self.window_bytes_max;
        let fits = is_first_of_all || self.bytes + size <= self.room.bytes;
        if self.events.len() == self.room.events || !fits {
            self.first_left = Some(sequence);
            return false;
        }
        self.bytes += size;
        let payload = Payload::new(event.clone());
        self.events.push(Arrived::new(sequence, size, payload));
        true
    }

    /// What there was room for.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Whether there was room for all.
    pub(super) fn has_all(&self) -> bool {
        self.first_left.is_none()
    }

    /// The piece ends at `through`; without room for all, the portion ends before what was left.
    pub(super) fn end(self, through: Sequence) -> Fed {
        Fed {
            events: self.events,
            through: self.first_left.map_or(through, Sequence::previous),
        }
    }
}

/// What came of trying to feed a dispatcher.
pub(super) enum Meal {
    /// It got something, or at least further; so many events were looked at.
    Some(usize),
    /// It cannot take more for now.
    Full,
    /// There is nothing more in the log, or the pass will find it.
    UpToDate,
    /// The page that goes on here is being read.
    Waiting(Namespace, Sequence),
    /// Values are being read for it.
    Loading,
}

impl Shard {
    pub(super) fn feed(&mut self, id: SubscriptionId) -> Meal {
        let now = self.now();
        let window_bytes_max = self.core.config.window_bytes_max.get();
        let Some((spec, Some(running))) = self.active.get_mut(&id).map(|active| active.parts())
        else {
            return Meal::Full;
        };
        if running.loading {
            return Meal::Loading;
        }
        let page = running.page.take();
        let (read_to, room) = (running.dispatcher.read_to(), running.dispatcher.room());
        let namespace = spec.namespace.clone();
        if self.is_passed(&namespace.info.name, read_to) {
            self.is_in(id, None);
            return Meal::UpToDate;
        }
        let Some(room) = room else {
            return Meal::Full;
        };
        let found = self.page_or_piece(page.map(|page| *page), &namespace, room.after);
        if !matches!(found, Err(Meal::Waiting(..))) {
            self.is_in(id, found.as_ref().ok());
        }
        let piece = match found {
            Ok(piece) => piece,
            Err(meal) => return meal,
        };
        let Some(active) = self.active.get_mut(&id) else {
            return Meal::Full;
        };
        let portion = Portion::new(room, window_bytes_max);
        let (fed, looked_at) = matching(&piece, portion, &active.spec.filter);
        let matched = fed.events.len();
        let (start, wants_data) = (active.start, active.wants_data());
        let (spec, Some(running)) = active.parts() else {
            return Meal::Full;
        };
        if fed.through <= room.after {
            running.dispatcher.handle(now, Input::Full);
            return Meal::Full;
        }
        if wants_data && matched > 0 {
            running.loading = true;
            let wanted = spec.values_wanted();
            self.load(id, start, fed, room, wanted);
            self.note_fed(looked_at, matched);
            return Meal::Loading;
        }
        let Fed {
            mut events,
            through,
        } = fed;
        give_keys(&mut events, &spec.subscription.options);
        let input = Input::Events { events, through };
        running.dispatcher.handle(now, input);
        self.note_fed(looked_at, matched);
        Meal::Some(looked_at)
    }

    /// Keeps the mark of the page that the subscription is in, if it is in one.
    fn is_in(&mut self, id: SubscriptionId, piece: Option<&Piece>) {
        if let Some(running) = self.running(id) {
            running.mark = piece.and_then(|piece| piece.mark.clone());
        }
    }

    /// The page that was waited for, if it goes on after `after`, or a piece that does.
    pub(super) fn page_or_piece(
        &mut self,
        page: Option<Piece>,
        namespace: &Arc<NamespaceState>,
        after: Sequence,
    ) -> Result<Piece, Meal> {
        let Some(page) = page.filter(|page| page.goes_on(after)) else {
            return self.piece(namespace, after);
        };
        self.core.metrics.fed_by_pages.one();
        Ok(page)
    }

    /// A piece of the log that goes on after `after`.
    fn piece(&mut self, namespace: &Arc<NamespaceState>, after: Sequence) -> Result<Piece, Meal> {
        let name = &namespace.info.name;
        if let Some(piece) = self.pieces.get(name)
            && piece.goes_on(after)
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
            // What another engine appended, and a page showed to the pass, can be behind the head.
            Look::UpToDate if !self.is_missed(name, after) => Err(Meal::UpToDate),
            _ if self.core.is_stopping() => Err(Meal::UpToDate),
            Look::UpToDate | Look::Behind => {
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
    pub(super) fn load(
        &self,
        id: SubscriptionId,
        start: u64,
        fed: Fed,
        room: Room,
        wanted: ValuesWanted,
    ) {
        let store = self.core.store.clone();
        let handle = self.handle.clone();
        let is_window_empty = room.bytes == self.core.config.window_bytes_max.get();
        self.core.tasks.spawn(async move {
            let fed = with_values(&*store, fed, room, is_window_empty, &wanted).await;
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
    wanted: &ValuesWanted,
) -> Result<Fed, StoreError> {
    let mut events = Vec::with_capacity(fed.events.len());
    let mut bytes = 0;
    for mut arrived in fed.events {
        let sequence = arrived.sequence;
        load_values(store, &mut arrived, wanted).await?;
        let size = arrived.bytes;
        let is_first_of_all = events.is_empty() && is_window_empty;
        if !is_first_of_all && bytes + size > room.bytes {
            return Ok(Fed {
                events,
                through: sequence.previous(),
            });
        }
        bytes += size;
        events.push(arrived);
    }
    Ok(Fed { events, ..fed })
}

/// Loads the values of an event, finds its key among them, and keeps them if they are delivered.
pub(super) async fn load_values(
    store: &dyn Store,
    arrived: &mut Arrived<Payload>,
    wanted: &ValuesWanted,
) -> Result<(), StoreError> {
    let data = values::of_message(store, arrived.event.event.record()).await?;
    arrived.event.data = Some(data.into());
    give_keys(std::slice::from_mut(arrived), &wanted.options);
    if !wanted.are_delivered {
        arrived.event.data = None;
    }
    let data = arrived.event.data.iter().flat_map(|data| data.iter());
    arrived.bytes += data.map(|data| data.value.get().len()).sum::<usize>();
    Ok(())
}

/// Gives events numbers for their ordering keys, if they are ordered by one. Keys are as different as their numbers
/// nearly always are; two that are not merely wait for each other.
pub(super) fn give_keys(events: &mut [Arrived<Payload>], options: &SubscriptionOptions) {
    // It was checked when the subscription was made.
    let Ok(Some(order)) = options.ordering_key() else {
        return;
    };
    for arrived in events {
        let payload = &arrived.event;
        let data = payload.data.as_deref().unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        order.of(&payload.event, data).hash(&mut hasher);
        arrived.key = hasher.finish();
    }
}

/// The events of a piece that match, as far as there is room, and how many were looked at.
fn matching(piece: &Piece, mut portion: Portion, filter: &Filter) -> (Fed, usize) {
    let after = portion.room.after;
    let mut looked_at = 0;
    for event in piece.events_after(after) {
        looked_at += 1;
        if filter.matches(&event) {
            portion.offer(&event, event.size());
            if !portion.has_all() {
                return (portion.end(piece.through), looked_at);
            }
        }
    }
    (portion.end(piece.through.max(after)), looked_at)
}

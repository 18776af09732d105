//! Who waits for the reply to a message, and who tells them?
//!
//! One listener for each namespace in which somebody waits, started before the message is published and ended
//! when nobody waits any more, and a place for each who waits, found by the correlator of the reply:
//!
//! ```text
//!   expect(request) ─▶ place ◀── correlator ── task ◀── Listener ◀── the namespace's events
//!        │               │
//!        ▼               ▼
//!   dropped: freed    Awaited::reply
//! ```

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use photinus_contract::{
    CodedError, EventType, MessageId, Namespace, Record, SubscriptionFilter, SubscriptionOptions,
};
use photinus_transport_system::{Listener, Listeners};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// How many events the listener of a namespace has in flight.
const READ_AHEAD: u16 = 255;
/// How many events are looked at together.
const BATCH: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// All who wait. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Waiter {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

struct Shared {
    listeners: Listeners,
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rooms: BTreeMap<Namespace, Room>,
    waiting: usize,
    rooms_opened: u64,
}

/// A namespace in which somebody waits.
struct Room {
    /// Tells it from earlier ones of the same namespace.
    number: u64,
    /// By the id of the request.
    places: HashMap<Uuid, oneshot::Sender<Arc<Record>>>,
    /// Goes with the room, and ends its listener.
    _open: oneshot::Sender<()>,
}

impl Waiter {
    pub(crate) fn new(listeners: Listeners, waiting_max: usize) -> Self {
        let shared = Arc::new(Shared {
            listeners,
            waiting_max,
            state: Mutex::default(),
        });
        Self {
            shared,
            tasks: TaskTracker::new(),
        }
    }

    /// Waits from now on for the first message that answers this one. `PH00433` if too many wait already.
    pub(crate) fn expect(
        &self,
        namespace: &Namespace,
        request: MessageId,
    ) -> Result<Awaited, CodedError> {
        let mut state = self.shared.lock();
        if state.waiting >= self.shared.waiting_max {
            let text = format!(
                "{} requests wait for a reply already ([api] replies_awaited_max)",
                state.waiting
            );
            return Err(CodedError::new("PH00433", 503, text));
        }
        let State {
            rooms,
            waiting,
            rooms_opened,
        } = &mut *state;
        let room = match rooms.entry(namespace.clone()) {
            Entry::Occupied(room) => room.into_mut(),
            Entry::Vacant(place) => {
                *rooms_opened += 1;
                place.insert(self.open(namespace, *rooms_opened)?)
            }
        };
        let (place, reply) = oneshot::channel();
        room.places.insert(request.0, place);
        *waiting += 1;
        Ok(Awaited {
            shared: self.shared.clone(),
            namespace: namespace.clone(),
            room: room.number,
            request,
            reply,
        })
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.lock().waiting
    }

    fn open(&self, namespace: &Namespace, number: u64) -> Result<Room, CodedError> {
        let mut filter = SubscriptionFilter::default();
        filter.events = format!("^{}$", EventType::MessageConfirmed.as_str()).into();
        let mut options = SubscriptionOptions::default();
        options.read_ahead = Some(READ_AHEAD);
        let listeners = &self.shared.listeners;
        let listener = listeners.listen(namespace.as_str(), filter, options)?;
        let (_open, ended) = oneshot::channel();
        let shared = self.shared.clone();
        let task = listen(shared, namespace.clone(), number, listener, ended);
        self.tasks.spawn(task);
        Ok(Room {
            number,
            places: HashMap::new(),
            _open,
        })
    }
}

/// Tells those who wait in a room, until nobody does.
async fn listen(
    shared: Arc<Shared>,
    namespace: Namespace,
    room: u64,
    mut listener: Listener,
    mut ended: oneshot::Receiver<()>,
) {
    loop {
        let heard = tokio::select! {
            biased;
            _ = &mut ended => return,
            heard = listener.next_batch(BATCH) => heard,
        };
        if heard.is_empty() {
            return shared.close(&namespace, room);
        }
        for heard in &heard {
            let event = heard.event();
            if let Some(request) = event.correlator()
                && let Some(place) = shared.take(&namespace, room, request)
            {
                // Who waited may just have gone.
                let _ = place.send(event.record().clone());
            }
        }
    }
}

impl Shared {
    /// Takes a place, and closes the room with its last one.
    fn take(
        &self,
        namespace: &Namespace,
        number: u64,
        request: Uuid,
    ) -> Option<oneshot::Sender<Arc<Record>>> {
        let mut state = self.lock();
        let room = state.rooms.get_mut(namespace)?;
        if room.number != number {
            return None;
        }
        let place = room.places.remove(&request)?;
        if room.places.is_empty() {
            state.rooms.remove(namespace);
        }
        state.waiting -= 1;
        Some(place)
    }

    /// Nothing more is heard: whoever waits is told by the end of his place.
    fn close(&self, namespace: &Namespace, number: u64) {
        let mut state = self.lock();
        if let Some(room) = state.rooms.remove(namespace) {
            if room.number == number {
                state.waiting -= room.places.len();
            } else {
                state.rooms.insert(namespace.clone(), room);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is changed in one step, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one who waits. It is free when this is dropped.
pub(crate) struct Awaited {
    shared: Arc<Shared>,
    namespace: Namespace,
    room: u64,
    request: MessageId,
    reply: oneshot::Receiver<Arc<Record>>,
}

impl Awaited {
    /// The first reply. `PH00503` when the server stops.
    pub(crate) async fn reply(mut self) -> Result<Arc<Record>, CodedError> {
        let reply = (&mut self.reply).await;
        reply.map_err(|_| {
            CodedError::unavailable(format!(
                "The server is stopping; the request with id '{}' is published and may be answered later",
                self.request
            ))
        })
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.shared.take(&self.namespace, self.room, self.request.0);
    }
}

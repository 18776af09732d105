//! How does a subscription become active, and stop being so?

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use photinus_contract::store::{OffsetRecord, Store, StoreError};
use photinus_contract::{ConnectionId, Sequence, SubscriptionId};
use photinus_dispatch::{Dispatcher, DispatcherConfig, Input, Instant, Place};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::feed::Payload;
use super::observe::Handed;
use super::{Mail, Origin, Shard, Spec};
use crate::tail::Piece;

/// How long a failed claim waits before it is tried again.
const CLAIM_RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

/// How many parked entries are read together.
const PARKED_AT_ONCE: usize = 1_000;

/// The epoch of a subscription that is not stored: it has one owner for its life.
const EPHEMERAL_EPOCH: u64 = 1;

/// A subscription that at least one connection wants.
pub(super) struct Active {
    pub(super) spec: Spec,
    /// Tells this activation from earlier ones, for answers that come late.
    pub(super) start: u64,
    pub(super) phase: Phase,
}

pub(super) enum Phase {
    /// Its position is being claimed.
    Starting {
        /// Connections, and whether they are up.
        connections: Vec<(ConnectionId, bool)>,
        /// Parked events were marked meanwhile; what was read of them may be without these.
        replays_marked: bool,
    },
    /// It delivers.
    Running(Box<Running>),
}

pub(super) struct Running {
    pub(super) dispatcher: Dispatcher<Payload>,
    pub(super) epoch: u64,
    pub(super) generation: u64,
    /// It stands in the queue of those that can run.
    pub(super) queued: bool,
    /// Values of its next events are being loaded.
    pub(super) loading: bool,
    /// The page that it has waited for. It need not be among the kept ones any more: where those do not all fit, each
    /// would otherwise put out the others before they are looked at, for ever.
    pub(super) page: Option<Box<Piece>>,
    /// The mark of the page that it is in.
    pub(super) mark: Option<Arc<()>>,
    /// It has read everything, and the pass over the log finds what is next for it.
    pub(super) live: bool,
    /// Where it stands in the matcher of the pass. One that is not live any more stands there until it is found.
    pub(super) place: Option<Place>,
    pub(super) timer: Option<Instant>,
    /// Its replies that are being published, if it had any.
    pub(super) replies: Option<TaskTracker>,
    /// The offset that was written last.
    pub(super) saved: Sequence,
    /// When deliveries were handed over that are in flight, by number.
    pub(super) handed: Handed,
    /// What went wrong last, for people.
    pub(super) trouble: Option<Box<str>>,
}

impl Active {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match &mut self.phase {
            Phase::Running(running) => Some(running),
            Phase::Starting { .. } => None,
        }
    }

    /// What is known of it, and what runs.
    pub(super) fn parts(&mut self) -> (&Spec, Option<&mut Running>) {
        let running = match &mut self.phase {
            Phase::Running(running) => Some(&mut **running),
            Phase::Starting { .. } => None,
        };
        (&self.spec, running)
    }

    /// Whether values have to be there before its events are fed: they are delivered, or the ordering key is in them.
    pub(super) fn wants_data(&self) -> bool {
        let options = &self.spec.subscription.options;
        let order = options.ordering_key().ok().flatten();
        self.spec.needs_data() || order.is_some_and(|order| order.needs_data())
    }

    pub(super) fn is_stored(&self) -> bool {
        !self.spec.subscription.ephemeral
    }
}

impl Shard {
    pub(super) fn attach(
        &mut self,
        spec: Spec,
        origin: Origin,
        connection: ConnectionId,
        up: bool,
    ) {
        let id = spec.subscription.id;
        match self.active.get_mut(&id).map(|active| &mut active.phase) {
            Some(Phase::Running(_)) => {
                self.tell(id, Input::Connect(connection.clone()));
                if !up {
                    self.tell(id, Input::Down(connection));
                }
            }
            Some(Phase::Starting { connections, .. }) => {
                if connections.iter().all(|(other, _)| *other != connection) {
                    connections.push((connection, up));
                }
            }
            None => {
                self.starts += 1;
                let start = self.starts;
                let phase = Phase::Starting {
                    connections: vec![(connection, up)],
                    replays_marked: false,
                };
                let active = Active { spec, start, phase };
                self.active.insert(id, Box::new(active));
                match origin {
                    Origin::Stored => {
                        self.stored.insert(id);
                        self.claim(id, start);
                    }
                    Origin::Memory { offset } => {
                        let record = OffsetRecord::new(offset, EPHEMERAL_EPOCH, 0);
                        self.begin(id, &Claimed::new(record));
                    }
                }
            }
        }
    }

    pub(super) fn detach(&mut self, id: SubscriptionId, connection: &ConnectionId, closed: bool) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let idle = match &mut active.phase {
            Phase::Starting { connections, .. } => {
                connections.retain(|(other, _)| other != connection);
                connections.is_empty()
            }
            Phase::Running(_) => {
                let connection = connection.clone();
                self.tell(
                    id,
                    match closed {
                        true => Input::Disconnect(connection),
                        false => Input::Detach(connection),
                    },
                );
                self.running(id)
                    .is_some_and(|running| running.dispatcher.is_idle())
            }
        };
        if idle {
            debug!(subscription = %id, "no connection wants it any more");
            self.stop(id);
        }
    }

    /// Asks the store for the position of a subscription, and to be its only owner.
    fn claim(&self, id: SubscriptionId, start: u64) {
        // The claim is on its way before anything else is asked of the store.
        let claim = self.core.store.claim(id);
        let store = self.core.store.clone();
        let handle = self.handle.clone();
        self.core.tasks.spawn(async move {
            let claim = match claim.await {
                Ok(Some(record)) => Claimed::with_parked(&*store, id, record).await.map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            };
            if claim.is_err() {
                tokio::time::sleep(CLAIM_RETRY_DELAY).await;
            }
            handle.post(Mail::Claimed {
                subscription: id,
                start,
                claim,
            });
        });
    }

    pub(super) fn claimed(
        &mut self,
        id: SubscriptionId,
        start: u64,
        claim: Result<Option<Claimed>, StoreError>,
    ) {
        if !self.is_current(id, start) {
            return;
        }
        match claim {
            Ok(Some(claimed)) => self.begin(id, &claimed),
            Ok(None) => {
                warn!(subscription = %id, "the store does not know it");
                self.remove(id);
            }
            Err(error) if self.core.is_stopping() => {
                debug!(subscription = %id, %error, "it is not claimed any more");
                self.remove(id);
            }
            Err(error) => {
                warn!(subscription = %id, %error, "cannot claim it; trying again");
                self.core.health.doubt(&error);
                self.claim(id, start);
            }
        }
    }

    /// The position is known: the dispatcher starts.
    fn begin(&mut self, id: SubscriptionId, claimed: &Claimed) {
        let record = &claimed.record;
        let (now, pause) = (self.now(), self.pause_input(id));
        let window_bytes_max = self.core.config.window_bytes_max.get();
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let Phase::Starting {
            connections,
            replays_marked,
        } = &mut active.phase
        else {
            return;
        };
        let has_replays = claimed.has_replays || *replays_marked;
        let connections = std::mem::take(connections);
        let config = shared(
            &mut self.dispatcher_config,
            dispatcher_config(&active.spec, window_bytes_max),
        );
        let mut dispatcher = Dispatcher::new(config, record).spread_by(seed(id));
        if let Some(through) = claimed.parked_through {
            dispatcher = dispatcher.parked_through(through);
        }
        if has_replays {
            dispatcher.handle(now, Input::ReplaysMarked);
        }
        for (connection, up) in connections {
            dispatcher.handle(now, Input::Connect(connection.clone()));
            if !up {
                dispatcher.handle(now, Input::Down(connection));
            }
        }
        if let Some(input) = pause {
            dispatcher.handle(now, input);
        }
        active.phase = Phase::Running(Box::new(Running {
            dispatcher,
            epoch: record.epoch,
            generation: record.generation,
            queued: false,
            loading: false,
            page: None,
            mark: None,
            live: false,
            place: None,
            timer: None,
            replies: None,
            saved: record.offset,
            handed: Handed::default(),
            trouble: None,
        }));
        debug!(subscription = %id, offset = %record.offset, epoch = record.epoch, "it is active");
        self.wake(id);
    }
}

/// A position, and what is known of the parked events of its subscription.
pub(crate) struct Claimed {
    record: OffsetRecord,
    /// Up to here there are events above the offset that were parked before a seek, and are delivered again.
    parked_through: Option<Sequence>,
    /// Some are marked for a replay.
    has_replays: bool,
}

impl Claimed {
    fn new(record: OffsetRecord) -> Self {
        Self {
            record,
            parked_through: None,
            has_replays: false,
        }
    }

    /// A parked entry above the offset settles its event, also if the position was not written since. (Entries from
    /// before a seek do not: a seek back delivers them again.)
    async fn with_parked(
        store: &dyn Store,
        id: SubscriptionId,
        record: OffsetRecord,
    ) -> Result<Self, StoreError> {
        let mut claimed = Self::new(record);
        let mut all_settled = Vec::new();
        let mut after = claimed.record.offset;
        loop {
            let parked = store.parked(id, after, PARKED_AT_ONCE).await?;
            let generation = claimed.record.generation;
            let (settled, before): (Vec<_>, Vec<_>) = parked
                .iter()
                .partition(|entry| entry.generation == generation);
            all_settled.extend(settled.iter().map(|entry| entry.sequence));
            if let Some(last) = before.last() {
                claimed.parked_through = Some(last.sequence);
            }
            match parked.last() {
                Some(last) if parked.len() == PARKED_AT_ONCE => after = last.sequence,
                _ => break,
            }
        }
        // What was discarded since the claim has no entry any more; the position says that it is settled.
        let now = store.offset(id).await?;
        if let Some(now) = now.filter(|now| now.epoch == claimed.record.epoch) {
            claimed.record = now;
        }
        claimed.record.settle(all_settled);
        claimed.has_replays = !store.replays(id, Sequence::OLDEST, 1).await?.is_empty();
        Ok(claimed)
    }
}

fn dispatcher_config(spec: &Spec, window_bytes_max: usize) -> DispatcherConfig {
    let options = &spec.subscription.options;
    // Options were checked when the subscription was made; what cannot be read means nothing.
    let batch_timeout = options.batch_timeout().ok().flatten().unwrap_or_default();
    DispatcherConfig {
        read_ahead: options.read_ahead_or_default(),
        batch_timeout: options.is_batch().then_some(batch_timeout),
        ack_timeout: options.ack_timeout().ok().flatten(),
        window_bytes_max,
        policy: spec.transport.retry_policy(options),
        keyed: !options.is_batch() && options.ordering_key().is_ok_and(|order| order.is_some()),
    }
}

/// Most subscriptions behave as the one that was begun before: they share that one's configuration.
fn shared(
    newest: &mut Option<Arc<DispatcherConfig>>,
    config: DispatcherConfig,
) -> Arc<DispatcherConfig> {
    match newest {
        Some(known) if **known == config => known.clone(),
        _ => newest.insert(Arc::new(config)).clone(),
    }
}

fn seed(id: SubscriptionId) -> u64 {
    let mut seed = DefaultHasher::new();
    id.hash(&mut seed);
    seed.finish()
}

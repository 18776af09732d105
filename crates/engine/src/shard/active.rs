//! How does a subscription become active, and stop being so?

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use photinus_contract::store::{OffsetRecord, ParkedEntry, Store, StoreError};
use photinus_contract::{ConnectionId, Sequence, SubscriptionId};
use photinus_dispatch::{
    Dispatcher, DispatcherConfig, Input, Instant, Place, RetrySchedule, SETTLED_SPAN_MAX,
};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::feed::Payload;
use super::observe::Handed;
use super::{Mail, Origin, Shard, Spec};
use crate::tail::Piece;

/// How long a failed claim waits before it is tried again.
const CLAIM_RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

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
    /// Its position is being claimed. Connections, and whether they are up.
    Starting {
        connections: Vec<(ConnectionId, bool)>,
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

    /// Whether its deliveries carry values.
    pub(super) fn wants_data(&self) -> bool {
        self.spec.subscription.options.with_data == Some(true)
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
            Some(Phase::Starting { connections }) => {
                if connections.iter().all(|(other, _)| *other != connection) {
                    connections.push((connection, up));
                }
            }
            None => {
                self.starts += 1;
                let start = self.starts;
                let phase = Phase::Starting {
                    connections: vec![(connection, up)],
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
                        self.begin(id, &record);
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
            Phase::Starting { connections } => {
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
                Ok(Some(record)) => with_parked(&*store, id, record).await.map(Some),
                other => other,
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
        claim: Result<Option<OffsetRecord>, StoreError>,
    ) {
        if !self.is_current(id, start) {
            return;
        }
        match claim {
            Ok(Some(record)) => self.begin(id, &record),
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
    fn begin(&mut self, id: SubscriptionId, record: &OffsetRecord) {
        let (now, pause) = (self.now(), self.pause_input(id));
        let window_bytes_max = self.core.config.window_bytes_max.get();
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let Phase::Starting { connections } = &mut active.phase else {
            return;
        };
        let connections = std::mem::take(connections);
        let config = shared(
            &mut self.dispatcher_config,
            dispatcher_config(&active.spec, window_bytes_max),
        );
        let mut dispatcher = Dispatcher::new(config, record).spread_by(seed(id));
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

/// A parked entry above the offset settles its event, also if the position was not written since. (Entries from
/// before a seek do not: a seek back delivers them again.)
async fn with_parked(
    store: &dyn Store,
    id: SubscriptionId,
    mut record: OffsetRecord,
) -> Result<OffsetRecord, StoreError> {
    let parked = store.parked(id, record.offset, SETTLED_SPAN_MAX).await?;
    let mut settled: BTreeSet<i64> = record.settled.iter().cloned().flatten().collect();
    let known = settled.len();
    let current = |entry: &&ParkedEntry| entry.generation == record.generation;
    settled.extend(parked.iter().filter(current).map(|entry| entry.sequence.0));
    if settled.len() > known {
        record.settled = settled
            .into_iter()
            .map(|sequence| sequence..=sequence)
            .collect();
    }
    Ok(record)
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
        retry: RetrySchedule::default(),
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

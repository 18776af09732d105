//! How are all figures brought together?
//!
//! Without a stop anywhere: the registry's lock is held while references are copied, and no shard is asked.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use photinus_contract::store::{ReadLimit, Work};
use photinus_contract::{Sequence, Subscription, SubscriptionId, Timestamp};
use tracing::debug;

use super::families::*;
use super::publishing::KindMetrics;
use super::{Buckets, Lane, Sink, Source, SubscriptionMetrics};
use crate::core::Core;
use crate::namespaces::NamespaceState;
use crate::tail::Look;

/// Most reads of the store for one collection. What is not known yet is asked for by the next.
const READS_MAX: usize = 32;
/// Most parked entries that are counted when a subscription is met for the first time.
const PARKED_MAX: usize = 100_000;
/// FireFly's smallest bucket: 5 ms.
const FIREFLY_BOUND: u64 = 5_000_000;

/// A durable subscription, as the registry has it.
pub(crate) struct Known {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) metrics: Arc<SubscriptionMetrics>,
}

/// One that is looked at.
struct Place {
    known: Known,
    namespace: Option<Arc<NamespaceState>>,
    offset: Option<Sequence>,
    lag: u64,
}

/// What all durable subscriptions of a lane are together.
#[derive(Default)]
struct Together {
    count: u64,
    behind: u64,
    lag: u64,
    lag_max: u64,
    parked: u64,
}

impl Core {
    pub(crate) async fn collect(&self, subscriptions_max: usize, sink: &mut dyn Sink) {
        let namespaces = self.namespaces.states();
        let mut places = self.places(&namespaces);
        let lanes = together(&places);
        let left_out = keep_furthest_behind(&mut places, subscriptions_max);
        self.learn_oldest(&places).await;

        self.collect_commits(sink);
        self.collect_reading(sink);
        self.collect_store(sink);
        self.collect_connections(sink);
        for namespace in &namespaces {
            collect_namespace(namespace, &lanes, sink);
        }
        let times = |kind: fn(&NamespaceState) -> &KindMetrics| {
            let durations = namespaces.iter().map(|ns| kind(ns).duration.read());
            durations.fold(Buckets::default(), |all, one| all.with(&one))
        };
        let all = times(|ns| &ns.metrics.broadcast).with(&times(|ns| &ns.metrics.private));
        sink.times(&PUBLISH_DURATION, &[], &all);
        sink.count(&NAMESPACES, &[], namespaces.len() as u64);
        sink.count(&LEFT_OUT, &[], left_out as u64);
        let now = self.clock.now();
        for place in &places {
            collect_subscription(place, now, sink);
        }
    }

    /// All durable subscriptions.
    fn places(&self, namespaces: &[Arc<NamespaceState>]) -> Vec<Place> {
        let by_name: HashMap<&str, &Arc<NamespaceState>> = namespaces
            .iter()
            .map(|namespace| (namespace.info.name.as_str(), namespace))
            .collect();
        let known = self.registry.known().into_iter();
        known
            .map(|known| {
                let name = known.subscription.namespace.as_str();
                let namespace = by_name.get(name).map(|&namespace| namespace.clone());
                let offset = known.metrics.offset();
                let head = namespace.as_ref().map(|namespace| namespace.tail.head());
                let lag = offset.zip(head).map_or(0, lag);
                Place {
                    known,
                    namespace,
                    offset,
                    lag,
                }
            })
            .collect()
    }

    /// Where it is not known since when a subscription is behind, looks into the log.
    async fn learn_oldest(&self, places: &[Place]) {
        // Many can stand at the same place, such as all that have never been served.
        let mut read = HashMap::new();
        for place in places.iter().filter(|place| place.lag > 0) {
            let (Some(offset), Some(namespace)) = (place.offset, &place.namespace) else {
                continue;
            };
            let metrics = &place.known.metrics;
            if metrics.oldest(offset).is_some() {
                continue;
            }
            let oldest = match namespace.tail.look(offset, 1) {
                Look::Piece(piece) => piece.records.first().map(|record| record.content.created),
                Look::UpToDate => None,
                Look::Behind => {
                    let at = (&namespace.info.name, offset);
                    match read.get(&at) {
                        Some(oldest) => *oldest,
                        None if read.len() == READS_MAX => continue,
                        None => {
                            let oldest = self.created_after(namespace, offset).await;
                            read.insert(at, oldest);
                            oldest
                        }
                    }
                }
            };
            if let Some(oldest) = oldest {
                metrics.learnt_oldest(offset, oldest);
            }
        }
    }

    /// When the first event after this one was committed.
    pub(crate) async fn created_after(
        &self,
        namespace: &NamespaceState,
        after: Sequence,
    ) -> Option<Timestamp> {
        let limit = ReadLimit {
            records: 1,
            bytes: 0,
        };
        let read = self.store.read(&namespace.info.name, after, limit).await;
        let page = read.inspect_err(|error| debug!(%error, "cannot look for an age"));
        Some(page.ok()?.records.first()?.content.created)
    }

    /// Asks the store for the positions of all subscriptions, one after the other, while everything else goes on.
    pub(crate) fn learn_positions(self: Arc<Self>) {
        let known = self.registry.known();
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            for Known {
                subscription,
                metrics,
            } in known
            {
                if self.is_stopping() {
                    return;
                }
                self.learn(subscription.id, &metrics).await;
            }
        });
    }

    /// Asks the store for the position of a subscription that is new to this process.
    pub(crate) async fn learn_position(&self, id: SubscriptionId) {
        if let Some(metrics) = self.registry.metrics(id) {
            self.learn(id, &metrics).await;
        }
    }

    async fn learn(&self, id: SubscriptionId, metrics: &SubscriptionMetrics) {
        let Ok(Some(record)) = self.store.offset(id).await else {
            return;
        };
        // What was parked since the start is counted already, and is in the store as well.
        let counted = metrics.parked_now();
        let parked = self.store.parked(id, Sequence::OLDEST, PARKED_MAX).await;
        let stored = parked.map_or(0, |entries| entries.len() as u64);
        metrics.learnt(record.offset, stored.saturating_sub(counted));
    }

    fn collect_commits(&self, sink: &mut dyn Sink) {
        let groups = &self.metrics.groups;
        sink.sizes(&GROUP_RECORDS, &[], &groups.records.read());
        sink.sizes(&GROUP_BYTES, &[], &groups.bytes.read());
        sink.times(&GROUP_DURATION, &[], &groups.duration.read());
        let (records, bytes) = self.committer.waiting();
        sink.count(&QUEUE_RECORDS, &[], records as u64);
        sink.count(&QUEUE_BYTES, &[], bytes as u64);
        let failing = self.health.error().is_some();
        sink.count(&STORE_FAILING, &[], u64::from(failing));
        for (code, count) in self.metrics.refusals() {
            sink.count(&REFUSED, &[&code], count);
        }
    }

    fn collect_reading(&self, sink: &mut dyn Sink) {
        let metrics = &self.metrics;
        sink.count(&TURNS, &[], metrics.turns.get());
        sink.count(&FEEDS, &["tail"], metrics.fed_by_tail.get());
        sink.count(&FEEDS, &["pages"], metrics.fed_by_pages.get());
        sink.count(&MATCHER_EVENTS, &[], metrics.events_looked_at.get());
        sink.count(&MATCHER_MATCHES, &[], metrics.events_matched.get());
        let (pages, bytes) = self.pages.counts();
        sink.count(&PAGES_READ, &[], pages.read.get());
        sink.count(&PAGES_SHARED, &[], pages.shared.get());
        sink.count(&PAGES_FAILED, &[], pages.failed.get());
        sink.count(&PAGES_READ_BYTES, &[], pages.read_bytes.get());
        sink.count(&PAGES_READ_RECORDS, &[], pages.read_records.get());
        sink.count(&PAGES_BYTES, &[], bytes as u64);
        sink.count(&FILTERS_BYTES, &[], self.filters.used() as u64);
        sink.count(&OFFSET_WRITES, &["written"], metrics.offsets_written.get());
        sink.count(&OFFSET_WRITES, &["fenced"], metrics.offsets_fenced.get());
        sink.count(&OFFSET_WRITES, &["failed"], metrics.offsets_failed.get());
    }

    fn collect_connections(&self, sink: &mut dyn Sink) {
        let connections = self.registry.connections();
        for transport in self.transports.all() {
            let name = transport.name();
            let open = connections.open.get(name).copied().unwrap_or_default();
            sink.count(&CONNECTIONS, &[name], open);
            sink.times(&ACK_LATENCY, &[name], &transport.ack_latency.read());
        }
        sink.count(&CONNECTIONS_OPENED, &[], connections.opened);
    }

    fn collect_store(&self, sink: &mut dyn Sink) {
        let store = self.store.figures();
        if let Some(bytes) = store.database_bytes {
            sink.count(&STORE_DATABASE, &[], bytes);
        }
        if let Some(bytes) = store.write_ahead_bytes {
            sink.count(&STORE_WRITE_AHEAD, &[], bytes);
        }
        if let Some(bytes) = store.blob_bytes {
            sink.count(&STORE_BLOBS, &[], bytes);
        }
        if let Some(Work { count, time }) = store.transactions {
            sink.count(&STORE_TRANSACTIONS, &[], count);
            sink.number(&STORE_TRANSACTION_SECONDS, &[], time.as_secs_f64());
        }
        if let Some(time) = store.commits {
            sink.number(&STORE_SYNC_SECONDS, &[], time.as_secs_f64());
        }
        if let Some(Work { count, time }) = store.checkpoints {
            sink.count(&STORE_CHECKPOINTS, &[], count);
            sink.number(&STORE_CHECKPOINT_SECONDS, &[], time.as_secs_f64());
        }
    }
}

/// How many sequences lie between an offset and the head of the log.
pub(crate) fn lag((offset, head): (Sequence, Sequence)) -> u64 {
    // The offset of one that begins with the oldest event is below all sequences.
    head.0.saturating_sub(offset.0.max(0)).max(0).unsigned_abs()
}

fn together(places: &[Place]) -> HashMap<*const Lane, Together> {
    let mut lanes: HashMap<*const Lane, Together> = HashMap::new();
    for Place { known, lag, .. } in places {
        let lane = lanes.entry(Arc::as_ptr(&known.metrics.lane)).or_default();
        lane.count += 1;
        lane.behind += u64::from(*lag > 0);
        lane.lag += lag;
        lane.lag_max = lane.lag_max.max(*lag);
        lane.parked += known.metrics.parked_now();
    }
    lanes
}

/// Keeps those furthest behind, and of equal ones the first by name: an operator needs the ones that are in trouble,
/// and the same question has to get the same answer. Returns how many are left out.
fn keep_furthest_behind(places: &mut Vec<Place>, max: usize) -> usize {
    let left_out = places.len().saturating_sub(max);
    if left_out > 0 {
        if max > 0 {
            places.select_nth_unstable_by(max - 1, |a, b| rank(a).cmp(&rank(b)));
        }
        places.truncate(max);
    }
    left_out
}

fn rank(place: &Place) -> (Reverse<u64>, &str, &str) {
    let subscription = &place.known.subscription;
    let name = (subscription.namespace.as_str(), &*subscription.name);
    (Reverse(place.lag), name.0, name.1)
}

fn collect_namespace(
    namespace: &NamespaceState,
    together: &HashMap<*const Lane, Together>,
    sink: &mut dyn Sink,
) {
    let ns = namespace.info.name.as_str();
    let metrics = &namespace.metrics;
    let head = namespace.tail.head().0;
    sink.number(&HEAD, &[ns], head as f64);
    let (records, bytes) = namespace.tail.size();
    sink.count(&TAIL_RECORDS, &[ns], records as u64);
    sink.count(&TAIL_BYTES, &[ns], bytes as u64);
    sink.count(&EVENTS, &[ns], metrics.events.get());
    sink.count(&PUBLISHED_BYTES, &[ns], metrics.bytes.get());
    for (kind, of_kind, [submitted, confirmed, rejected, histogram]) in [
        (
            "broadcast",
            &metrics.broadcast,
            [
                &FF_BROADCAST_SUBMITTED,
                &FF_BROADCAST_CONFIRMED,
                &FF_BROADCAST_REJECTED,
                &FF_BROADCAST_HISTOGRAM,
            ],
        ),
        (
            "private",
            &metrics.private,
            [
                &FF_PRIVATE_SUBMITTED,
                &FF_PRIVATE_CONFIRMED,
                &FF_PRIVATE_REJECTED,
                &FF_PRIVATE_HISTOGRAM,
            ],
        ),
    ] {
        for source in Source::ALL {
            let count = of_kind.confirmed[source as usize].get();
            sink.count(&PUBLISHED, &[ns, kind, source.name()], count);
        }
        let (done, refused) = (of_kind.confirmed(), of_kind.rejected.get());
        sink.count(submitted, &[ns], done + refused);
        sink.count(confirmed, &[ns], done);
        sink.count(rejected, &[ns], refused);
        let buckets = of_kind.duration.read().from_bound(FIREFLY_BOUND);
        sink.times(histogram, &[ns], &buckets);
    }
    for (transport, lane) in metrics.lanes() {
        let all = together.get(&Arc::as_ptr(&lane));
        collect_lane(&[ns, &transport], &lane, all, sink);
    }
}

fn collect_lane(labels: &[&str; 2], lane: &Lane, together: Option<&Together>, sink: &mut dyn Sink) {
    let [ns, transport] = *labels;
    let none = Together::default();
    let together = together.unwrap_or(&none);
    sink.count(&DELIVERED, labels, lane.delivered.get());
    sink.count(&BATCHES, labels, lane.batches.get());
    sink.count(&NOT_TAKEN, &[ns, transport, "busy"], lane.busy.get());
    sink.count(&NOT_TAKEN, &[ns, transport, "closed"], lane.closed.get());
    sink.count(&NOT_TAKEN, &[ns, transport, "failed"], lane.failed.get());
    sink.count(&VOIDED, labels, lane.voided.get());
    sink.count(&LATE, labels, lane.late.get());
    for (outcome, count) in lane.outcomes.all() {
        sink.count(&OUTCOMES, &[ns, transport, outcome], count);
    }
    sink.number(&IN_FLIGHT, labels, lane.in_flight.get());
    sink.number(&ACTIVE, labels, lane.active.get());
    sink.number(&EPHEMERAL, labels, lane.ephemeral.get());
    sink.number(&PAUSED, labels, lane.paused.get());
    sink.number(&DELAYED, labels, lane.delayed.get());
    sink.count(&SUBSCRIPTIONS, labels, together.count);
    sink.count(&BEHIND, labels, together.behind);
    sink.count(&LAG, labels, together.lag);
    sink.count(&LAG_MAX, labels, together.lag_max);
    sink.count(&PARKED, labels, together.parked);
}

fn collect_subscription(place: &Place, now: Timestamp, sink: &mut dyn Sink) {
    let Known {
        subscription,
        metrics,
    } = &place.known;
    let labels = &[subscription.namespace.as_str(), &*subscription.name];
    let is_active = metrics.is_active.load(Ordering::Relaxed);
    let is_paused = metrics.is_paused.load(Ordering::Relaxed);
    if let Some(offset) = place.offset {
        sink.number(&S_OFFSET, labels, offset.0 as f64);
        sink.count(&S_LAG, labels, place.lag);
        let oldest = metrics.oldest(offset);
        let age = oldest.map(|oldest| now.as_nanos().saturating_sub(oldest.as_nanos()).max(0));
        let age = if place.lag == 0 { Some(0) } else { age };
        if let Some(age) = age {
            sink.number(&S_OLDEST, labels, age as f64 / 1e9);
        }
    }
    let in_flight = metrics.in_flight.load(Ordering::Relaxed);
    sink.count(&S_IN_FLIGHT, labels, in_flight);
    sink.count(&S_ACTIVE, labels, u64::from(is_active));
    sink.count(&S_PAUSED, labels, u64::from(is_paused));
    sink.count(&S_PARKED, labels, metrics.parked_now());
    let Some(own) = metrics.own() else {
        return;
    };
    let attempts = own.attempts.load(Ordering::Relaxed);
    sink.count(&S_ATTEMPTS, labels, u64::from(attempts));
    sink.count(&S_DELIVERED, labels, own.delivered.get());
    sink.count(&S_SETTLED, labels, own.settled.get());
    sink.count(&S_FAILED, labels, own.failed.get());
    sink.count(&S_VOIDED, labels, own.voided.get());
}

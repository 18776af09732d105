//! What is counted of messages on their way into the log?

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use photinus_contract::MessageKind;
use photinus_contract::record::RecordContent;
use photinus_contract::store::{AppendError, Appended};
use tokio::time::Instant;

use super::Metrics;
use super::deliveries::Lane;
use super::numbers::{Counter, Histogram, SECONDS};
use crate::namespaces::NamespaceState;
use crate::publish::refused;

/// Bounds for the records of a group.
const RECORDS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
/// Bounds for the bytes of a group.
const BYTES: &[u64] = &[
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
];

/// By which way a message came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A request that did not wait for its commit to be shown.
    #[default]
    Rest,
    /// A request with `confirm`, or one that waits for a reply.
    Confirm,
    /// A line of a bulk request.
    Bulk,
    /// A frame on a publishing socket.
    Socket,
    /// A transport.
    Transport,
    /// The answer to an event.
    Reply,
}

impl Source {
    pub(super) const ALL: [Source; 6] = [
        Source::Rest,
        Source::Confirm,
        Source::Bulk,
        Source::Socket,
        Source::Transport,
        Source::Reply,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Source::Rest => "rest",
            Source::Confirm => "confirm",
            Source::Bulk => "bulk",
            Source::Socket => "socket",
            Source::Transport => "transport",
            Source::Reply => "reply",
        }
    }
}

/// Where a draft comes from, and since when it is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) kind: MessageKind,
    pub(crate) source: Source,
    since: Instant,
}

impl Origin {
    /// A message of this kind that was taken in then.
    pub(crate) fn new(kind: MessageKind, since: Instant) -> Self {
        Self {
            kind,
            source: Source::default(),
            since,
        }
    }
}

/// What is counted for a namespace.
#[derive(Debug, Default)]
pub(crate) struct NamespaceMetrics {
    pub(super) broadcast: KindMetrics,
    pub(super) private: KindMetrics,
    pub(super) events: Counter,
    pub(super) bytes: Counter,
    lanes: RwLock<BTreeMap<Arc<str>, Arc<Lane>>>,
}

/// What is counted for the messages of one kind.
#[derive(Debug)]
pub(super) struct KindMetrics {
    /// By source.
    pub(super) confirmed: [Counter; Source::ALL.len()],
    pub(super) rejected: Counter,
    pub(super) duration: Histogram,
}

impl Default for KindMetrics {
    fn default() -> Self {
        Self {
            confirmed: Default::default(),
            rejected: Counter::default(),
            duration: Histogram::new(SECONDS),
        }
    }
}

impl KindMetrics {
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.iter().map(Counter::get).sum()
    }
}

impl NamespaceMetrics {
    /// What is counted for the subscriptions of a transport in this namespace. To be asked once for each.
    pub(crate) fn lane(&self, transport: &str) -> Arc<Lane> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(transport) {
            return lane.clone();
        }
        drop(lanes);
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(transport.into()).or_default().clone()
    }

    pub(super) fn lanes(&self) -> Vec<(Arc<str>, Arc<Lane>)> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let lanes = lanes.iter();
        lanes
            .map(|(name, lane)| (name.clone(), lane.clone()))
            .collect()
    }

    fn of_kind(&self, kind: MessageKind) -> &KindMetrics {
        match kind {
            MessageKind::Private => &self.private,
            _ => &self.broadcast,
        }
    }
}

/// What is counted for the groups that are committed together.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(super) records: Histogram,
    pub(super) bytes: Histogram,
    pub(super) duration: Histogram,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            records: Histogram::new(RECORDS),
            bytes: Histogram::new(BYTES),
            duration: Histogram::new(SECONDS),
        }
    }
}

/// Messages of one publisher, as they are counted.
pub(crate) struct Tally<'a> {
    pub(crate) namespace: &'a NamespaceState,
    pub(crate) records: &'a [(RecordContent, Origin)],
}

impl Tally<'_> {
    /// None of them is committed.
    pub(crate) fn refused(&self, error: &AppendError, all: &Metrics) {
        for (_, origin) in self.records {
            self.refused_one(*origin, error, all);
        }
    }

    fn refused_one(&self, origin: Origin, error: &AppendError, all: &Metrics) {
        let metrics = &self.namespace.metrics;
        metrics.of_kind(origin.kind).rejected.one();
        all.refused(&refused(error.clone(), None));
    }

    /// They were answered just now.
    pub(crate) fn count(
        &self,
        results: &[Result<Appended, AppendError>],
        now: Instant,
        all: &Metrics,
    ) {
        let metrics = &self.namespace.metrics;
        let (mut events, mut bytes) = (0, 0);
        for ((content, origin), result) in self.records.iter().zip(results) {
            match result {
                Ok(_) => {}
                // Answers of an event that was answered before: nobody misses them.
                Err(
                    AppendError::DuplicateReply { .. } | AppendError::Fenced | AppendError::Passed,
                ) => continue,
                Err(error) => {
                    self.refused_one(*origin, error, all);
                    continue;
                }
            }
            let of_kind = metrics.of_kind(origin.kind);
            of_kind.confirmed[origin.source as usize].one();
            of_kind.duration.took(now - origin.since);
            events += content.events_len();
            bytes += content.size();
        }
        metrics.events.add(events as u64);
        metrics.bytes.add(bytes as u64);
    }
}

impl Groups {
    /// A group of so many records and bytes was given to the store at `begun`, and is answered now.
    pub(crate) fn count(&self, begun: Instant, now: Instant, records: usize, bytes: usize) {
        self.duration.took(now - begun);
        self.records.observe(records as u64);
        self.bytes.observe(bytes as u64);
    }
}

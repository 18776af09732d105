//! Which records can a list of the log show, and in which order do they come?
//!
//! Newest first, in pieces whose size is bounded. What a query says of sequences, of the time at which something came
//! into the log, and of ids is used to read less of it; whether a row is shown is decided by the query alone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use photinus_contract::store::ReadLimit;
use photinus_contract::{CodedError, Namespace, Record, Sequence, Timestamp};
use uuid::Uuid;

use super::budget::ListBudget;
use super::query::Query;
use crate::core::Core;
use crate::publish::unavailable;

/// How many records are read at once.
const RECORDS_MAX: usize = 256;

/// The part of the log that can hold what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first and the last sequence.
    sequences: (Sequence, Sequence),
    /// The first time.
    since: Timestamp,
    /// The records that hold these, if it is only those.
    parts: Option<BTreeSet<Uuid>>,
}

/// Which fields of a collection say where in the log a row is.
pub(crate) struct Places {
    /// The sequence of an event of the record.
    pub(crate) sequence: &'static str,
    /// The time at which the record was committed.
    pub(crate) created: &'static str,
    /// The id of a part of the record.
    pub(crate) id: &'static str,
    /// The id of the record's message.
    pub(crate) message: &'static str,
}

impl Default for Span {
    /// All of it.
    fn default() -> Self {
        Self {
            sequences: (Sequence::OLDEST, Sequence::MAX),
            since: Timestamp::from_nanos(i64::MIN),
            parts: None,
        }
    }
}

impl Span {
    /// The part of the log in which a row can be that matches.
    pub(crate) fn of<R>(query: &Query<R>, places: &Places) -> Self {
        let sequences = Self::default().sequences;
        let least = query.least_number(places.sequence).map(Sequence);
        let most = query.most_number(places.sequence).map(Sequence);
        let parts = query
            .only_texts(places.id)
            .or_else(|| query.only_texts(places.message));
        Self {
            sequences: (
                least.unwrap_or(sequences.0),
                most.map_or(sequences.1, |most| most.clamp(sequences.0, sequences.1)),
            ),
            since: Timestamp::from_nanos(query.least_number(places.created).unwrap_or(i64::MIN)),
            // What is no id is nobody's.
            parts: parts.map(|texts| texts.iter().flat_map(|text| text.parse().ok()).collect()),
        }
    }

    /// What of it has these sequences.
    pub(crate) fn within(mut self, sequences: &Range<i64>) -> Self {
        let last = Sequence(sequences.end.saturating_sub(1)).max(Sequence::OLDEST);
        self.sequences.0 = self.sequences.0.max(Sequence(sequences.start));
        self.sequences.1 = self.sequences.1.min(last);
        self
    }
}

/// Reads the records of a span.
pub(crate) struct Walk<'a> {
    core: &'a Core,
    namespace: &'a Namespace,
    span: Span,
    /// What was read begins here.
    before: Sequence,
    is_over: bool,
}

impl<'a> Walk<'a> {
    /// Begins at the newest record of the span.
    pub(crate) fn new(core: &'a Core, namespace: &'a Namespace, span: Span) -> Self {
        Self {
            core,
            namespace,
            before: span.sequences.1.next(),
            span,
            is_over: false,
        }
    }

    /// The next records, newest first, about as many as are `needed`; none if there are no more.
    pub(crate) async fn next(&mut self, needed: usize) -> Result<Vec<Arc<Record>>, CodedError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        // A store that is all in memory has no other place where a request can end that has taken too long.
        tokio::task::yield_now().await;
        if let Some(parts) = self.span.parts.take() {
            self.is_over = true;
            return self.found(parts).await;
        }
        let limit = ReadLimit {
            records: needed.min(RECORDS_MAX),
            bytes: self.core.config.page_bytes_max,
        };
        let store = &self.core.store;
        let records = store.read_back(self.namespace, self.before, limit);
        let mut records = records.await.map_err(unavailable)?;
        let Some(last) = records.last() else {
            return Ok(records);
        };
        self.before = last.first();
        let read = records.len();
        let span = &self.span;
        records.retain(|record| {
            record.last >= span.sequences.0 && record.content.created >= span.since
        });
        // Times never fall along the log: nothing before them is in the span.
        self.is_over = records.len() < read;
        Ok(records)
    }

    /// The records that hold these parts, newest first.
    async fn found(&self, parts: BTreeSet<Uuid>) -> Result<Vec<Arc<Record>>, CodedError> {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let mut budget = ListBudget::new(self.core.config.list_bytes_max);
        for part in parts {
            let record = self.core.store.record(self.namespace, part).await;
            if let Some(record) = record.map_err(unavailable)? {
                budget.take_bytes(record.content.size())?;
                records.push(record);
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.last));
        records.dedup_by_key(|record| record.last);
        Ok(records)
    }
}

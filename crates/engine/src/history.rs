//! Which events would a filter have chosen?
//!
//! The history of a subscription, and the preview of a filter: both go back through the log and keep what matches.

use std::ops::Range;

use photinus_contract::{
    CodedError, Event, Namespace, Sequence, SubscriptionFilter, SubscriptionId,
};

use crate::core::Core;
use crate::handle::ListBudget;
use crate::publish::unavailable;

/// How many records are read at once.
const RECORDS_AT_ONCE: usize = 64;

/// Which part of the log a history is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    /// Events of these sequences; of the whole log if absent.
    pub sequences: Option<Range<i64>>,
    /// So many of the newest are left out.
    pub skip: usize,
    /// So many are looked at, if no sequences are given.
    pub limit: usize,
}

/// What a filter would choose among the newest events.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// So many events were looked at.
    pub scanned: usize,
    /// Those that match, newest first.
    pub events: Vec<Event>,
}

impl Core {
    pub(crate) async fn subscription_events(
        &self,
        namespace: &str,
        id: SubscriptionId,
        range: HistoryRange,
        wanted: &(dyn Fn(&Event) -> bool + Sync),
        budget: &mut ListBudget,
    ) -> Result<Vec<Event>, CodedError> {
        let (namespace, subscription) = self.stored(namespace, id)?;
        let filter = self.filters.compile_stored(&subscription.filter)?;
        let (sequences, limit) = match range.sequences {
            Some(sequences) => (sequences, usize::MAX),
            None => (0..i64::MAX, range.limit),
        };
        let mut skip = range.skip;
        let mut taken = 0;
        let mut found = Vec::new();
        let name = &namespace.info.name;
        self.back(name, sequences, |event| {
            if taken == limit {
                return Ok(false);
            }
            if !wanted(&event) {
                return Ok(true);
            }
            if skip > 0 {
                skip -= 1;
                return Ok(true);
            }
            taken += 1;
            if filter.matches(&event) {
                budget.take_bytes(event.size())?;
                found.push(event);
            }
            Ok(taken < limit)
        })
        .await?;
        Ok(found)
    }

    pub(crate) async fn preview(
        &self,
        namespace: &str,
        filter: &SubscriptionFilter,
        last: usize,
        budget: &mut ListBudget,
    ) -> Result<Preview, CodedError> {
        let namespace = self.namespaces.get(namespace)?;
        let filter = self.filters.compile(filter)?;
        let mut preview = Preview {
            scanned: 0,
            events: Vec::new(),
        };
        self.back(&namespace.info.name, 0..i64::MAX, |event| {
            if preview.scanned == last {
                return Ok(false);
            }
            preview.scanned += 1;
            if filter.matches(&event) {
                budget.take_bytes(event.size())?;
                preview.events.push(event);
            }
            Ok(preview.scanned < last)
        })
        .await?;
        Ok(preview)
    }

    /// Shows the events of these sequences, newest first, as long as they are wanted.
    async fn back(
        &self,
        namespace: &Namespace,
        sequences: Range<i64>,
        mut see: impl FnMut(Event) -> Result<bool, CodedError>,
    ) -> Result<(), CodedError> {
        let sequences = sequences.start.max(0)..sequences.end.min(Sequence::MAX.0);
        if sequences.is_empty() {
            return Ok(());
        }
        let mut before = Sequence(sequences.end);
        loop {
            let read = self.store.read_back(namespace, before, RECORDS_AT_ONCE);
            let records = read.await.map_err(unavailable)?;
            for record in &records {
                for index in (0..record.content.events_len()).rev() {
                    let Some(event) = Event::new(record.clone(), index) else {
                        continue;
                    };
                    let sequence = event.sequence().0;
                    if sequence < sequences.start {
                        return Ok(());
                    }
                    if sequence < sequences.end && !see(event)? {
                        return Ok(());
                    }
                }
            }
            match records.last() {
                Some(last) => before = last.first(),
                None => return Ok(()),
            }
            // A store may have answered at once, time and again.
            tokio::task::yield_now().await;
        }
    }
}

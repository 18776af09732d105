//! Which events would a filter have chosen?
//!
//! The history of a subscription, and the preview of a filter: both go back through the log and keep what matches.

use std::ops::Range;

use photinus_contract::{CodedError, Event, SubscriptionFilter, SubscriptionId};

use crate::core::Core;
use crate::lists::{ListBudget, Query, Span, Walk};

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
        sequences: Range<i64>,
        query: &Query<Event>,
    ) -> Result<Vec<Event>, CodedError> {
        let (namespace, subscription) = self.stored(namespace, id)?;
        let filter = self.filters.compile_stored(&subscription.filter)?;
        let listed = self.list_events(&namespace.info.name, sequences, query);
        let mut events = listed.await?.items;
        events.retain(|event| filter.matches(event));
        Ok(events)
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
        let mut walk = Walk::new(self, &namespace.info.name, Span::default());
        loop {
            let records = walk.next(last - preview.scanned).await?;
            for record in &records {
                for event in (0..record.content.events_len()).rev() {
                    let Some(event) = Event::new(record.clone(), event) else {
                        continue;
                    };
                    preview.scanned += 1;
                    if filter.matches(&event) {
                        budget.take_bytes(event.size())?;
                        preview.events.push(event);
                    }
                    if preview.scanned == last {
                        return Ok(preview);
                    }
                }
            }
            if records.is_empty() {
                return Ok(preview);
            }
        }
    }
}

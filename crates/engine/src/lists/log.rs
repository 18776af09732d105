//! What do lists of the log show?

use std::ops::Range;

use photinus_contract::{CodedError, Event, Namespace};

use super::collector::{Collector, Listed};
use super::message::ListedMessage;
use super::query::Query;
use super::walk::{Places, Span, Walk};
use crate::core::Core;
use crate::handle::has_message;

const EVENTS: Places = Places {
    sequence: "sequence",
    created: "created",
    id: "id",
    message: "reference",
};

const MESSAGES: Places = Places {
    sequence: "sequence",
    created: "confirmed",
    id: "id",
    message: "id",
};

impl Core {
    /// Events of these sequences, newest first unless they are sorted.
    pub(crate) async fn list_events(
        &self,
        namespace: &Namespace,
        sequences: Range<i64>,
        query: &Query<Event>,
    ) -> Result<Listed<Event>, CodedError> {
        let mut listed = Collector::new(query, self.config.list_bytes_max);
        let mut walk = Walk::new(self, namespace, Span::of(query, &EVENTS).within(&sequences));
        while !listed.is_done() {
            let records = walk.next(listed.needed()).await?;
            if records.is_empty() {
                break;
            }
            for record in records {
                let count = record.content.events_len();
                // Each keeps its whole record. Those beside it share it, if it is certain that they are kept, too.
                let shared = if query.matches_all() { count } else { 1 };
                let bytes = record.content.size() / shared;
                for index in (0..count).rev() {
                    let event = Event::new(record.clone(), index);
                    let event = event.filter(|event| sequences.contains(&event.sequence().0));
                    if let Some(event) = event {
                        listed.offer(event, bytes)?;
                    }
                }
            }
        }
        Ok(listed.finish())
    }

    /// Messages, newest first unless they are sorted.
    pub(crate) async fn list_messages(
        &self,
        namespace: &Namespace,
        query: &Query<ListedMessage>,
    ) -> Result<Listed<ListedMessage>, CodedError> {
        let mut listed = Collector::new(query, self.config.list_bytes_max);
        let mut walk = Walk::new(self, namespace, Span::of(query, &MESSAGES));
        while !listed.is_done() {
            let records = walk.next(listed.needed()).await?;
            if records.is_empty() {
                break;
            }
            for record in records.into_iter().filter(|record| has_message(record)) {
                let bytes = record.content.size();
                listed.offer(ListedMessage::new(record), bytes)?;
            }
        }
        Ok(listed.finish())
    }
}

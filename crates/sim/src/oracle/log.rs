//! What is durable, and who saw it when? Invariants 1 and 2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use photinus_contract::filter::Attribute;
use photinus_contract::record::NewRecord;
use photinus_contract::store::{AppendError, Appended, Page};
use photinus_contract::transport::Published as Receipt;
use photinus_contract::{
    CodedError, Event, Namespace, OrderingKey, Record, Sequence, SubscriptionFilter,
};

use super::Oracle;
use super::replies::Published;
use crate::wanted;

/// The log of a namespace as the store's answers say that it is.
#[derive(Default)]
pub(super) struct LogModel {
    pub(super) records: BTreeMap<i64, Arc<Record>>,
    events: BTreeMap<i64, Event>,
    keys: BTreeSet<Box<str>>,
    /// Readers were told that they have seen all up to here.
    seen_to: i64,
}

/// What a subscription finds in a log.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    log: &'a LogModel,
    filter: &'a SubscriptionFilter,
    order: Option<&'a OrderingKey>,
}

impl LogModel {
    pub(super) fn head(&self) -> i64 {
        self.records.last_key_value().map_or(0, |(last, _)| *last)
    }

    pub(super) fn event(&self, sequence: i64) -> Option<&Event> {
        self.events.get(&sequence)
    }

    pub(super) fn view<'a>(
        &'a self,
        filter: &'a SubscriptionFilter,
        order: Option<&'a OrderingKey>,
    ) -> View<'a> {
        View {
            log: self,
            filter,
            order,
        }
    }

    fn add(&mut self, record: Record) {
        let record = Arc::new(record);
        for event in Event::all(&record) {
            self.events.insert(event.sequence().0, event);
        }
        self.records.insert(record.last.0, record);
    }
}

impl View<'_> {
    /// The events after `sequence` that match, in order.
    pub(super) fn after(self, sequence: i64) -> impl Iterator<Item = i64> {
        let events = self.log.events.range(sequence.saturating_add(1)..);
        let matching = events.filter(move |(_, event)| {
            let tag = event.attribute(Attribute::Tag);
            wanted::matches(self.filter, tag, event.topic())
        });
        matching.map(|(sequence, _)| *sequence)
    }

    /// Whether two events have to come one after the other.
    pub(super) fn is_of_one_key(self, one: i64, other: i64) -> bool {
        let key = |at| {
            let event = self.log.event(at)?;
            Some(self.order?.of(event, &[]).into_owned())
        };
        key(one) == key(other)
    }

    /// The newest event, whether or not it matches.
    pub(super) fn head(self) -> i64 {
        self.log.head()
    }
}

impl Oracle {
    /// A namespace was created.
    pub(crate) fn namespace_created(&mut self, name: &Namespace) {
        self.history.note(format_args!("namespace {name}"));
        self.logs.entry(name.clone()).or_default();
    }

    /// The newest sequence of a namespace.
    pub(crate) fn head(&self, namespace: &str) -> i64 {
        self.logs.get(namespace).map_or(0, LogModel::head)
    }

    /// The store did an append, or refused it.
    pub(crate) fn appended(
        &mut self,
        node: usize,
        records: &[NewRecord],
        results: &[Result<Appended, AppendError>],
    ) {
        for (record, result) in records.iter().zip(results) {
            let (name, author) = (&record.content.namespace, record.content.author());
            match result {
                Ok(appended) => {
                    let last = appended.last;
                    let line = format!("e{node} stores {author} as {name}/{last}");
                    self.history.note(line);
                    self.added(record, *appended);
                    self.committed_by(node, &record.content);
                }
                Err(error) => {
                    let line = format!("e{node} cannot store {author}: {error}");
                    self.history.note(line);
                }
            }
            self.reply_stored(record, result);
        }
    }

    fn added(&mut self, record: &NewRecord, appended: Appended) {
        let content = &record.content;
        let record = Record::new(appended.last, content.clone());
        let first = record.first().0;
        let log = self.logs.entry(content.namespace.clone()).or_default();
        let (head, seen_to) = (log.head(), log.seen_to);
        let is_key_new = match content.idempotency_key() {
            Some(key) => log.keys.insert(key.into()),
            None => true,
        };
        log.add(record);
        if first <= head || appended.previous.0 != head {
            self.violated(
                2,
                format_args!("record {first}… comes after {head}, and says otherwise"),
            );
        }
        if first <= seen_to {
            self.violated(
                2,
                format_args!("{first} becomes visible after {seen_to} was read"),
            );
        }
        if !is_key_new {
            self.violated(
                1,
                format_args!("the key of {} is in the log twice", content.author()),
            );
        }
        if let Some(published) = self.published(content.author()) {
            published.stored += 1;
            if published.stored > 1 {
                self.violated(
                    1,
                    format_args!("message {} is in the log twice", content.author()),
                );
            }
        }
    }

    /// The log was read.
    pub(crate) fn log_read(
        &mut self,
        node: usize,
        namespace: &Namespace,
        after: Sequence,
        page: &Page,
    ) {
        self.history.count("pages read");
        let line = format!(
            "e{node} reads {} records of {namespace} after {after}",
            page.records.len()
        );
        self.history.note(line);
        let Some(log) = self.logs.get_mut(namespace) else {
            return;
        };
        let durable = log.records.range(after.0.saturating_add(1)..);
        let read = page.records.iter().map(|record| record.last.0);
        let as_durable = durable
            .map(|(last, _)| *last)
            .take(page.records.len())
            .eq(read);
        let to = match page.records.last() {
            Some(record) if page.more => record.last.0,
            _ => log.head(),
        };
        log.seen_to = log.seen_to.max(to);
        if !as_durable {
            self.violated(
                2,
                format_args!("a page after {after} is not what is durable"),
            );
        }
    }

    /// An event reaches a transport: it has to be durable, and the one that was published.
    pub(super) fn shown(&mut self, event: &Event) {
        let sequence = event.sequence().0;
        let Some(log) = self.logs.get_mut(event.namespace()) else {
            return self.violated(2, format_args!("{sequence} is of no namespace"));
        };
        log.seen_to = log.seen_to.max(sequence);
        let durable = log.event(sequence).map(Event::id);
        match durable {
            None => self.violated(
                2,
                format_args!("{sequence} is delivered before it is durable"),
            ),
            Some(id) if id != event.id() => self.violated(
                2,
                format_args!("{sequence} is delivered as another event than is durable"),
            ),
            Some(_) => {}
        }
    }

    /// A message is about to be published.
    pub(crate) fn publishing(&mut self, number: u64, node: usize, namespace: &str, key: &str) {
        let with = if key.is_empty() {
            String::new()
        } else {
            format!(" with key {key}")
        };
        self.history.note(format_args!(
            "e{node} is asked to publish p{number} in {namespace}{with}"
        ));
        let published = Published::new(namespace, key);
        self.publishes.insert(number, published);
    }

    /// A publish was answered.
    pub(crate) fn publish_answered(&mut self, number: u64, answer: Result<Receipt, CodedError>) {
        let Some(published) = self.publishes.get_mut(&number) else {
            return;
        };
        let log = self.logs.get(published.namespace.as_str());
        match answer {
            Ok(receipt) => {
                self.history.count("publishes answered");
                let sequence = receipt.sequence;
                self.history
                    .note(format_args!("p{number} is published as {sequence}"));
                published.answered = true;
                let event = log.and_then(|log| log.event(sequence.0));
                let there = event.is_some_and(|event| event.reference() == receipt.id.0);
                if !there {
                    self.violated(
                        1,
                        format_args!("p{number} is answered and not in the log as {sequence}"),
                    );
                }
            }
            Err(error) => {
                self.history
                    .note(format_args!("p{number} is refused: {error}"));
                let is_held = log.is_some_and(|log| log.keys.contains(&*published.key));
                if error.code() == "FF10430" {
                    self.history.count("keys found in use");
                    if !is_held {
                        self.violated(
                            1,
                            format_args!("p{number} is a duplicate of what is not durable"),
                        );
                    }
                }
            }
        }
    }
}

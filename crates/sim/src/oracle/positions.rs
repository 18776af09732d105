//! Who may write a position, and where is it? Invariants 4, 6, 7 and 11.

use std::collections::BTreeMap;

use photinus_contract::store::{OffsetError, OffsetRecord, OffsetWrite, ParkedEntry};
use photinus_contract::{Subscription, SubscriptionId};

use super::Oracle;

/// A durable subscription as the store's answers say that it is.
pub(super) struct Position {
    pub(super) subscription: Subscription,
    pub(super) record: OffsetRecord,
    /// The newest epoch: raised by claims, updates and seeks.
    pub(super) epoch: u64,
    pub(super) generation: u64,
    pub(super) parked: BTreeMap<i64, ParkedEntry>,
    /// It is not deleted.
    pub(super) alive: bool,
    /// How often a write of it was refused that can never succeed.
    refused: u32,
}

impl Position {
    /// The entry of an event goes. False if it must not: it was parked since the last seek, or is not settled.
    fn unpark(&mut self, event: i64, write: &OffsetWrite) -> bool {
        let Some(entry) = self.parked.remove(&event) else {
            return true;
        };
        let mut above = write.settled.iter();
        let is_settled = event <= write.offset.0 || above.any(|range| range.contains(&event));
        is_settled && entry.generation < self.generation
    }
}

/// Most writes of one position that can never succeed: more are one that is tried again and again.
const REFUSED_MAX: u32 = 20;

impl Oracle {
    /// A subscription was stored.
    pub(crate) fn created(&mut self, subscription: &Subscription, record: OffsetRecord) {
        let id = subscription.id;
        let again = self.positions.len() + 1;
        let label = format!("{}#{again}", subscription.name);
        let filter = (&subscription.filter.message.tag, &subscription.filter.topic);
        self.history.note(format_args!(
            "{label} in {} begins after {}, wants {filter:?}, {}",
            subscription.namespace,
            record.offset,
            options(subscription)
        ));
        self.labels.insert(id, label);
        self.positions.insert(
            id,
            Position {
                subscription: subscription.clone(),
                epoch: record.epoch,
                generation: record.generation,
                record,
                parked: BTreeMap::new(),
                alive: true,
                refused: 0,
            },
        );
    }

    /// A subscription was changed: `after` is its record then.
    pub(crate) fn updated(
        &mut self,
        node: usize,
        subscription: &Subscription,
        after: &OffsetRecord,
    ) {
        let label = self.label(subscription.id);
        let filter = (&subscription.filter.message.tag, &subscription.filter.topic);
        self.history.note(format_args!(
            "{label} is changed: wants {filter:?}, {}",
            options(subscription)
        ));
        self.forget_said(node, subscription.id);
        let Some(position) = self.positions.get_mut(&subscription.id) else {
            return;
        };
        let before = position.record.offset;
        position.subscription = subscription.clone();
        position.epoch += 1;
        if after.offset != before {
            self.violated(
                7,
                format_args!(
                    "a change of {label} moves its offset from {before} to {}",
                    after.offset
                ),
            );
        }
    }

    /// A subscription was deleted.
    pub(crate) fn deleted(&mut self, id: SubscriptionId) {
        self.history
            .note(format_args!("{} is deleted", self.label(id)));
        if let Some(position) = self.positions.get_mut(&id) {
            position.alive = false;
        }
    }

    /// A subscription was moved by its operator.
    pub(crate) fn sought(&mut self, id: SubscriptionId, record: &OffsetRecord) {
        let label = self.label(id);
        self.history
            .note(format_args!("{label} is moved to {}", record.offset));
        if let Some(position) = self.positions.get_mut(&id) {
            position.epoch += 1;
            position.generation += 1;
            position.record = record.clone();
        }
    }

    /// A claim took effect.
    pub(crate) fn claimed(
        &mut self,
        node: usize,
        id: SubscriptionId,
        record: Option<&OffsetRecord>,
    ) {
        let label = self.label(id);
        let Some(position) = self.positions.get_mut(&id) else {
            return;
        };
        let Some(record) = record else {
            self.history
                .note(format_args!("e{node} claims {label} in vain"));
            return;
        };
        self.changing.claimed(node, id);
        self.history.count("claims");
        self.history.note(format_args!(
            "e{node} claims {label}: epoch {}, after {}, settled {:?}, failures {:?}",
            record.epoch, record.offset, record.settled, record.failures
        ));
        let is_newer = record.epoch > position.epoch;
        let stored = position.record.offset;
        position.epoch = record.epoch;
        let mut start = record.clone();
        let parked = position.parked.values();
        let current = parked.filter(|entry| entry.generation == record.generation);
        let above = current
            .map(|entry| entry.sequence.0)
            .filter(|at| *at > record.offset.0);
        start.settled.extend(above.map(|at| at..=at));
        let subscription = position.subscription.clone();
        self.own(node, &subscription, &start);
        if !is_newer {
            self.violated(
                6,
                format_args!("epoch {} of {label} is not newer", record.epoch),
            );
        }
        if record.offset != stored {
            self.violated(
                7,
                format_args!("{label} is at {}, not at {stored}", record.offset),
            );
        }
    }

    /// An engine reads what is parked, at its claim or only to count it. If another one has claimed since, it may
    /// find what that one parked; it leaves this out as well if it has read it for the claim.
    pub(crate) fn parked_read(&mut self, node: usize, id: SubscriptionId, found: &[ParkedEntry]) {
        let all = self.owners.range_mut((id, 0)..=(id, u64::MAX));
        let its = all.rev().find(|(_, owner)| owner.node == node);
        if let Some((&(_, epoch), owner)) = its {
            let later = found.iter().filter(|entry| entry.epoch > epoch);
            owner.may_leave_out(later);
        }
    }

    /// An engine asks for a position to be written.
    pub(crate) fn commit_called(&mut self, node: usize, write: &OffsetWrite) {
        let (id, epoch) = (write.subscription, write.epoch);
        let label = self.label(id);
        self.history.note(format_args!(
            "e{node} writes {label} at {} (epoch {epoch}), settled {:?}, failures {:?}",
            write.offset, write.settled, write.failures
        ));
        let Some(owner) = self.owners.get_mut(&(id, epoch)) else {
            return self.violated(6, format_args!("{label} has no owner of epoch {epoch}"));
        };
        let Some(log) = self.logs.get(&owner.namespace) else {
            return;
        };
        if let Err(reason) = owner.may_commit(log, write) {
            self.violated(4, format_args!("{label}: {reason}"));
        }
    }

    /// A position was written, or refused.
    pub(crate) fn committed(
        &mut self,
        node: usize,
        write: &OffsetWrite,
        result: &Result<(), OffsetError>,
    ) {
        let (label, epoch) = (self.label(write.subscription), write.epoch);
        if let Err(error) = result {
            let line = format!(
                "e{node}: {label} at {} is not written: {error}",
                write.offset
            );
            self.history.note(line);
        }
        let Some(position) = self.positions.get_mut(&write.subscription) else {
            return;
        };
        let is_owner = position.alive && position.epoch == epoch;
        let before = position.record.offset;
        match result {
            Ok(()) => {
                self.history.count("positions written");
                position.record.offset = write.offset;
                position.record.settled.clone_from(&write.settled);
                position.record.failures.clone_from(&write.failures);
                let replaying = &mut self.replaying;
                let mut unparked = write.unparked.iter().map(|event| event.0);
                let wrong = unparked.find(|event| {
                    let replayed = replaying.gone(write.subscription, epoch, *event);
                    !position.unpark(*event, write) && !replayed
                });
                if let Some(event) = wrong {
                    self.violated(
                        11,
                        format_args!("{label} parks {event} no more, and has not settled it"),
                    );
                }
                if !is_owner {
                    self.violated(
                        6,
                        format_args!(
                            "epoch {epoch} of {label} moves an offset, and is not the owner"
                        ),
                    );
                }
                if write.offset < before {
                    self.violated(
                        7,
                        format_args!("{label} goes back from {before} to {}", write.offset),
                    );
                }
            }
            Err(OffsetError::Fenced) => {
                self.history.count("positions fenced");
                if is_owner {
                    self.violated(6, format_args!("the owner of {label} is fenced"));
                }
            }
            Err(OffsetError::Store(error)) if !error.is_retryable() => {
                self.history.count("positions refused");
                position.refused += 1;
                if position.refused > REFUSED_MAX {
                    self.violated(
                        9,
                        format_args!(
                            "{label} is asked to be written at {} for ever",
                            write.offset
                        ),
                    );
                }
            }
            Err(_) => {}
        }
    }

    /// An engine asks for an event to be parked.
    pub(crate) fn park_called(&mut self, node: usize, entry: &ParkedEntry) {
        let label = self.label(entry.subscription);
        let (sequence, reason) = (entry.sequence.0, &entry.reason);
        self.history.note(format_args!(
            "e{node} parks {sequence} of {label}: {reason}"
        ));
        let owner = self.owners.get(&(entry.subscription, entry.epoch));
        let by_policy = owner.is_some_and(|owner| owner.parking_of(sequence).is_some())
            || self.may_be_replayed(entry.subscription, entry.epoch, sequence);
        let answered = self.answered.get(reason);
        let event = answered.and_then(|answered| answered.event);
        match event {
            None if entry.error.is_some() && by_policy => {
                self.history.count("parked by a policy");
            }
            None => self.violated(
                5,
                format_args!("{label} parks {sequence}, and no current delivery was answered so"),
            ),
            Some((asked, _)) if asked != sequence => {
                self.violated(
                    11,
                    format_args!("{label} parks {sequence} instead of {asked}"),
                );
            }
            Some(_) => {}
        }
    }

    /// An event was parked, or that was refused.
    pub(crate) fn parked(&mut self, entry: &ParkedEntry, result: &Result<(), OffsetError>) {
        let (id, epoch) = (entry.subscription, entry.epoch);
        let label = self.label(id);
        if let Some(position) = self.positions.get_mut(&id) {
            let is_owner = position.alive && position.epoch == epoch;
            match result {
                Ok(()) => {
                    self.history.count("parks");
                    position.parked.insert(entry.sequence.0, entry.clone());
                    if !is_owner {
                        self.violated(
                            6,
                            format_args!("epoch {epoch} of {label} parks, and is not the owner"),
                        );
                    }
                }
                Err(error) => {
                    let line = format!("{label} does not park {}: {error}", entry.sequence);
                    self.history.note(line);
                    if *error == OffsetError::Fenced {
                        self.history.count("parks fenced");
                        if is_owner {
                            self.violated(6, format_args!("the owner of {label} is fenced"));
                        }
                    }
                }
            }
        }
        let answered = self.answered.get(&entry.reason);
        let number = answered.map(|answered| answered.number);
        let owner = self.owners.get_mut(&(id, epoch));
        let by_policy = owner
            .as_ref()
            .and_then(|owner| owner.parking_of(entry.sequence.0));
        if let (Some(number), Some(owner)) = (number.or(by_policy), owner) {
            owner.written(number, result.is_ok());
        }
    }
}

/// The options that matter for reading a history.
fn options(subscription: &Subscription) -> String {
    let options = &subscription.options;
    let mut text = format!("readAhead {}", options.read_ahead_or_default());
    if options.is_batch() {
        let timeout = options.batch_timeout.as_deref().unwrap_or("-");
        text.push_str(&format!(", batches within {timeout}"));
    }
    if let Some(timeout) = &options.ack_timeout {
        text.push_str(&format!(", ackTimeout {timeout}"));
    }
    if options.with_data == Some(true) {
        text.push_str(", withData");
    }
    text
}

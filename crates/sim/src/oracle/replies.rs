//! Which replies are in the log, and why? Invariants 5, 6 and 10.

use photinus_contract::record::NewRecord;
use photinus_contract::store::{AppendError, Appended};
use photinus_contract::{Namespace, SubscriptionId};
use uuid::Uuid;

use super::Oracle;

/// A message that an application published. Its author is `p` and its number.
pub(super) struct Published {
    pub(super) namespace: Namespace,
    pub(super) key: String,
    pub(super) answered: bool,
    /// How often it is in the log.
    pub(super) stored: u32,
}

/// An answer that carries a reply or parks an event. A reply's author is `r` and a number, a park's reason `k` and
/// a number.
#[derive(Clone)]
pub(super) struct Answered {
    pub(super) subscription: SubscriptionId,
    pub(super) epoch: u64,
    /// The number of the delivery.
    pub(super) number: u64,
    /// The event, if the delivery was current.
    pub(super) event: Option<(i64, Uuid)>,
}

impl Published {
    pub(super) fn new(namespace: &str, key: &str) -> Self {
        Self {
            namespace: Namespace::new(namespace),
            key: key.to_owned(),
            answered: false,
            stored: 0,
        }
    }
}

impl Oracle {
    /// The message whose author this is.
    pub(super) fn published(&mut self, author: &str) -> Option<&mut Published> {
        let number = author.strip_prefix('p')?.parse().ok()?;
        self.publishes.get_mut(&number)
    }

    /// If this record is a reply: whether it may be there, and what its owner hears.
    pub(super) fn reply_stored(
        &mut self,
        record: &NewRecord,
        result: &Result<Appended, AppendError>,
    ) {
        let marker = record.content.author().to_owned();
        let Some(answered) = self.answered.get(&marker).cloned() else {
            return;
        };
        let Answered {
            subscription,
            epoch,
            number,
            event,
        } = answered;
        let label = self.label(subscription);
        let Some((sequence, message)) = event else {
            return self.violated(
                5,
                format_args!("{marker} answered a voided delivery of {label}, and is published"),
            );
        };
        let position = self.positions.get(&subscription);
        // A replay answers under the key of the generation in which its event was parked.
        let entry = position.and_then(|position| position.parked.get(&sequence));
        let entry = entry.filter(|entry| entry.replay.is_some());
        let replayed = entry.map(|entry| entry.generation);
        let generation = position.map_or(0, |position| position.generation);
        let generation = replayed.unwrap_or(generation);
        let place = (subscription, generation, sequence);
        let is_owner = position.is_none_or(|position| position.alive && position.epoch == epoch);
        let is_passed = position.is_some_and(|position| {
            sequence <= position.record.offset.0 && !position.parked.contains_key(&sequence)
        });
        match result {
            Ok(_) => {
                self.history.count("replies");
                if !is_owner {
                    self.violated(
                        6,
                        format_args!("{marker} is published by epoch {epoch} of {label}, which has a newer owner"),
                    );
                }
                if record.content.correlator != Some(message) {
                    self.violated(
                        10,
                        format_args!("{marker} does not name the message that it answers"),
                    );
                }
                if let Some(before) = self.replied.insert(place, marker.clone()) {
                    self.violated(
                        10,
                        format_args!("{label} answered {sequence} with {before} and {marker}"),
                    );
                }
            }
            Err(AppendError::DuplicateReply { .. }) => {
                self.history.count("replies found their key");
                if !self.replied.contains_key(&place) {
                    self.violated(
                        10,
                        format_args!(
                            "{marker} is refused as a second reply to {sequence}, and is the first"
                        ),
                    );
                }
            }
            Err(AppendError::Fenced) => {
                self.history.count("replies fenced");
                if is_owner {
                    self.violated(6, format_args!("the owner of {label} is fenced"));
                }
            }
            Err(AppendError::Passed) => {
                self.history.count("replies to what was passed");
                if !is_passed {
                    self.violated(
                        10,
                        format_args!(
                            "{marker} comes before {label} has passed {sequence}, and is refused"
                        ),
                    );
                }
            }
            Err(_) => {}
        }
        let is_stored = !matches!(result, Err(AppendError::Store(_) | AppendError::Fenced));
        if is_stored && replayed.is_some() {
            self.replaying.replied(subscription, sequence);
        }
        let passing = matches!(result, Err(AppendError::Store(_) | AppendError::Fenced));
        if let Some(owner) = self.owners.get_mut(&(subscription, epoch)) {
            owner.written(number, !passing);
        }
    }
}

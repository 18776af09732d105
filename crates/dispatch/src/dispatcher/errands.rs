//! What is to be done for a subscription besides deliveries?

use std::collections::{BTreeMap, VecDeque};

use photinus_contract::{ConnectionId, MessageInput, Sequence, VoidReason};

use super::{Action, Dispatcher};

/// What others have to do for it besides deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Errands {
    /// The driver has not been asked for these yet.
    pub(super) voids: VecDeque<(ConnectionId, u64, VoidReason)>,
    /// Nor for these.
    writes: VecDeque<Write>,
    /// Replies and parked entries that are being written, by the number of their delivery.
    pub(super) writing: BTreeMap<u64, Sequence>,
}

/// A reply or parked entry that the driver has not been asked for yet.
#[derive(Clone, Debug)]
pub(super) struct Write {
    number: u64,
    sequence: Sequence,
    what: Written,
}

#[derive(Clone, Debug)]
pub(super) enum Written {
    Reply(Box<MessageInput>),
    Park {
        reason: String,
        error: Option<String>,
    },
}

impl Errands {
    fn next_write(&mut self) -> Option<Write> {
        while let Some(write) = self.writes.pop_front() {
            // A rewind may have taken the answer back meanwhile.
            if self.writing.contains_key(&write.number) {
                return Some(write);
            }
        }
        None
    }
}

impl<E: Clone> Dispatcher<E> {
    /// Asks for a reply or a parked entry.
    pub(super) fn write(&mut self, number: u64, sequence: Sequence, what: Written) {
        self.errands.change(|errands| {
            errands.writing.insert(number, sequence);
            errands.writes.push_back(Write {
                number,
                sequence,
                what,
            });
        });
    }

    /// What is to be done next besides deliveries.
    pub(super) fn next_errand(&mut self) -> Option<Action<E>> {
        // Nearly always there is none.
        self.errands.get()?;
        let void = self
            .errands
            .change_if_any(|errands| errands.voids.pop_front());
        if let Some((connection, number, reason)) = void.flatten() {
            return Some(Action::Void {
                connection,
                number,
                reason,
            });
        }
        let write = self.errands.change_if_any(Errands::next_write);
        self.write_action(write.flatten()?)
    }

    fn write_action(&self, write: Write) -> Option<Action<E>> {
        let slot = self.slot(write.sequence)?;
        let order = self.order_of(write.sequence);
        let item = self.item(order, write.number, write.sequence, slot.event.clone());
        Some(match write.what {
            Written::Reply(reply) => Action::Reply { item, reply },
            Written::Park { reason, error } => Action::Park {
                item,
                reason,
                error,
            },
        })
    }
}

impl PartialEq for Write {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Write {}
impl std::hash::Hash for Write {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

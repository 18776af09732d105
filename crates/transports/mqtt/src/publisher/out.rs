//! Which messages are out, and since when is the broker's word on them waited for?

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use photinus_contract::{DeliveryId, Sequence, SubscriptionId};
use tokio::time::Instant;

use super::suspects::Suspect;
use crate::options::{Ack, NoSubscribers};
use crate::session::Session;

/// A message that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) subscription: SubscriptionId,
    pub(super) delivery: DeliveryId,
    pub(super) sequence: Sequence,
    pub(super) ack: Ack,
    pub(super) no_subscribers: NoSubscribers,
    pub(super) begun: Instant,
    /// Where its bytes end in what is written.
    pub(super) end: u64,
    /// When they were seen to be written.
    pub(super) written: Option<Instant>,
    /// The broker has said that nobody gets it.
    pub(super) has_none: bool,
}

/// All that is out.
#[derive(Default)]
pub(super) struct Out {
    /// What is acknowledged by its number.
    numbered: HashMap<u16, Sent>,
    /// The same in the order in which it was sent, with what is not out any more.
    order: VecDeque<(Instant, u16)>,
    /// What counts when the kernel has taken it.
    unnumbered: VecDeque<Sent>,
}

impl Out {
    pub(super) fn put(&mut self, id: Option<u16>, sent: Sent) {
        match id {
            Some(id) => {
                let before = self.numbered.insert(id, sent);
                debug_assert!(before.is_none(), "a number is used twice");
                self.order.push_back((sent.begun, id));
            }
            None => self.unnumbered.push_back(sent),
        }
    }

    pub(super) fn numbered(&mut self, id: u16) -> Option<&mut Sent> {
        self.numbered.get_mut(&id)
    }

    pub(super) fn take(&mut self, id: u16) -> Option<Sent> {
        self.numbered.remove(&id)
    }

    /// The oldest without a number, if it is written.
    pub(super) fn take_written(&mut self, session: &Session) -> Option<Sent> {
        self.unnumbered
            .pop_front_if(|sent| sent.end <= session.written())
    }

    pub(super) fn len(&self) -> usize {
        self.numbered.len() + self.unnumbered.len()
    }

    pub(super) fn all(&self) -> Vec<Sent> {
        let all = self.numbered.values().chain(&self.unnumbered);
        all.copied().collect()
    }

    /// When the connection is given up, if nothing is heard until then.
    pub(super) fn deadline(&mut self, session: &Session, limit: Duration) -> Option<Instant> {
        while let Some((begun, id)) = self.order.front().copied() {
            let oldest = self.numbered.get_mut(&id);
            if let Some(sent) = oldest.filter(|sent| sent.begun == begun) {
                return Some(sent.waits_since(session) + limit);
            }
            self.order.pop_front();
        }
        let sent = self.unnumbered.front_mut()?;
        Some(sent.waits_since(session) + limit)
    }
}

impl Sent {
    pub(super) fn suspect(&self) -> Suspect {
        (self.subscription, self.sequence)
    }

    /// Since when the broker has it, or has taken no byte of what is before it.
    fn waits_since(&mut self, session: &Session) -> Instant {
        if self.end > session.written() {
            return self.begun.max(session.wrote());
        }
        *self.written.get_or_insert_with(Instant::now)
    }
}

//! What does the driver do, and what can go wrong around it?

use photinus_contract::Sequence;
use photinus_dispatch::{Action, Arrived, Input, Instant, Item, Taken};

use super::{Fate, LAST, World, Write};

impl World {
    pub(super) fn feed(&mut self) {
        let room = self.dispatcher.room().expect("asked before");
        let first = room.after.0.max(0) + 1;
        let last = LAST.min(first + room.events as i64 - 1);
        let events = (first..=last)
            .map(|sequence| Arrived::new(Sequence(sequence), 10, sequence))
            .collect();
        self.tell(Input::Events {
            events,
            through: Sequence(last),
        });
    }

    pub(super) fn perform(&mut self, action: Action<i64>, taken: Option<Taken>) {
        match action {
            Action::Deliver { connection, item } => {
                assert_eq!(
                    connection,
                    self.id(),
                    "only the connection that is served gets events"
                );
                self.delivered(&item);
                match taken {
                    None => {
                        self.held
                            .insert(item.number, (item.sequence.0, self.connection));
                    }
                    Some(taken) => self.refuse(item.number, &[item.sequence.0], taken),
                }
            }
            Action::DeliverBatch { number, items, .. } => {
                assert!(self.batch.is_none(), "one batch at a time");
                items.iter().for_each(|item| self.delivered(item));
                let numbers = items
                    .iter()
                    .map(|item| (item.number, item.sequence.0))
                    .collect();
                match taken {
                    None => self.batch = Some((number, numbers)),
                    Some(taken) => {
                        let sequences: Vec<_> = items.iter().map(|item| item.sequence.0).collect();
                        self.refuse(number, &sequences, taken);
                    }
                }
            }
            Action::Reply { item, .. } => {
                let sequence = item.sequence.0;
                self.writing.insert(
                    item.number,
                    Write {
                        sequence,
                        is_reply: true,
                        is_current: true,
                    },
                );
            }
            Action::Park { item, .. } => {
                let sequence = item.sequence.0;
                self.writing.insert(
                    item.number,
                    Write {
                        sequence,
                        is_reply: false,
                        is_current: true,
                    },
                );
            }
            Action::Void { number, .. } => {
                if let Some((sequence, _)) = self.held.remove(&number) {
                    self.fates.insert(sequence, Fate::Open);
                    self.late.insert(number);
                } else {
                    let (batch, items) = self.batch.take().expect("only what is held is voided");
                    assert_eq!(batch, number);
                    for (_, sequence) in items {
                        self.fates.insert(sequence, Fate::Open);
                    }
                    self.late.insert(number);
                }
            }
        }
    }

    /// Order: an event is delivered only when everything unsettled below it is with the application.
    pub(super) fn delivered(&mut self, item: &Item<i64>) {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= self.now);
        assert!(
            self.paused.is_none_or(is_over),
            "it was paused, and gets something new"
        );
        let sequence = item.sequence.0;
        for below in self.dispatcher.offset().0.max(0) + 1..sequence {
            let fate = self.fates.get(&below).copied().unwrap_or(Fate::Open);
            assert_ne!(fate, Fate::Open, "{sequence} was delivered before {below}");
        }
        let failures = self.failures.get(&sequence).copied().unwrap_or_default();
        assert_eq!(
            item.attempt,
            1 + failures,
            "attempts are 1 and the counted failures"
        );
        let before = self.fates.insert(sequence, Fate::InFlight);
        assert!(
            matches!(before, None | Some(Fate::Open)),
            "{sequence} was delivered again although it was {before:?}"
        );
    }

    pub(super) fn refuse(&mut self, number: u64, sequences: &[i64], taken: Taken) {
        for sequence in sequences {
            self.fates.insert(*sequence, Fate::Open);
        }
        match taken {
            Taken::Failed { .. } => {
                self.budget.failed_hand_overs -= 1;
                for sequence in sequences {
                    *self.failures.entry(*sequence).or_default() += 1;
                }
                self.rewind();
            }
            _ => {
                self.budget.busy -= 1;
                self.busy = true;
            }
        }
        self.tell(Input::HandedOver { number, taken });
    }

    pub(super) fn written(&mut self, number: u64, stored: bool) {
        let Write {
            sequence,
            is_current,
            ..
        } = self.writing.remove(&number).expect("it is being written");
        let before = self.dispatcher.position();
        self.tell(Input::Written { number, stored });
        if !stored {
            self.budget.failed_writes -= 1;
            if is_current {
                self.fates.insert(sequence, Fate::Open);
                self.rewind();
            } else {
                assert_eq!(self.dispatcher.position(), before);
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.budget.closes -= 1;
        let old = self.id();
        self.connection += 1;
        self.busy = false;
        self.down = false;
        // The next one waits already, and takes over.
        let new = self.id();
        self.tell(Input::Connect(new));
        self.tell(Input::Disconnect(old));
        for (number, (sequence, _)) in std::mem::take(&mut self.held) {
            self.fates.insert(sequence, Fate::Open);
            self.late.insert(number);
        }
        if let Some((number, items)) = self.batch.take() {
            self.late.insert(number);
            for (_, sequence) in items {
                self.fates.insert(sequence, Fate::Open);
            }
        }
        self.rewind();
    }

    pub(super) fn pass_time(&mut self, due: Instant, overdue: bool) {
        assert!(due >= self.now);
        self.now = due;
        let before = self.dispatcher.in_flight();
        self.tell(Input::Timeout);
        if self
            .dispatcher
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            let action = self.dispatcher.clone().poll_action(self.now);
            assert!(
                action.is_some(),
                "a timer that changes nothing would fire for ever: {self:?}"
            );
        }
        if overdue {
            self.budget.timeouts -= 1;
        }
        if self.dispatcher.in_flight() < before {
            let batch: Vec<i64> = self
                .batch
                .iter()
                .flat_map(|(_, items)| items.iter().map(|item| item.1))
                .collect();
            let lowest = self.held.values().map(|(sequence, _)| *sequence).min();
            // Of single deliveries the lowest has failed; a batch failed with all its events. Nobody could have
            // answered during an outage.
            for failed in lowest.into_iter().chain(batch) {
                *self.failures.entry(failed).or_default() += u32::from(!self.down);
            }
            self.rewind();
            // What was voided must be told before anything else, as the driver does.
            while self.dispatcher.in_flight()
                < self.held.len() + self.batch.as_ref().map_or(0, |(_, items)| items.len())
            {
                let action = self
                    .dispatcher
                    .poll_action(self.now)
                    .expect("it was voided");
                self.perform(action, None);
            }
        }
    }
}

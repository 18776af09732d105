//! What may one owner of a subscription do next? Invariants 3, 4 and 12.
//!
//! A model of the promises, not of the code: the offset, what is acknowledged above it, what is settled for good,
//! what is with the application. The next event is always the lowest matching one that is in none of these.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::retry::{Policy, Then};
use photinus_contract::{ConnectionId, HandOver, Outcome, Response, Timestamp, VoidReason};

use super::log::View;

/// One way in which it may stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// It has an ordering key: each key goes by itself, and what is acknowledged is settled.
    pub(super) keyed: bool,
    /// What becomes of events that fail.
    pub(super) policy: Policy,
    /// Every matching event up to here is settled.
    offset: i64,
    /// It begins at the newest event of some moment: after something in this range.
    start: Option<(i64, i64)>,
    acknowledged: BTreeSet<i64>,
    settled: BTreeSet<i64>,
    /// With the application, by the number of the delivery.
    flying: BTreeMap<u64, Flight>,
    /// The number of the batch that is with the application.
    batch: Option<u64>,
    /// Answered with a reply or a park that is being written.
    writing: BTreeMap<u64, Writing>,
    /// The least and the most counted failures that an event may have.
    failures: BTreeMap<i64, (u32, u32)>,
    /// Voided, and the transport has still to be told: the events by the number of the delivery or batch.
    voids: BTreeMap<u64, Vec<i64>>,
    /// The lowest event that ran out of time in the last rewind: one failure of it may have been counted.
    timed_out: Option<i64>,
    /// Its application has asked for a pause: until then, or until somebody resumes it.
    paused: Option<Option<Timestamp>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Flight {
    sequence: i64,
    connection: ConnectionId,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writing {
    sequence: i64,
    park: bool,
}

/// One event that is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    pub(super) number: u64,
    pub(super) sequence: i64,
    pub(super) attempt: u32,
    pub(super) bytes: usize,
}

/// A hand-over and its answer.
pub(super) struct Offer<'a> {
    pub(super) now: Timestamp,
    pub(super) connection: &'a ConnectionId,
    /// The number of the batch, if it is one.
    pub(super) batch: Option<u64>,
    pub(super) items: Vec<Offered>,
    pub(super) answer: &'a HandOver,
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
}

impl State {
    /// At this offset, with these events above it settled and failed.
    pub(super) fn at(
        offset: i64,
        settled: BTreeSet<i64>,
        failures: impl Iterator<Item = (i64, u32)>,
    ) -> Self {
        Self {
            offset,
            settled,
            failures: failures.map(|(at, count)| (at, (count, count))).collect(),
            ..Self::default()
        }
    }

    /// Somewhere in this range, not known before the first delivery.
    pub(super) fn within(low: i64, high: i64) -> Self {
        Self {
            offset: high,
            start: Some((low, high)),
            ..Self::default()
        }
    }

    /// These are settled for good.
    pub(super) fn leave_out(&mut self, parked: &BTreeSet<i64>) {
        let above = parked.iter().filter(|at| **at > self.offset);
        self.settled.extend(above);
    }

    /// Every matching event up to here is settled, and no further.
    pub(super) fn limit(&self, view: View<'_>) -> i64 {
        let settled = |at: &i64| self.acknowledged.contains(at) || self.settled.contains(at);
        let gap = view.after(self.offset).find(|at| !settled(at));
        gap.map_or(view.head().max(self.offset), |gap| gap - 1)
    }

    /// Whether all these are settled for good.
    pub(super) fn has_settled(&self, sequences: impl Iterator<Item = i64>) -> bool {
        sequences
            .filter(|at| *at > self.offset)
            .all(|at| self.settled.contains(&at))
    }

    /// The event that has to be handed over next.
    fn next(&self, view: View<'_>) -> Option<i64> {
        let taken = |at: &i64| {
            self.acknowledged.contains(at)
                || self.settled.contains(at)
                || self.flying.values().any(|flight| flight.sequence == *at)
                || self.writing.values().any(|writing| writing.sequence == *at)
        };
        view.after(self.offset).find(|at| !taken(at))
    }

    /// Why an event must not be handed over now, if it must not.
    fn objection(&self, view: View<'_>, at: i64) -> Option<String> {
        if !self.keyed {
            let expected = self.next(view);
            let wrong = format!("3: {at} is handed over instead of {expected:?}");
            return (expected != Some(at)).then_some(wrong);
        }
        let mut open = view
            .after(self.offset)
            .filter(|other| !self.settled.contains(other));
        let expected = open.find(|other| view.is_of_one_key(*other, at));
        let flying = self.flying.values().map(|flight| flight.sequence);
        let mut out = flying.chain(self.writing.values().map(|writing| writing.sequence));
        match expected {
            Some(first) if first != at => {
                Some(format!("3: {at} is handed over before {first} of its key"))
            }
            None => Some(format!("3: {at} is handed over, and is settled")),
            Some(_) => out
                .any(|out| out == at)
                .then(|| format!("3: {at} is handed over twice")),
        }
    }

    /// An event, or a batch, is handed over.
    pub(super) fn hand_over(&mut self, view: View<'_>, offer: &Offer<'_>) -> Result<(), String> {
        if let (Some((low, high)), Some(first)) = (self.start.take(), offer.items.first())
            && low < first.sequence
            && first.sequence <= high
        {
            self.offset = first.sequence - 1;
        }
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= offer.now);
        if !self.paused.is_none_or(is_over) {
            return Err("3: its application has asked for a pause, and gets more".to_owned());
        }
        if offer.batch.is_some() && !self.flying.is_empty() {
            return Err("3: a second batch is in flight".to_owned());
        }
        for item in &offer.items {
            let at = item.sequence;
            if let Some(objection) = self.objection(view, at) {
                return Err(objection);
            }
            let (least, most) = self.failures.get(&at).copied().unwrap_or_default();
            if !(least + 1..=most + 1).contains(&item.attempt) {
                let attempt = item.attempt;
                return Err(format!(
                    "3: {at} failed {least} to {most} times, and this is attempt {attempt}"
                ));
            }
            self.failures
                .insert(at, (item.attempt - 1, item.attempt - 1));
            let flight = Flight {
                sequence: at,
                connection: offer.connection.clone(),
                bytes: item.bytes,
            };
            self.flying.insert(item.number, flight);
        }
        self.batch = offer.batch;
        self.timed_out = None;
        if self.flying.len() > offer.events_max {
            return Err(format!(
                "3: {} events are in flight, at most {} may be",
                self.flying.len(),
                offer.events_max
            ));
        }
        let bytes: usize = self.flying.values().map(|flight| flight.bytes).sum();
        if bytes > offer.bytes_max && self.flying.len() > 1 {
            return Err(format!(
                "12: {bytes} bytes are in flight, at most {} may be",
                offer.bytes_max
            ));
        }
        self.handed_over(offer);
        Ok(())
    }

    fn handed_over(&mut self, offer: &Offer<'_>) {
        if *offer.answer == HandOver::Ok {
            return;
        }
        for item in &offer.items {
            self.flying.remove(&item.number);
        }
        self.batch = None;
        match offer.answer {
            HandOver::Closed => self.rewind(false),
            HandOver::Failed(_) => {
                let mut back = false;
                for item in &offer.items {
                    back |= self.fail(item.number, item.sequence);
                }
                // With an ordering key, nothing else goes back.
                if back && !self.keyed {
                    self.rewind(true);
                }
            }
            _ => {}
        }
    }

    /// Back to the offset. The transport hears of it, unless the connection is gone.
    fn rewind(&mut self, told: bool) {
        let flying = std::mem::take(&mut self.flying);
        let batch = self.batch.take();
        if told {
            let numbers = flying
                .iter()
                .map(|(number, flight)| (batch.unwrap_or(*number), flight.sequence));
            for (number, sequence) in numbers {
                self.voids.entry(number).or_default().push(sequence);
            }
        }
        self.acknowledged.clear();
        self.writing.retain(|_, writing| writing.park || self.keyed);
        self.timed_out = None;
    }

    /// A counted failure. False if it was the last one: nothing goes back for its sake.
    fn fail(&mut self, number: u64, sequence: i64) -> bool {
        let (least, most) = self.failures.entry(sequence).or_default();
        *least += 1;
        *most += 1;
        // Of what was handed over it is known how often it has failed.
        let is_last = self.policy.attempts_max.is_some_and(|max| *least >= max);
        match self.policy.then {
            Then::Park if is_last => {
                let park = true;
                self.writing.insert(number, Writing { sequence, park });
            }
            Then::Skip if is_last => {
                self.settled.insert(sequence);
            }
            _ => return true,
        }
        false
    }

    /// The transport is told that a delivery or batch is void. False if it was neither current nor void.
    pub(super) fn voided(
        &mut self,
        number: u64,
        connection: &ConnectionId,
        reason: VoidReason,
    ) -> bool {
        if !self.voids.contains_key(&number) {
            let flight = match self.batch {
                Some(batch) if batch == number => self.flying.values().next(),
                Some(_) => None,
                None => self.flying.get(&number),
            };
            if flight.is_none_or(|flight| flight.connection != *connection) {
                return false;
            }
            match self.keyed {
                // With an ordering key each has its own time.
                true if reason == VoidReason::AckTimeout => {
                    let flight = self.flying.remove(&number);
                    let sequence = flight.map(|flight| flight.sequence);
                    if let Some(at) = sequence {
                        self.failures.entry(at).or_default().1 += 1;
                    }
                    return true;
                }
                _ => self.rewind(true),
            }
        }
        let sequences = self.voids.remove(&number).unwrap_or_default();
        match (&sequences[..], reason) {
            (&[at], VoidReason::AckTimeout) => self.ran_out_of_time(at),
            // A batch has failed with all its events.
            (batch, VoidReason::AckTimeout) => {
                for at in batch {
                    self.failures.entry(*at).or_default().1 += 1;
                }
            }
            _ => {}
        }
        true
    }

    /// One failure of the lowest event that ran out of time is counted, if its connection was up.
    fn ran_out_of_time(&mut self, sequence: i64) {
        match self.timed_out {
            Some(lower) if lower < sequence => return,
            Some(higher) => {
                if let Some((_, most)) = self.failures.get_mut(&higher) {
                    *most -= 1;
                }
            }
            None => {}
        }
        self.timed_out = Some(sequence);
        self.failures.entry(sequence).or_default().1 += 1;
    }

    /// The event of a current delivery.
    pub(super) fn current(&self, number: u64) -> Option<i64> {
        Some(self.flying.get(&number)?.sequence)
    }

    /// The application answers. False if it is too late, or the wrong connection.
    pub(super) fn answer(
        &mut self,
        view: View<'_>,
        connection: &ConnectionId,
        response: &Response,
    ) -> bool {
        let number = response.delivery.number();
        let is_there = |flight: &Flight| flight.connection == *connection;
        let answered: Vec<u64> = match self.batch {
            Some(batch) if batch == number && self.flying.values().all(is_there) => {
                self.batch = None;
                self.flying.keys().copied().collect()
            }
            None if self.flying.get(&number).is_some_and(is_there) => vec![number],
            _ => return false,
        };
        let mut back = false;
        for number in answered {
            let Some(flight) = self.flying.remove(&number) else {
                continue;
            };
            let item = response.items.iter().find(|(id, _)| id.number() == number);
            let outcome = item.map_or(&response.outcome, |(_, outcome)| outcome);
            back |= self.settle(number, flight.sequence, outcome);
        }
        self.advance(view);
        if back && !self.keyed {
            self.rewind(true);
        }
        true
    }

    /// Applies one outcome to one event. True if it asks for a rewind.
    fn settle(&mut self, number: u64, sequence: i64, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Acknowledge { reply: None } => self.acknowledge(sequence),
            Outcome::Park { .. } => {
                let park = true;
                self.writing.insert(number, Writing { sequence, park });
            }
            Outcome::Acknowledge { .. } => {
                let park = false;
                self.writing.insert(number, Writing { sequence, park });
            }
            Outcome::Retry { counted, .. } => {
                return !*counted || self.fail(number, sequence);
            }
            Outcome::Pause { until, .. } => {
                // One that was asked for before may be longer.
                self.paused = Some(match self.paused {
                    Some(before) => before.zip(*until).map(|(one, other)| one.max(other)),
                    None => *until,
                });
                return true;
            }
            _ => {
                self.settled.insert(sequence);
            }
        }
        false
    }

    fn acknowledge(&mut self, sequence: i64) {
        match self.keyed {
            true => self.settled.insert(sequence),
            false => self.acknowledged.insert(sequence),
        };
    }

    /// What its application has asked for counts no more.
    pub(super) fn forget_pause(&mut self) {
        self.paused = None;
    }

    /// A connection is gone: what it had is void, and nobody is told.
    pub(super) fn connection_closed(&mut self, connection: &ConnectionId) -> bool {
        let its = self
            .flying
            .values()
            .any(|flight| flight.connection == *connection);
        if its {
            self.rewind(false);
        }
        its
    }

    /// A connection does not want the subscription any more.
    pub(super) fn detached(&mut self, connection: &ConnectionId) -> bool {
        let its = self
            .flying
            .values()
            .any(|flight| flight.connection == *connection);
        if its {
            self.rewind(true);
        }
        its
    }

    /// Whether an event is settled, or is as soon as it is heard that its entry is written.
    pub(super) fn has_passed(&self, view: View<'_>, at: i64) -> bool {
        at <= self.limit(view) || self.settled.contains(&at) || self.parking_of(at).is_some()
    }

    /// Whether nothing is with the application.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }

    /// As it is if it went back, which nobody saw as nothing was in flight.
    pub(super) fn gone_back(&self) -> Self {
        let mut state = self.clone();
        state.rewind(false);
        state
    }

    /// The owner hears that a reply or a parked entry is stored, or is not. False if it does not wait for it.
    pub(super) fn written(&mut self, view: View<'_>, number: u64, stored: bool) -> bool {
        let Some(writing) = self.writing.remove(&number) else {
            return false;
        };
        match (stored, writing.park) {
            (true, true) => {
                self.settled.insert(writing.sequence);
            }
            (true, false) => self.acknowledge(writing.sequence),
            (false, _) if self.keyed => {}
            (false, _) => self.rewind(true),
        }
        self.advance(view);
        true
    }

    /// The deliveries that were answered with a park which is being written.
    pub(super) fn parking(&self) -> impl Iterator<Item = u64> {
        let parking = self.writing.iter().filter(|(_, writing)| writing.park);
        parking.map(|(number, _)| *number)
    }

    /// The delivery whose failure has an event parked.
    pub(super) fn parking_of(&self, sequence: i64) -> Option<u64> {
        let mut parking = self.writing.iter();
        let found = parking.find(|(_, writing)| writing.park && writing.sequence == sequence);
        found.map(|(number, _)| *number)
    }

    /// Whether it waits for this to be written.
    pub(super) fn is_writing(&self, number: u64) -> bool {
        self.writing.contains_key(&number)
    }

    /// Whether nothing is left to be delivered or answered.
    pub(super) fn is_done(&self, view: View<'_>) -> bool {
        self.next(view).is_none() && self.flying.is_empty() && self.writing.is_empty()
    }

    fn advance(&mut self, view: View<'_>) {
        let passed = view
            .after(self.offset)
            .take_while(|at| self.acknowledged.contains(at) || self.settled.contains(at))
            .last();
        if let Some(passed) = passed {
            self.offset = passed;
            self.acknowledged = self.acknowledged.split_off(&(passed + 1));
            self.settled = self.settled.split_off(&(passed + 1));
            self.failures = self.failures.split_off(&(passed + 1));
        }
    }
}

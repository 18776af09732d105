//! What is known of the events, and what must hold?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use photinus_contract::retry::{Delays, Policy, Then};
use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{
    Action, Arrived, Dispatcher, DispatcherConfig, Input, Instant, Item, Replayed, Taken, Verdict,
};

/// How long every failure waits.
const DELAY: Duration = Duration::from_secs(2);
const KEYS: i64 = 3;

/// Neighbours often share one.
fn key(event: i64) -> u64 {
    ((event / 2) % KEYS).unsigned_abs()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Setup {
    pub(crate) read_ahead: u16,
    pub(crate) keyed: bool,
    pub(crate) attempts_max: Option<u32>,
    pub(crate) then: Then,
    /// At the end of a run, the log goes on to here.
    pub(crate) end: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Acknowledge,
    Reply,
    Fail,
    NotCounted,
    Skip,
    Park,
}

/// A delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Out {
    event: i64,
    replay: bool,
    /// Set when it is being parked, or its reply published.
    writing: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    setup: Setup,
    dispatcher: Dispatcher<i64>,
    now: Instant,
    connection: u32,
    read_to: i64,
    /// What became of events of the log for good.
    settled: BTreeSet<i64>,
    /// Acknowledged above something that is not settled: a rewind undoes it. By order.
    provisional: BTreeSet<(bool, i64)>,
    /// What the store has; true if it is marked.
    parked: BTreeMap<i64, bool>,
    /// Replays that the dispatcher was given and that are not settled.
    lane: BTreeSet<i64>,
    out: BTreeMap<u64, Out>,
    failures: BTreeMap<(bool, i64), u32>,
    /// Nothing of an order, or of a key, before that time.
    waits: BTreeMap<u64, (Instant, i64)>,
    /// Settled replays whose entries go with a write that is on its way.
    unwritten: BTreeSet<i64>,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let mut world = Self {
            setup,
            dispatcher: Dispatcher::new(config(setup), &OffsetRecord::new(Sequence(0), 1, 0)),
            now: Instant::default(),
            connection: 0,
            read_to: 0,
            settled: BTreeSet::new(),
            provisional: BTreeSet::new(),
            parked: BTreeMap::new(),
            lane: BTreeSet::new(),
            out: BTreeMap::new(),
            failures: BTreeMap::new(),
            waits: BTreeMap::new(),
            unwritten: BTreeSet::new(),
        };
        let id = world.id();
        world.tell(Input::Connect(id));
        world
    }

    pub(crate) fn feed(&mut self, events: usize) {
        let Some(room) = self.dispatcher.room() else {
            return;
        };
        let last = self.read_to + events.min(room.events) as i64;
        let last = last.min(self.setup.end.max(self.read_to));
        let arrived = |event| Arrived {
            key: key(event),
            ..Arrived::new(Sequence(event), 1, event)
        };
        let events = (self.read_to + 1..=last).map(arrived).collect();
        self.read_to = last;
        let through = Sequence(last);
        self.tell(Input::Events { events, through });
    }

    pub(crate) fn deliver(&mut self) {
        if let Some(item) = self.next() {
            self.look_at(&item);
            let out = Out {
                event: item.event,
                replay: item.replay,
                writing: None,
            };
            self.out.insert(item.number, out);
        }
    }

    /// A delivery is not taken: busy, or failed.
    pub(crate) fn refuse(&mut self, failed: bool) {
        let Some(item) = self.next() else { return };
        self.look_at(&item);
        let number = item.number;
        let taken = match failed {
            true => Taken::Failed {
                reason: "no".to_owned(),
            },
            false => Taken::Busy,
        };
        self.tell(Input::HandedOver { number, taken });
        if failed {
            self.failed(item.event, item.replay, true);
        } else {
            let id = self.id();
            self.tell(Input::Ready(id));
        }
    }

    pub(crate) fn answer(&mut self, which: usize, how: How) {
        let with_application = self.out.iter().filter(|(_, out)| out.writing.is_none());
        let numbers: Vec<u64> = with_application.map(|(number, _)| *number).collect();
        let Some(&number) = numbers.get(which % numbers.len().max(1)) else {
            return;
        };
        let Some(out) = self.out.remove(&number) else {
            return;
        };
        let (verdict, writing) = match how {
            How::Acknowledge => (Verdict::Acknowledge(None), None),
            How::Reply => (Verdict::Acknowledge(Some(Box::default())), Some(false)),
            How::Skip => (Verdict::Skip, None),
            How::Park => (
                Verdict::Park {
                    reason: "no".to_owned(),
                },
                Some(true),
            ),
            How::Fail | How::NotCounted => (
                Verdict::Retry {
                    delay: None,
                    counted: matches!(how, How::Fail),
                    reason: "no".to_owned(),
                },
                None,
            ),
        };
        if writing.is_some() {
            self.out.insert(number, Out { writing, ..out });
        }
        match how {
            How::Acknowledge => self.acknowledged(out),
            How::Skip => self.gone(out),
            How::Reply | How::Park | How::Fail | How::NotCounted => {}
        }
        let connection = self.id();
        self.tell(Input::Answer {
            connection,
            number,
            verdict,
            items: Vec::new(),
        });
        match how {
            How::Fail => self.failed(out.event, out.replay, true),
            How::NotCounted => self.failed(out.event, out.replay, false),
            _ => {}
        }
    }

    pub(crate) fn written(&mut self, which: usize, stored: bool) {
        let being_written = self.out.iter().filter(|(_, out)| out.writing.is_some());
        let numbers: Vec<u64> = being_written.map(|(number, _)| *number).collect();
        let Some(&number) = numbers.get(which % numbers.len().max(1)) else {
            return;
        };
        let Some(out) = self.out.remove(&number) else {
            return;
        };
        let park = out.writing == Some(true);
        match (stored, park) {
            (true, true) => {
                // Marked meanwhile or not: parking again takes the mark off.
                self.parked.insert(out.event, false);
                self.gone(out);
            }
            (true, false) => self.acknowledged(out),
            (false, _) => {}
        }
        self.tell(Input::Written { number, stored });
        if !stored {
            self.failed(out.event, out.replay, false);
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        while let Some(due) = self
            .dispatcher
            .poll_timeout()
            .filter(|due| *due <= self.now)
        {
            let before = self.dispatcher.poll_timeout();
            self.tell(Input::Timeout);
            self.hear();
            let after = self.dispatcher.poll_timeout();
            assert!(after != before, "the timer at {due:?} fires for ever");
        }
    }

    pub(crate) fn mark(&mut self) {
        self.parked.values_mut().for_each(|marked| *marked = true);
        self.tell(Input::ReplaysMarked);
    }

    pub(crate) fn read_replays(&mut self, entries: usize) {
        let Some(room) = self.dispatcher.read_replays() else {
            return;
        };
        let limit = entries.min(room.events);
        let marked = self.parked.iter().filter(|(_, marked)| **marked);
        let above = marked
            .map(|(event, _)| *event)
            .filter(|event| *event > room.after.0);
        let found: Vec<i64> = above.take(limit).collect();
        let more = found.last().filter(|_| found.len() == limit);
        let more = more.map(|last| Sequence(*last));
        let replayed = |&event: &i64| Replayed {
            arrived: Arrived {
                key: key(event),
                ..Arrived::new(Sequence(event), 1, event)
            },
            failures: self.failures.get(&(true, event)).copied().unwrap_or(0),
            since: None,
        };
        let events = found.iter().map(replayed).collect();
        // What is only just being parked comes later; what is settled already, and not yet written, does not.
        let unparked = self.dispatcher.position().unparked;
        let is_taken = |event: &i64| {
            let mut out = self.out.values();
            let is_parking = out.any(|out| !out.replay && out.event == *event);
            let is_settled = unparked.contains(&Sequence(*event)) || self.unwritten.contains(event);
            !is_parking && !is_settled
        };
        let taken: Vec<i64> = found.iter().copied().filter(is_taken).collect();
        self.lane.extend(taken);
        self.tell(Input::Replays { events, more });
    }

    pub(crate) fn discard(&mut self, which: usize) {
        let events: Vec<i64> = self.parked.keys().copied().collect();
        let Some(&event) = events.get(which % events.len().max(1)) else {
            return;
        };
        let is_parking = |out: &Out| out.event == event && out.replay && out.writing == Some(true);
        self.parked.remove(&event);
        self.tell(Input::Discarded(vec![Sequence(event)]));
        if self.out.values().any(is_parking) {
            // It is parked again, and can be discarded again.
            return;
        }
        self.lane.remove(&event);
        // Nothing waits for the sake of what is gone.
        let keyed = self.setup.keyed;
        self.waits
            .retain(|_, (_, failed)| !keyed || *failed != event);
        if !keyed && self.lane.is_empty() {
            self.waits.remove(&1);
        }
        self.provisional.remove(&(true, event));
        self.failures.remove(&(true, event));
        self.out
            .retain(|_, out| !(out.replay && out.event == event));
        self.hear();
    }

    pub(crate) fn reconnect(&mut self) {
        let before = self.id();
        self.connection += 1;
        self.tell(Input::Disconnect(before));
        let id = self.id();
        self.tell(Input::Connect(id));
        self.out.retain(|_, out| match out.writing {
            None => false,
            Some(park) => park || self.setup.keyed,
        });
        self.rewound(false);
        self.rewound(true);
    }

    /// A position is written: as it goes, or as it comes back.
    pub(crate) fn save(&mut self) {
        if self.unwritten.is_empty() {
            let unparked = self.dispatcher.save().unparked;
            self.unwritten = unparked.iter().map(|event| event.0).collect();
            return;
        }
        let written: Vec<Sequence> = self
            .unwritten
            .iter()
            .map(|event| Sequence(*event))
            .collect();
        self.dispatcher.saved(&written);
        for event in std::mem::take(&mut self.unwritten) {
            self.parked.remove(&event);
        }
    }

    /// The process ends and another one goes on where the last position says.
    pub(crate) fn restart(&mut self) {
        let position = self.dispatcher.save();
        for event in &position.unparked {
            self.parked.remove(&event.0);
        }
        let mut record = OffsetRecord::new(position.offset, 2, 0);
        record.settled = position.settled;
        record.failures = position.failures;
        // As the engine does: what is parked is settled, whatever the position says.
        record.settle(self.parked.keys().map(|event| Sequence(*event)));
        for event in std::mem::take(&mut self.unwritten) {
            self.parked.remove(&event);
        }
        self.dispatcher = Dispatcher::new(config(self.setup), &record);
        self.out.clear();
        self.provisional.clear();
        self.lane.clear();
        self.waits.clear();
        let is_kept = |(replay, _): &(bool, i64)| !replay;
        self.failures.retain(|at, _| is_kept(at));
        for failures in &position.replays {
            self.failures
                .insert((true, failures.sequence.0), failures.count);
        }
        self.settled
            .extend(self.parked.keys().filter(|event| **event > record.offset.0));
        self.read_to = record.offset.0;
        let id = self.id();
        self.tell(Input::Connect(id));
        self.tell(Input::ReplaysMarked);
    }

    pub(crate) fn check(&mut self) {
        self.hear();
        let unsettled = (1..=self.read_to).find(|event| {
            !self.settled.contains(event) && !self.provisional.contains(&(false, *event))
        });
        let offset = unsettled.map_or(self.read_to, |event| event - 1);
        assert_eq!(self.dispatcher.offset().0, offset, "the offset");
        for event in self.dispatcher.position().unparked {
            assert!(
                !self.lane.contains(&event.0),
                "{event} is parked no more, and is not settled"
            );
        }
        let max = usize::from(self.setup.read_ahead) + 1;
        assert!(self.dispatcher.in_flight() <= max, "too much is in flight");
        let with_application = self.out.values().filter(|out| out.writing.is_none());
        assert_eq!(self.dispatcher.in_flight(), with_application.count());
    }

    /// Lets everything through: then nothing is left, and nothing is lost.
    pub(crate) fn finish(&mut self) {
        self.mark();
        for _ in 0..10_000 {
            self.pass(3);
            self.read_replays(4);
            if self.read_to < self.setup.end {
                self.feed(4);
            }
            self.deliver();
            self.written(0, true);
            self.answer(0, How::Acknowledge);
            self.check();
            let is_idle = self.out.is_empty() && self.lane.is_empty();
            let offset = self.dispatcher.offset().0;
            if offset >= self.setup.end
                && offset == self.read_to
                && is_idle
                && self.dispatcher.clone().read_replays().is_none()
            {
                break;
            }
        }
        assert!(self.out.is_empty(), "{:?} is never settled", self.out);
        assert!(self.lane.is_empty(), "{:?} is never replayed", self.lane);
        let position = self.dispatcher.save();
        let written = position.unparked.iter().map(|event| event.0);
        for event in written.chain(std::mem::take(&mut self.unwritten)) {
            self.parked.remove(&event);
        }
        assert_eq!(position.offset.0, self.read_to);
        let left: Vec<_> = self.parked.iter().filter(|(_, marked)| **marked).collect();
        assert!(left.is_empty(), "{left:?} is marked and was left out");
        let left = (position.settled, position.failures, position.replays);
        assert_eq!(left, (Vec::new(), Vec::new(), Vec::new()), "what is noted");
    }

    /// How many deliveries are with the application, how many are being written, and how many are parked.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let writing = self
            .out
            .values()
            .filter(|out| out.writing.is_some())
            .count();
        [self.out.len() - writing, writing, self.parked.len()]
    }

    /// Whether more can be read, delivered, or read of replays.
    pub(crate) fn can_go_on(&self) -> [bool; 3] {
        let mut probe = self.clone();
        let can_feed = self.read_to < self.setup.end && self.dispatcher.room().is_some();
        let can_deliver = probe.next().is_some();
        [
            can_feed,
            can_deliver,
            probe.dispatcher.read_replays().is_some(),
        ]
    }

    /// Whether something waits for its time.
    pub(crate) fn waits(&self) -> bool {
        self.dispatcher.poll_timeout().is_some()
    }

    fn id(&self) -> ConnectionId {
        ConnectionId::new(self.connection.to_string())
    }

    fn tell(&mut self, input: Input<i64>) {
        self.dispatcher.handle(self.now, input);
    }

    /// What waits together: a key, or an order.
    fn group(&self, event: i64, replay: bool) -> u64 {
        match self.setup.keyed {
            true => key(event),
            false => u64::from(replay),
        }
    }

    /// Performs what is not a delivery.
    fn hear(&mut self) {
        let mut probe = self.dispatcher.clone();
        while let Some(action) = probe.poll_action(self.now) {
            match action {
                Action::Deliver { .. } => break,
                _ => self.perform_next(),
            }
        }
    }

    fn next(&mut self) -> Option<Item<i64>> {
        self.hear();
        match self.dispatcher.poll_action(self.now)? {
            Action::Deliver { item, .. } => Some(item),
            other => panic!("{other:?}"),
        }
    }

    fn perform_next(&mut self) {
        let (item, park) = match self.dispatcher.poll_action(self.now) {
            Some(Action::Void { number, .. }) => {
                if let Some(out) = self.out.remove(&number) {
                    assert!(out.writing.is_none(), "{out:?} is voided");
                }
                return;
            }
            Some(Action::Park { item, .. }) => (item, true),
            Some(Action::Reply { item, .. }) => (item, false),
            other => panic!("{other:?}"),
        };
        let out = Out {
            event: item.event,
            replay: item.replay,
            writing: Some(park),
        };
        self.out.insert(item.number, out);
    }

    /// What every delivery must be.
    fn look_at(&self, item: &Item<i64>) {
        let (event, replay) = (item.event, item.replay);
        let wait = self.waits.get(&self.group(event, replay));
        assert!(
            wait.is_none_or(|(until, _)| *until <= self.now),
            "{event} does not wait"
        );
        let failures = self.failures.get(&(replay, event)).copied().unwrap_or(0);
        assert_eq!(item.attempt, failures + 1, "the attempts of {event}");
        match replay {
            true => assert!(self.lane.contains(&event), "{event} is not replayed"),
            false => assert!(!self.settled.contains(&event), "{event} is settled"),
        }
        let is_out = |other: i64| self.out.values().any(|out| out.event == other);
        assert!(!is_out(event), "{event} is out twice");
        let is_settled = |other: i64, replay: bool| match replay {
            true => !self.lane.contains(&other) || self.provisional.contains(&(true, other)),
            false => self.settled.contains(&other) || self.provisional.contains(&(false, other)),
        };
        for below in 1..event {
            let same = !self.setup.keyed || key(below) == key(event);
            if !same || is_settled(below, replay) {
                continue;
            }
            assert!(
                !self.setup.keyed && is_out(below),
                "{event} goes out before {below}"
            );
        }
        if self.setup.keyed {
            let mut out = self.out.values();
            let beside = out.find(|out| key(out.event) == key(event));
            assert!(beside.is_none(), "{event} goes out beside {beside:?}");
        }
    }

    fn acknowledged(&mut self, out: Out) {
        if self.setup.keyed {
            return self.gone(out);
        }
        self.provisional.insert((out.replay, out.event));
        self.pass_front(out.replay);
    }

    /// It is settled for good.
    fn gone(&mut self, out: Out) {
        self.failures.remove(&(out.replay, out.event));
        match out.replay {
            true => {
                self.lane.remove(&out.event);
            }
            false => {
                self.settled.insert(out.event);
            }
        }
        self.pass_front(out.replay);
    }

    /// What is acknowledged below everything that is not settled is settled.
    fn pass_front(&mut self, replay: bool) {
        loop {
            let front = match replay {
                true => self.lane.first().copied(),
                false => (1..=self.read_to).find(|event| !self.settled.contains(event)),
            };
            let Some(front) = front.filter(|front| self.provisional.remove(&(replay, *front)))
            else {
                return;
            };
            self.failures.remove(&(replay, front));
            match replay {
                true => {
                    self.lane.remove(&front);
                }
                false => {
                    self.settled.insert(front);
                }
            }
        }
    }

    /// An attempt has failed.
    fn failed(&mut self, event: i64, replay: bool, counted: bool) {
        let out = Out {
            event,
            replay,
            writing: None,
        };
        let failures = self.failures.entry((replay, event)).or_default();
        *failures += u32::from(counted);
        let is_last = self.setup.attempts_max.is_some_and(|max| *failures >= max);
        if *failures == 0 {
            self.failures.remove(&(replay, event));
        }
        match self.setup.then {
            Then::Park if counted && is_last => self.hear(),
            Then::Skip if counted && is_last => self.gone(out),
            _ => {
                let group = self.group(event, replay);
                self.waits.insert(group, (self.now.after(DELAY), event));
                if !self.setup.keyed {
                    self.rewound(replay);
                }
                self.hear();
            }
        }
    }

    /// An order went back to its beginning.
    fn rewound(&mut self, replay: bool) {
        self.provisional.retain(|(of, _)| *of != replay);
        if !self.setup.keyed {
            // The replies of what comes again are not waited for.
            self.out
                .retain(|_, out| out.replay != replay || out.writing != Some(false));
        }
    }
}

fn config(setup: Setup) -> DispatcherConfig {
    DispatcherConfig {
        read_ahead: setup.read_ahead,
        batch_timeout: None,
        ack_timeout: None,
        window_bytes_max: 1_000,
        policy: Policy {
            delays: Delays::Listed([DELAY].into()),
            attempts_max: setup.attempts_max,
            age_max: None,
            then: setup.then,
        },
        keyed: setup.keyed,
    }
}

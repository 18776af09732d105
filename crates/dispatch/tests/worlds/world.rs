//! What can happen in the small world, and what must hold?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{
    Action, Dispatcher, DispatcherConfig, Input, Instant, Item, RetrySchedule, Taken, Verdict,
};

/// The log of the world.
const LAST: i64 = 3;

/// How often each trouble may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) retries: u8,
    pub(crate) parks: u8,
    pub(crate) skips: u8,
    pub(crate) replies: u8,
    pub(crate) pauses: u8,
    pub(crate) closes: u8,
    pub(crate) outages: u8,
    pub(crate) busy: u8,
    pub(crate) failed_hand_overs: u8,
    pub(crate) failed_writes: u8,
    pub(crate) timeouts: u8,
}

/// What became of the newest delivery of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    /// The application has it.
    InFlight,
    /// Acknowledged; a rewind undoes it above the offset.
    Acknowledged,
    /// Parked or skipped, or on its way there; no rewind undoes it.
    Gone,
    /// It was voided.
    Open,
}

/// A reply or a parked entry on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Write {
    sequence: i64,
    is_reply: bool,
    /// Whether the answer that caused it still counts.
    is_current: bool,
}

/// The dispatcher, the application that it talks to, and what the application has seen.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    dispatcher: Dispatcher<i64>,
    now: Instant,
    budget: Budget,
    connection: u8,
    busy: bool,
    down: bool,
    /// Unanswered single deliveries: number, sequence, connection.
    held: BTreeMap<u64, (i64, u8)>,
    /// Voided deliveries that the application may still answer.
    late: BTreeSet<u64>,
    /// The unanswered batch.
    batch: Option<(u64, Vec<(u64, i64)>)>,
    /// Replies and parked entries that are being written.
    writing: BTreeMap<u64, Write>,
    fates: BTreeMap<i64, Fate>,
    failures: BTreeMap<i64, u32>,
    read_ahead: u16,
}

impl World {
    pub(crate) fn new(
        read_ahead: u16,
        batch: bool,
        ack_timeout: Option<u64>,
        budget: Budget,
    ) -> Self {
        let config = DispatcherConfig {
            read_ahead,
            batch_timeout: batch.then_some(Duration::from_secs(1)),
            ack_timeout: ack_timeout.map(Duration::from_secs),
            window_bytes_max: 100,
            retry: RetrySchedule {
                jitter_percent: 0,
                ..RetrySchedule::default()
            },
            seed: 0,
        };
        let mut world = Self {
            dispatcher: Dispatcher::new(config, &OffsetRecord::new(Sequence::OLDEST, 1, 0)),
            now: Instant::default(),
            budget,
            connection: 0,
            busy: false,
            down: false,
            held: BTreeMap::new(),
            late: BTreeSet::new(),
            batch: None,
            writing: BTreeMap::new(),
            fates: BTreeMap::new(),
            failures: BTreeMap::new(),
            read_ahead,
        };
        let id = world.id();
        world.tell(Input::Connect(id));
        // The start is one of the states from which busy and failed hand-overs branch off, so it is
        // entered with all of them still possible.
        world
    }

    /// The states that one step leads to.
    pub(crate) fn steps(&self) -> Vec<World> {
        let mut next = Vec::new();
        let mut step = |act: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            act(&mut world);
            world.check();
            next.push(world);
        };
        // Hand-overs and feeds come first: they are what the driver does before it waits.
        if self
            .dispatcher
            .room()
            .is_some_and(|room| room.after < Sequence(LAST))
        {
            step(&World::feed);
            return next;
        }
        {
            let mut probe = self.clone();
            if let Some(action) = probe.dispatcher.poll_action(self.now) {
                probe.perform(action, None);
                probe.check();
                for (allowed, taken) in [
                    (self.budget.busy > 0, Taken::Busy),
                    (self.budget.failed_hand_overs > 0, Taken::Failed),
                ] {
                    let mut world = self.clone();
                    let action = world.dispatcher.poll_action(self.now);
                    if let Some(action @ (Action::Deliver { .. } | Action::DeliverBatch { .. })) =
                        action
                        && allowed
                    {
                        world.perform(action, Some(taken));
                        world.check();
                        next.push(world);
                    }
                }
                next.push(probe);
                return next;
            }
        }
        for &number in self.held.keys() {
            for (verdict, world) in self.verdicts() {
                let mut world = world;
                world.answer(number, verdict);
                world.check();
                next.push(world);
            }
        }
        if let Some((number, items)) = &self.batch {
            for verdicts in self.batch_verdicts(items.len()) {
                let mut world = self.clone();
                world.answer_batch(*number, items, &verdicts);
                world.check();
                next.push(world);
            }
        }
        for &number in &self.late {
            let mut world = self.clone();
            world.late.remove(&number);
            let before = world.dispatcher.position();
            let connection = world.id();
            let verdict = Verdict::Acknowledge(None);
            world.tell(Input::Answer {
                connection,
                number,
                verdict,
                items: Vec::new(),
            });
            assert_eq!(
                world.dispatcher.position(),
                before,
                "a late answer changes nothing"
            );
            world.check();
            next.push(world);
        }
        for &number in self.writing.keys() {
            for stored in [true, false] {
                if stored || self.budget.failed_writes > 0 {
                    let mut world = self.clone();
                    world.written(number, stored);
                    world.check();
                    next.push(world);
                }
            }
        }
        if self.budget.closes > 0 {
            let mut world = self.clone();
            world.close();
            world.check();
            next.push(world);
        }
        if self.budget.outages > 0 && !self.down {
            let mut world = self.clone();
            world.budget.outages -= 1;
            world.down = true;
            let id = world.id();
            world.tell(Input::Down(id));
            world.check();
            next.push(world);
        }
        if self.down {
            let mut world = self.clone();
            world.down = false;
            world.busy = false;
            let id = world.id();
            world.tell(Input::Up(id));
            world.check();
            next.push(world);
        }
        if self.busy {
            let mut world = self.clone();
            world.busy = false;
            let id = world.id();
            world.tell(Input::Ready(id));
            world.check();
            next.push(world);
        }
        if let Some(due) = self.dispatcher.poll_timeout() {
            let overdue = !self.held.is_empty() || self.batch.is_some();
            if !overdue || self.budget.timeouts > 0 {
                let mut world = self.clone();
                world.pass_time(due, overdue);
                world.check();
                next.push(world);
            }
        }
        next
    }

    /// Nothing can happen any more: then everything must have been settled.
    pub(crate) fn assert_finished(&self) {
        assert_eq!(
            self.dispatcher.offset(),
            Sequence(LAST),
            "it stalls: {self:?}"
        );
        assert_eq!(self.dispatcher.in_flight(), 0);
        assert!(self.dispatcher.position().settled.is_empty());
        assert!(self.dispatcher.position().failures.is_empty());
    }

    fn check(&self) {
        let offset = self.dispatcher.offset().0;
        for sequence in 1..=offset {
            let fate = self.fates.get(&sequence);
            assert!(
                matches!(fate, Some(Fate::Acknowledged | Fate::Gone)),
                "offset {offset} passed {sequence}, which is {fate:?}"
            );
        }
        let bound = match self.batch {
            Some(_) => usize::from(self.read_ahead),
            None => usize::from(self.read_ahead) + 1,
        };
        assert!(
            self.dispatcher.in_flight() <= bound,
            "too much is in flight"
        );
        let ours = self.held.len() + self.batch.as_ref().map_or(0, |(_, items)| items.len());
        assert_eq!(
            self.dispatcher.in_flight(),
            ours,
            "the two sides disagree on what is in flight"
        );
    }

    fn feed(&mut self) {
        let room = self.dispatcher.room().expect("asked before");
        let first = room.after.0.max(0) + 1;
        let last = LAST.min(first + room.events as i64 - 1);
        let events = (first..=last)
            .map(|sequence| (Sequence(sequence), 10, sequence))
            .collect();
        self.tell(Input::Events {
            events,
            through: Sequence(last),
        });
    }

    fn perform(&mut self, action: Action<i64>, taken: Option<Taken>) {
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
    fn delivered(&mut self, item: &Item<i64>) {
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

    fn refuse(&mut self, number: u64, sequences: &[i64], taken: Taken) {
        for sequence in sequences {
            self.fates.insert(*sequence, Fate::Open);
        }
        match taken {
            Taken::Failed => {
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

    /// Each verdict that the budgets allow, with the world that has paid for it.
    fn verdicts(&self) -> Vec<(Verdict, World)> {
        let mut all = vec![(Verdict::Acknowledge(None), self.clone())];
        let mut add = |verdict: Verdict, field: fn(&mut Budget) -> &mut u8| {
            let mut world = self.clone();
            let left = field(&mut world.budget);
            if *left > 0 {
                *left -= 1;
                all.push((verdict, world));
            }
        };
        add(Verdict::Acknowledge(Some(Box::default())), |budget| {
            &mut budget.replies
        });
        add(
            Verdict::Retry {
                delay: None,
                counted: true,
            },
            |budget| &mut budget.retries,
        );
        add(
            Verdict::Retry {
                delay: Some(Duration::ZERO),
                counted: false,
            },
            |b| &mut b.retries,
        );
        add(
            Verdict::Park {
                reason: String::new(),
            },
            |budget| &mut budget.parks,
        );
        add(Verdict::Skip, |budget| &mut budget.skips);
        add(
            Verdict::Pause(Some(self.now.after(Duration::from_secs(9)))),
            |b| &mut b.pauses,
        );
        all
    }

    /// Every combination of verdicts for a batch, as far as the budgets go.
    fn batch_verdicts(&self, items: usize) -> Vec<Vec<Verdict>> {
        let mut all: Vec<(Vec<Verdict>, World)> = vec![(Vec::new(), self.clone())];
        for _ in 0..items {
            all = all
                .into_iter()
                .flat_map(|(verdicts, world)| {
                    world.verdicts().into_iter().map(move |(verdict, world)| {
                        let mut verdicts = verdicts.clone();
                        verdicts.push(verdict);
                        (verdicts, world)
                    })
                })
                .collect();
        }
        all.into_iter().map(|(verdicts, _)| verdicts).collect()
    }

    fn answer(&mut self, number: u64, verdict: Verdict) {
        let (sequence, connection) = self.held.remove(&number).expect("it is held");
        let rewinds = self.note(sequence, &verdict);
        let connection = ConnectionId::new(connection.to_string());
        // What is voided by the rewind is heard of through Void actions; what was acknowledged above the
        // offset is silently open again.
        self.tell(Input::Answer {
            connection,
            number,
            verdict,
            items: Vec::new(),
        });
        if rewinds {
            self.rewind();
        }
    }

    fn answer_batch(&mut self, number: u64, items: &[(u64, i64)], verdicts: &[Verdict]) {
        self.batch = None;
        let mut rewinds = false;
        for ((_, sequence), verdict) in items.iter().zip(verdicts) {
            self.pay(verdict);
            rewinds |= self.note(*sequence, verdict);
        }
        // The last verdict is the frame's own; the others are named.
        let (default, named) = verdicts.split_last().expect("batches are never empty");
        let named = items
            .iter()
            .map(|(item, _)| *item)
            .zip(named.iter().cloned())
            .collect();
        let connection = self.id();
        self.tell(Input::Answer {
            connection,
            number,
            verdict: default.clone(),
            items: named,
        });
        if rewinds {
            self.rewind();
        }
    }

    fn pay(&mut self, verdict: &Verdict) {
        let left = match verdict {
            Verdict::Acknowledge(None) => return,
            Verdict::Acknowledge(Some(_)) => &mut self.budget.replies,
            Verdict::Retry { .. } => &mut self.budget.retries,
            Verdict::Park { .. } => &mut self.budget.parks,
            Verdict::Skip => &mut self.budget.skips,
            Verdict::Pause(_) => &mut self.budget.pauses,
        };
        *left -= 1;
    }

    /// Notes what a verdict does to its event; true if it makes the subscription go back.
    fn note(&mut self, sequence: i64, verdict: &Verdict) -> bool {
        let fate = match verdict {
            // Not settled before the write, but also not to be delivered again without a rewind.
            Verdict::Acknowledge(_) => Fate::Acknowledged,
            Verdict::Park { .. } | Verdict::Skip => Fate::Gone,
            Verdict::Retry { counted, .. } => {
                *self.failures.entry(sequence).or_default() += u32::from(*counted);
                Fate::Open
            }
            Verdict::Pause(_) => Fate::Open,
        };
        self.fates.insert(sequence, fate);
        fate == Fate::Open
    }

    /// Acknowledgements above the offset are open again, and replies under way with them.
    fn rewind(&mut self) {
        let offset = self.dispatcher.offset().0;
        for (_, fate) in self.fates.range_mut(offset + 1..) {
            if *fate == Fate::Acknowledged {
                *fate = Fate::Open;
            }
        }
        for write in self.writing.values_mut() {
            write.is_current &= !write.is_reply;
        }
    }

    fn written(&mut self, number: u64, stored: bool) {
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

    fn close(&mut self) {
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

    fn pass_time(&mut self, due: Instant, overdue: bool) {
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
            let lowest = self
                .held
                .values()
                .map(|(sequence, _)| *sequence)
                .chain(
                    self.batch
                        .iter()
                        .flat_map(|(_, items)| items.iter().map(|item| item.1)),
                )
                .min()
                .expect("something was in flight");
            // Nobody could have answered during an outage.
            *self.failures.entry(lowest).or_default() += u32::from(!self.down);
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

    fn tell(&mut self, input: Input<i64>) {
        let rewinds = matches!(
            input,
            Input::Answer { .. } | Input::HandedOver { .. } | Input::Written { .. }
        );
        self.dispatcher.handle(self.now, input);
        // The driver performs all voids before it does anything else.
        while rewinds
            && self.dispatcher.in_flight()
                < self.held.len() + self.batch.as_ref().map_or(0, |(_, items)| items.len())
        {
            match self.dispatcher.poll_action(self.now) {
                Some(action @ Action::Void { .. }) => self.perform(action, None),
                _ => break,
            }
        }
    }

    fn id(&self) -> ConnectionId {
        ConnectionId::new(self.connection.to_string())
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "fates {:?}, held {:?}, batch {:?}, writing {:?}, {:?}",
            self.fates, self.held, self.batch, self.writing, self.dispatcher
        )
    }
}

//! What can happen in the small world, and what must hold?

mod application;
mod driver;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use photinus_contract::retry::Policy;
use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{Action, Dispatcher, DispatcherConfig, Input, Instant, Taken, Verdict};

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
    pub(crate) asked_pauses: u8,
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
    /// An operator has paused it: until then, or until it is resumed.
    paused: Option<Option<Instant>>,
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
            policy: Policy::default(),
            keyed: false,
        };
        let mut world = Self {
            dispatcher: Dispatcher::new(config, &OffsetRecord::new(Sequence::OLDEST, 1, 0)),
            now: Instant::default(),
            budget,
            connection: 0,
            busy: false,
            down: false,
            paused: None,
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
                    (
                        self.budget.failed_hand_overs > 0,
                        Taken::Failed {
                            reason: String::new(),
                        },
                    ),
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
        if self.budget.asked_pauses > 0 {
            let soon = self.now.after(Duration::from_secs(4));
            for until in [None, Some(soon)] {
                let mut world = self.clone();
                world.budget.asked_pauses -= 1;
                world.paused = Some(until);
                let in_flight = world.dispatcher.in_flight();
                world.tell(Input::Pause(until));
                assert_eq!(world.dispatcher.in_flight(), in_flight, "nothing is voided");
                world.check();
                next.push(world);
            }
        }
        if self.paused.is_some() {
            let mut world = self.clone();
            world.paused = None;
            world.tell(Input::Resume);
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

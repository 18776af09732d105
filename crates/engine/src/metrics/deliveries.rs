//! What is counted of deliveries and their outcomes?
//!
//! For each subscription, and for its *lane*: all subscriptions of one transport in one namespace. An operator has
//! few lanes and can have very many subscriptions, so only lanes are always shown.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use photinus_contract::{HandOver, Outcome, Sequence, Timestamp};

use super::numbers::{Counter, Gauge};

/// Stands for a number that is not known.
const UNKNOWN: i64 = i64::MIN;

/// What is counted for the subscriptions of one transport in one namespace.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(super) delivered: Counter,
    pub(super) batches: Counter,
    pub(super) busy: Counter,
    pub(super) closed: Counter,
    pub(super) failed: Counter,
    pub(super) voided: Counter,
    pub(super) late: Counter,
    pub(super) outcomes: Outcomes,
    pub(super) in_flight: Gauge,
    pub(super) active: Gauge,
    pub(super) ephemeral: Gauge,
    pub(super) paused: Gauge,
    pub(super) delayed: Gauge,
}

/// How deliveries ended.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    ack: Counter,
    reply: Counter,
    retry: Counter,
    park: Counter,
    skip: Counter,
    pause: Counter,
}

impl Outcomes {
    fn of(&self, outcome: &Outcome) -> &Counter {
        match outcome {
            Outcome::Acknowledge { reply: None } => &self.ack,
            Outcome::Acknowledge { reply: Some(_) } => &self.reply,
            Outcome::Park { .. } => &self.park,
            Outcome::Skip { .. } => &self.skip,
            Outcome::Pause { .. } => &self.pause,
            // What is not known is tried again.
            _ => &self.retry,
        }
    }

    pub(super) fn all(&self) -> [(&'static str, u64); 6] {
        [
            ("ack", self.ack.get()),
            ("park", self.park.get()),
            ("pause", self.pause.get()),
            ("reply", self.reply.get()),
            ("retry", self.retry.get()),
            ("skip", self.skip.get()),
        ]
    }
}

/// What is counted for one subscription, and how it stands.
#[derive(Debug)]
pub(crate) struct SubscriptionMetrics {
    pub(super) lane: Arc<Lane>,
    /// What only a durable one is asked for.
    own: Option<Box<Own>>,
    pub(super) in_flight: AtomicU64,
    pub(super) is_active: AtomicBool,
    pub(super) is_paused: AtomicBool,
    pub(super) is_delayed: AtomicBool,
}

/// What is counted for one durable subscription alone, and its position.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) delivered: Counter,
    pub(super) settled: Counter,
    pub(super) failed: Counter,
    pub(super) voided: Counter,
    /// Entries that are parked now.
    parked: AtomicU64,
    pub(super) attempts: AtomicU32,
    offset: AtomicI64,
    /// Nothing is unsettled, and the offset goes with `followed`, without a note for each event.
    is_following: AtomicBool,
    followed: OnceLock<Arc<AtomicI64>>,
    /// When the oldest event above this offset was committed. Belongs to `oldest_of`.
    oldest: AtomicI64,
    oldest_of: AtomicI64,
}

/// How a dispatcher stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub(crate) offset: Sequence,
    pub(crate) in_flight: usize,
    /// Failures of the oldest event that is not settled.
    pub(crate) failures: u32,
    /// When that event was committed, if the dispatcher has it.
    pub(crate) oldest: Option<Timestamp>,
    pub(crate) is_paused: bool,
    pub(crate) is_delayed: bool,
}

impl SubscriptionMetrics {
    /// Of a durable subscription.
    pub(crate) fn durable(lane: Arc<Lane>) -> Self {
        Self::new(lane, Some(Box::default()))
    }

    /// Of an ephemeral subscription. There can be very many, so nothing is counted for it alone.
    pub(crate) fn ephemeral(lane: Arc<Lane>) -> Self {
        Self::new(lane, None)
    }

    fn new(lane: Arc<Lane>, own: Option<Box<Own>>) -> Self {
        Self {
            lane,
            own,
            in_flight: AtomicU64::new(0),
            is_active: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            is_delayed: AtomicBool::new(false),
        }
    }

    /// What is counted for it alone.
    pub(super) fn own(&self) -> Option<&Own> {
        self.own.as_deref()
    }

    /// A transport said this about a hand-over of so many events.
    pub(crate) fn handed_over(&self, hand_over: &HandOver, events: usize) {
        let lane = &self.lane;
        match hand_over {
            HandOver::Ok => {
                lane.delivered.add(events as u64);
                if let Some(own) = self.own() {
                    own.delivered.add(events as u64);
                }
            }
            HandOver::Busy(_) => lane.busy.one(),
            HandOver::Closed => lane.closed.one(),
            _ => {
                lane.failed.one();
                if let Some(own) = self.own() {
                    own.failed.one();
                }
            }
        }
    }

    /// A batch was handed over and taken.
    pub(crate) fn batch_taken(&self) {
        self.lane.batches.one();
    }

    /// So many events had this outcome.
    pub(crate) fn ended(&self, outcome: &Outcome, events: usize) {
        let events = events as u64;
        self.lane.outcomes.of(outcome).add(events);
        let Some(own) = self.own() else {
            return;
        };
        match outcome {
            Outcome::Acknowledge { .. } | Outcome::Park { .. } | Outcome::Skip { .. } => {
                own.settled.add(events);
            }
            Outcome::Pause { .. } => {}
            _ => own.failed.add(events),
        }
    }

    /// A delivery or batch was voided.
    pub(crate) fn voided(&self) {
        self.lane.voided.one();
        if let Some(own) = self.own() {
            own.voided.one();
        }
    }

    /// So many answers came too late.
    pub(crate) fn late(&self, answers: u64) {
        self.lane.late.add(answers);
    }

    /// An event was parked.
    pub(crate) fn parked(&self) {
        if let Some(own) = self.own() {
            own.parked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its dispatcher stands like this. Called by the one shard that has it, after each of its turns.
    pub(crate) fn stands(&self, now: Now) {
        self.change(now, true);
        if let Some(own) = self.own() {
            own.attempts.store(now.failures, Ordering::Relaxed);
            own.offset.store(now.offset.0, Ordering::Relaxed);
            let oldest = now.oldest.map_or(UNKNOWN, Timestamp::as_nanos);
            own.note_oldest(now.offset, oldest);
        }
    }

    /// Its position was set, while nobody serves it.
    pub(crate) fn moved(&self, offset: Sequence) {
        if let Some(own) = self.own() {
            own.attempts.store(0, Ordering::Relaxed);
            own.offset.store(offset.0, Ordering::Relaxed);
            own.is_following.store(false, Ordering::Release);
        }
    }

    /// Nothing is unsettled: from now on it is as far as the shard that has it, which is told by this number.
    pub(crate) fn follow(&self, passed: &Arc<AtomicI64>) {
        if let Some(own) = self.own() {
            // The shard of a subscription does not change, and its number does not either.
            own.followed.get_or_init(|| passed.clone());
            own.is_following.store(true, Ordering::Release);
        }
    }

    /// The position is this one again.
    pub(crate) fn unfollow(&self, offset: Sequence) {
        if let Some(own) = self.own()
            && own.is_following.load(Ordering::Relaxed)
        {
            own.offset.store(offset.0, Ordering::Relaxed);
            own.is_following.store(false, Ordering::Release);
        }
    }

    /// Its dispatcher has ended. How far it came and how often it failed stays known.
    pub(crate) fn ended_serving(&self) {
        self.change(Now::default(), false);
    }

    fn change(&self, now: Now, is_active: bool) {
        let swap = |flag: &AtomicBool, value: bool| u64::from(flag.swap(value, Ordering::Relaxed));
        let lane = &self.lane;
        let serving = match self.own {
            None => &lane.ephemeral,
            Some(_) => &lane.active,
        };
        serving.change(swap(&self.is_active, is_active), u64::from(is_active));
        let paused = u64::from(now.is_paused);
        lane.paused
            .change(swap(&self.is_paused, now.is_paused), paused);
        let delayed = u64::from(now.is_delayed);
        lane.delayed
            .change(swap(&self.is_delayed, now.is_delayed), delayed);
        let in_flight = now.in_flight as u64;
        let before = self.in_flight.swap(in_flight, Ordering::Relaxed);
        lane.in_flight.change(before, in_flight);
    }

    /// What the store says of it, where nobody serves it: the position, and how many entries are parked that were not
    /// counted.
    pub(crate) fn learnt(&self, offset: Sequence, parked: u64) {
        if let Some(own) = self.own() {
            let to = offset.0;
            let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
            let _ = own.offset.compare_exchange(UNKNOWN, to, set, get);
            own.parked.fetch_add(parked, Ordering::Relaxed);
        }
    }

    /// Entries of it that are parked now.
    pub(super) fn parked_now(&self) -> u64 {
        let own = self.own();
        own.map_or(0, |own| own.parked.load(Ordering::Relaxed))
    }

    /// The position, as far as it is known.
    pub(crate) fn offset(&self) -> Option<Sequence> {
        let own = self.own()?;
        let passed = match own.is_following.load(Ordering::Acquire) {
            true => own.followed.get().map(|to| to.load(Ordering::Acquire)),
            false => None,
        };
        // It may have got something while this was asked.
        let passed = passed.filter(|_| own.is_following.load(Ordering::Acquire));
        let offset = passed.unwrap_or_else(|| own.offset.load(Ordering::Acquire));
        (offset != UNKNOWN).then_some(Sequence(offset))
    }

    /// When the oldest event above its offset was committed, as far as that is known.
    pub(super) fn oldest(&self, offset: Sequence) -> Option<Timestamp> {
        let own = self.own()?;
        let oldest = own.oldest.load(Ordering::Relaxed);
        let is_of_it = own.oldest_of.load(Ordering::Relaxed) == offset.0;
        (is_of_it && oldest != UNKNOWN).then(|| Timestamp::from_nanos(oldest))
    }

    pub(super) fn learnt_oldest(&self, offset: Sequence, oldest: Timestamp) {
        if let Some(own) = self.own() {
            own.note_oldest(offset, oldest.as_nanos());
        }
    }
}

impl Own {
    fn note_oldest(&self, offset: Sequence, oldest: i64) {
        // Two who do this at once may mix; the next turn, or the next look, puts it right.
        self.oldest_of.store(UNKNOWN, Ordering::Relaxed);
        self.oldest.store(oldest, Ordering::Relaxed);
        self.oldest_of.store(offset.0, Ordering::Relaxed);
    }
}

impl Default for Own {
    fn default() -> Self {
        Self {
            delivered: Counter::default(),
            settled: Counter::default(),
            failed: Counter::default(),
            voided: Counter::default(),
            parked: AtomicU64::new(0),
            attempts: AtomicU32::new(0),
            offset: AtomicI64::new(UNKNOWN),
            is_following: AtomicBool::new(false),
            followed: OnceLock::new(),
            oldest: AtomicI64::new(UNKNOWN),
            oldest_of: AtomicI64::new(UNKNOWN),
        }
    }
}

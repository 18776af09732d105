//! What becomes of events that always fail, and of those beside them?

use std::collections::BTreeSet;
use std::time::Duration;

use photinus_contract::retry::{Delays, Policy, Then};
use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{
    Action, Arrived, Dispatcher, DispatcherConfig, Input, Instant, Item, Taken, Verdict,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn policy(attempts_max: u32, then: Then) -> Policy {
    Policy {
        delays: Delays::Listed([SECOND].into()),
        attempts_max: Some(attempts_max),
        age_max: None,
        then,
    }
}

fn config(read_ahead: u16, policy: Policy) -> DispatcherConfig {
    DispatcherConfig {
        read_ahead,
        batch_timeout: None,
        ack_timeout: None,
        window_bytes_max: 1 << 20,
        policy,
        keyed: false,
    }
}

/// A receiver that can never take some events, and the dispatcher that serves it.
struct Receiver {
    dispatcher: Dispatcher<i64>,
    now: Instant,
    poison: BTreeSet<i64>,
    parked: Vec<i64>,
    errors: Vec<Option<String>>,
    taken: Vec<i64>,
    attempts: usize,
}

impl Receiver {
    fn new(config: DispatcherConfig, events: i64, poison: impl IntoIterator<Item = i64>) -> Self {
        let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
        let now = Instant::default();
        dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
        let mut read = 0;
        let mut receiver = Self {
            dispatcher,
            now,
            poison: poison.into_iter().collect(),
            parked: Vec::new(),
            errors: Vec::new(),
            taken: Vec::new(),
            attempts: 0,
        };
        while receiver.step(&mut read, events) {}
        receiver
    }

    /// False if nothing can happen any more.
    fn step(&mut self, read: &mut i64, events: i64) -> bool {
        if let Some(room) = self.dispatcher.room().filter(|_| *read < events) {
            let last = events.min(*read + room.events as i64);
            let arrived = |n: i64| Arrived::new(Sequence(n), 1, n);
            let events = (*read + 1..=last).map(arrived).collect();
            *read = last;
            let through = Sequence(last);
            self.tell(Input::Events { events, through });
            return true;
        }
        match self.dispatcher.poll_action(self.now) {
            Some(Action::Deliver { item, .. }) => self.take(item.number, &[item]),
            Some(Action::DeliverBatch { number, items, .. }) => self.take(number, &items),
            Some(Action::Park { item, error, .. }) => {
                self.parked.push(item.event);
                self.errors.push(error);
                let number = item.number;
                self.tell(Input::Written {
                    number,
                    stored: true,
                });
            }
            Some(_) => {}
            None => match self.dispatcher.poll_timeout() {
                Some(due) => {
                    assert!(due >= self.now && self.attempts < 10_000, "it never ends");
                    self.now = due;
                    self.tell(Input::Timeout);
                }
                None => return false,
            },
        }
        true
    }

    fn take(&mut self, number: u64, items: &[Item<i64>]) {
        self.attempts += 1;
        let failing = items.iter().find(|item| self.poison.contains(&item.event));
        let verdict = match failing {
            Some(item) => Verdict::Retry {
                delay: None,
                counted: true,
                reason: format!("cannot read {}", item.event),
            },
            None => {
                self.taken.extend(items.iter().map(|item| item.event));
                Verdict::Acknowledge(None)
            }
        };
        self.tell(Input::Answer {
            connection: ConnectionId::new("a"),
            number,
            verdict,
            items: Vec::new(),
        });
    }

    fn tell(&mut self, input: Input<i64>) {
        self.dispatcher.handle(self.now, input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_batch_that_fails_only_the_failing_event_is_set_aside(
        size in 1u16..20,
        events in 1i64..60,
        poison in prop::collection::btree_set(1i64..60, 0..5),
        attempts_max in 1u32..4,
        skip in any::<bool>(),
    ) {
        let then = if skip { Then::Skip } else { Then::Park };
        let config = DispatcherConfig {
            batch_timeout: Some(Duration::ZERO),
            ..config(size, policy(attempts_max, then))
        };
        let poison: BTreeSet<i64> = poison.into_iter().filter(|event| *event <= events).collect();
        let receiver = Receiver::new(config, events, poison.clone());
        prop_assert_eq!(receiver.dispatcher.offset(), Sequence(events));
        let healthy: Vec<i64> = (1..=events).filter(|event| !poison.contains(event)).collect();
        // Each once, in order: what failed with others was taken by nobody.
        prop_assert_eq!(&receiver.taken, &healthy);
        let parked: Vec<i64> = poison.iter().copied().filter(|_| !skip).collect();
        prop_assert_eq!(&receiver.parked, &parked);
        // To find one takes its attempts, and a few more that halve the batch.
        let batches = 2 * events as usize + 1;
        let to_find_one = attempts_max as usize + 2 * 5 + 2;
        prop_assert!(receiver.attempts <= batches + poison.len() * to_find_one, "{}", receiver.attempts);
    }

    #[test]
    fn of_single_events_the_failing_one_is_set_aside_after_its_attempts(
        read_ahead in 0u16..6,
        poison in prop::collection::btree_set(1i64..30, 0..4),
        attempts_max in 1u32..5,
    ) {
        let receiver = Receiver::new(config(read_ahead, policy(attempts_max, Then::Park)), 30, poison.clone());
        prop_assert_eq!(receiver.dispatcher.offset(), Sequence(30));
        prop_assert_eq!(receiver.parked.iter().copied().collect::<BTreeSet<_>>(), poison);
        for (event, error) in receiver.parked.iter().zip(&receiver.errors) {
            let said = format!("cannot read {event}");
            prop_assert_eq!(error.as_ref(), Some(&said));
        }
    }
}

#[test]
fn an_event_that_is_held_is_tried_on_alone_and_nothing_passes_it() {
    let mut config = config(8, policy(2, Then::Hold));
    config.batch_timeout = Some(Duration::ZERO);
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    let mut now = Instant::default();
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    let events = (1..=8).map(|n| Arrived::new(Sequence(n), 1, n)).collect();
    let through = Sequence(8);
    dispatcher.handle(now, Input::Events { events, through });
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let Some(Action::DeliverBatch { number, items, .. }) = dispatcher.poll_action(now) else {
            panic!("a batch is due");
        };
        sizes.push(items.len());
        let verdict = match items.iter().any(|item| item.event == 3) && sizes.len() < 12 {
            true => Verdict::Retry {
                delay: None,
                counted: true,
                reason: String::new(),
            },
            false => Verdict::Acknowledge(None),
        };
        let (connection, items) = (ConnectionId::new("a"), Vec::new());
        dispatcher.handle(
            now,
            Input::Answer {
                connection,
                number,
                verdict,
                items,
            },
        );
        now = dispatcher.poll_timeout().unwrap_or(now);
        dispatcher.handle(now, Input::Timeout);
    }
    // All twice, halves until 1 and 2 are through, then 3 alone until it is taken.
    assert_eq!(sizes, [8, 8, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(dispatcher.offset(), Sequence(3));
    let Some(Action::DeliverBatch { items, .. }) = dispatcher.poll_action(now) else {
        panic!("the rest is due");
    };
    assert_eq!(items.len(), 1, "what failed together is tried apart");
}

#[test]
fn an_event_is_tried_for_as_long_as_its_policy_says_and_once_more_at_the_end() {
    let age_max = Some(Duration::from_secs(10));
    let policy = Policy {
        delays: Delays::Listed([1, 4].map(Duration::from_secs).into()),
        attempts_max: None,
        age_max,
        then: Then::Park,
    };
    let start = Instant(Duration::from_secs(1_000));
    let mut record = OffsetRecord::new(Sequence(0), 1, 0);
    let mut times = Vec::new();
    let mut now = start;
    let mut parked = None;
    // Each attempt is made by a process of its own: what is known of the failures is in the record.
    while parked.is_none() && times.len() < 20 {
        let mut dispatcher = Dispatcher::new(config(0, policy.clone()), &record);
        dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
        let events = vec![Arrived::new(Sequence(1), 1, 1)];
        let through = Sequence(1);
        dispatcher.handle(now, Input::Events { events, through });
        let Some(Action::Deliver { item, connection }) = dispatcher.poll_action(now) else {
            panic!("it is delivered");
        };
        times.push(now.since(start).as_secs());
        assert_eq!(item.attempt as usize, times.len());
        let verdict = Verdict::Retry {
            // More than is left of its time: the receiver's wish is cut.
            delay: (times.len() == 3).then_some(Duration::from_secs(3_600)),
            counted: true,
            reason: "no".to_owned(),
        };
        let (number, items) = (item.number, Vec::new());
        dispatcher.handle(
            now,
            Input::Answer {
                connection,
                number,
                verdict,
                items,
            },
        );
        if let Some(Action::Park { reason, .. }) = dispatcher.poll_action(now) {
            parked = Some((now.since(start).as_secs(), reason));
        } else {
            now = dispatcher.poll_timeout().expect("it is tried again");
        }
        let position = dispatcher.save();
        record.failures = position.failures;
    }
    assert_eq!(times, [0, 1, 5, 10]);
    let reason = "it failed for too long (4 attempts)".to_owned();
    assert_eq!(parked, Some((10, reason)));
}

#[test]
fn an_outage_uses_up_nothing() {
    let mut dispatcher = Dispatcher::new(
        config(0, policy(1, Then::Park)),
        &OffsetRecord::new(Sequence(0), 1, 0),
    );
    let mut now = Instant::default();
    let a = || ConnectionId::new("a");
    dispatcher.handle(now, Input::Connect(a()));
    let events = vec![Arrived::new(Sequence(1), 1, 1)];
    let through = Sequence(1);
    dispatcher.handle(now, Input::Events { events, through });
    for trouble in 0..40 {
        let action = dispatcher.poll_action(now);
        let Some(Action::Deliver { item, .. }) = action else {
            panic!("it is delivered, and not {action:?}");
        };
        assert_eq!(item.attempt, 1);
        let number = item.number;
        match trouble % 4 {
            0 => {
                let taken = Taken::Busy;
                dispatcher.handle(now, Input::HandedOver { number, taken });
                dispatcher.handle(now, Input::Ready(a()));
            }
            1 => {
                dispatcher.handle(now, Input::Disconnect(a()));
                dispatcher.handle(now, Input::Connect(a()));
            }
            2 => {
                let taken = Taken::Closed;
                dispatcher.handle(now, Input::HandedOver { number, taken });
                dispatcher.handle(now, Input::Connect(a()));
            }
            _ => {
                let verdict = Verdict::Retry {
                    delay: None,
                    counted: false,
                    reason: "the broker is down".to_owned(),
                };
                let (connection, items) = (a(), Vec::new());
                dispatcher.handle(
                    now,
                    Input::Answer {
                        connection,
                        number,
                        verdict,
                        items,
                    },
                );
                now = now.after(SECOND);
                dispatcher.handle(now, Input::Timeout);
            }
        }
        while let Some(Action::Void { .. }) = dispatcher.clone().poll_action(now) {
            dispatcher.poll_action(now);
        }
    }
}

//! Does a dispatcher with a long window agree with a model of a few lines?

use std::collections::BTreeSet;
use std::time::Duration;

use photinus_contract::retry::{Delays, Policy};
use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{
    Action, Arrived, Dispatcher, DispatcherConfig, Input, Instant, Taken, Verdict,
};
use proptest::prelude::*;

/// What the promises say, without windows, slots and numbers.
#[derive(Debug)]
struct Model {
    matching: BTreeSet<i64>,
    read_to: i64,
    settled: BTreeSet<i64>,
    gone: BTreeSet<i64>,
    in_flight: BTreeSet<i64>,
}

impl Model {
    fn unsettled(&self) -> impl Iterator<Item = i64> {
        self.matching
            .range(..=self.read_to)
            .copied()
            .filter(|event| !self.settled.contains(event) && !self.gone.contains(event))
    }

    fn offset(&self) -> i64 {
        self.unsettled()
            .next()
            .map_or(self.read_to, |event| event - 1)
    }

    fn next(&self) -> Option<i64> {
        self.unsettled()
            .find(|event| !self.in_flight.contains(event))
    }

    fn rewind(&mut self) {
        let offset = self.offset();
        self.settled.retain(|event| *event <= offset);
        self.in_flight.clear();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Feed { events: usize, skip: i64 },
    Deliver,
    Busy,
    Answer { which: usize, how: How },
    Stale { number: u64 },
    Reconnect,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Acknowledge,
    Retry,
    Skip,
    Park,
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        6 => Just(How::Acknowledge), 1 => Just(How::Retry), 1 => Just(How::Skip), 1 => Just(How::Park)
    ];
    prop_oneof![
        3 => (0usize..6, 0i64..4).prop_map(|(events, skip)| Step::Feed { events, skip }),
        8 => Just(Step::Deliver),
        1 => Just(Step::Busy),
        8 => (any::<usize>(), how).prop_map(|(which, how)| Step::Answer { which, how }),
        1 => (0u64..200).prop_map(|number| Step::Stale { number }),
        1 => Just(Step::Reconnect),
        1 => Just(Step::Restart),
    ]
}

/// Every failure is tried again at once.
fn at_once() -> Policy {
    let delays = Delays::Listed([Duration::ZERO].into());
    Policy {
        delays,
        ..Policy::default()
    }
}

fn config(read_ahead: u16) -> DispatcherConfig {
    DispatcherConfig {
        read_ahead,
        batch_timeout: None,
        ack_timeout: None,
        window_bytes_max: 1_000,
        policy: at_once(),
        keyed: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_delivers_and_settles_what_the_model_does(
        read_ahead in 0u16..12,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let now = Instant::default();
        let mut connection = 0;
        let id = |n: u32| ConnectionId::new(n.to_string());
        let mut dispatcher = Dispatcher::new(config(read_ahead), &OffsetRecord::new(Sequence(0), 1, 0));
        dispatcher.handle(now, Input::Connect(id(connection)));
        let mut model = Model {
            matching: BTreeSet::new(), read_to: 0, settled: BTreeSet::new(),
            gone: BTreeSet::new(), in_flight: BTreeSet::new(),
        };
        // Deliveries that the application holds: number and event.
        let mut held: Vec<(u64, i64)> = Vec::new();
        for step in steps {
            match step {
                Step::Feed { events, skip } => {
                    let Some(room) = dispatcher.room() else { continue };
                    let first = room.after.0 + 1 + skip;
                    let last = first + events.min(room.events) as i64;
                    let new: Vec<i64> = (first..last).collect();
                    model.matching.extend(&new);
                    model.read_to = last;
                    let events = new.iter().map(|event| Arrived::new(Sequence(*event), 10, *event)).collect();
                    dispatcher.handle(now, Input::Events { events, through: Sequence(last) });
                }
                Step::Deliver | Step::Busy => {
                    let busy = matches!(step, Step::Busy);
                    let expected = model.next();
                    let action = loop {
                        match dispatcher.poll_action(now) {
                            Some(Action::Void { .. }) => {}
                            other => break other,
                        }
                    };
                    match action {
                        Some(Action::Deliver { item, .. }) => {
                            prop_assert_eq!(Some(item.event), expected);
                            if busy {
                                let taken = Input::HandedOver { number: item.number, taken: Taken::Busy };
                                dispatcher.handle(now, taken);
                                prop_assert!(dispatcher.poll_action(now).is_none());
                                dispatcher.handle(now, Input::Ready(id(connection)));
                            } else {
                                model.in_flight.insert(item.event);
                                held.push((item.number, item.event));
                            }
                        }
                        None => prop_assert_eq!(expected, None),
                        other => prop_assert!(false, "unexpected {:?}", other),
                    }
                }
                Step::Answer { which, how } => {
                    if held.is_empty() { continue }
                    let (number, event) = held.remove(which % held.len());
                    model.in_flight.remove(&event);
                    let verdict = match how {
                        How::Acknowledge => { model.settled.insert(event); Verdict::Acknowledge(None) }
                        How::Skip => { model.gone.insert(event); Verdict::Skip }
                        How::Park => { model.gone.insert(event); Verdict::Park { reason: "no".into() } }
                        How::Retry => {
                            model.rewind();
                            held.clear();
                            Verdict::Retry { delay: None, counted: true, reason: String::new() }
                        }
                    };
                    let connection = id(connection);
                    dispatcher.handle(now, Input::Answer { connection, number, verdict, items: vec![] });
                    if let How::Park = how {
                        let action = dispatcher.poll_action(now);
                        prop_assert!(matches!(action, Some(Action::Park { .. })), "{:?}", action);
                        dispatcher.handle(now, Input::Written { number, stored: true });
                    }
                }
                Step::Stale { number } => {
                    if held.iter().any(|(current, _)| *current == number) { continue }
                    let verdict = Verdict::Retry { delay: None, counted: true, reason: String::new() };
                    let connection = id(connection);
                    let late = dispatcher.late_answers();
                    dispatcher.handle(now, Input::Answer { connection, number, verdict, items: vec![] });
                    prop_assert_eq!(dispatcher.late_answers(), late + 1);
                }
                Step::Reconnect => {
                    dispatcher.handle(now, Input::Disconnect(id(connection)));
                    connection += 1;
                    dispatcher.handle(now, Input::Connect(id(connection)));
                    model.rewind();
                    held.clear();
                }
                Step::Restart => {
                    let position = dispatcher.save();
                    let mut record = OffsetRecord::new(position.offset, 2, 0);
                    record.settled = position.settled;
                    record.failures = position.failures;
                    dispatcher = Dispatcher::new(config(read_ahead), &record);
                    dispatcher.handle(now, Input::Connect(id(connection)));
                    model.rewind();
                    held.clear();
                    // It reads on from the offset, as the engine would feed it.
                    let again: Vec<i64> = model.matching.range(position.offset.0 + 1..).copied().collect();
                    let events = again.iter().map(|event| Arrived::new(Sequence(*event), 10, *event)).collect();
                    let room = dispatcher.room().map_or(0, |room| room.events);
                    prop_assert!(again.iter().filter(|e| !model.gone.contains(e)).count() <= room);
                    let through = Sequence(model.read_to);
                    dispatcher.handle(now, Input::Events { events, through });
                }
            }
            prop_assert_eq!(dispatcher.offset().0, model.offset());
            prop_assert_eq!(dispatcher.in_flight(), model.in_flight.len());
        }
    }
}

#[test]
fn a_window_is_bounded_by_bytes_and_one_event_always_passes() {
    let now = Instant::default();
    let config = DispatcherConfig {
        window_bytes_max: 100,
        ..config(1_000)
    };
    let mut dispatcher = Dispatcher::new(config.clone(), &OffsetRecord::new(Sequence(0), 1, 0));
    assert!(
        dispatcher.room().is_none(),
        "without a connection nothing is read"
    );
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    let feed = |dispatcher: &mut Dispatcher<i64>, sequence: i64, bytes: usize| {
        let events = vec![Arrived::new(Sequence(sequence), bytes, sequence)];
        dispatcher.handle(
            now,
            Input::Events {
                events,
                through: Sequence(sequence),
            },
        );
    };
    feed(&mut dispatcher, 1, 60);
    assert_eq!(
        dispatcher.room().map(|room| (room.events, room.bytes)),
        Some((1_000, 40))
    );
    feed(&mut dispatcher, 2, 60);
    assert!(dispatcher.room().is_none());
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    feed(&mut dispatcher, 1, 100_000);
    assert!(dispatcher.room().is_none());
    assert!(matches!(
        dispatcher.poll_action(now),
        Some(Action::Deliver { .. })
    ));
}

#[test]
fn events_that_do_not_match_move_the_offset_without_a_delivery() {
    let now = Instant::default();
    let mut dispatcher: Dispatcher<i64> =
        Dispatcher::new(config(0), &OffsetRecord::new(Sequence(0), 1, 0));
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    dispatcher.handle(
        now,
        Input::Events {
            events: vec![],
            through: Sequence(1_000),
        },
    );
    assert_eq!(dispatcher.offset(), Sequence(1_000));
    assert_eq!(dispatcher.unsaved(), photinus_dispatch::Unsaved::Passed);
    assert!(dispatcher.poll_action(now).is_none());
    let events = vec![Arrived::new(Sequence(1_005), 10, 1_005)];
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(1_010),
        },
    );
    assert_eq!(dispatcher.offset(), Sequence(1_004));
}

/// A batch subscription with something ready.
fn batch(batch_timeout: Duration, window_bytes_max: usize) -> Dispatcher<i64> {
    let config = DispatcherConfig {
        batch_timeout: Some(batch_timeout),
        window_bytes_max,
        ..config(10)
    };
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    let now = Instant::default();
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    let events = vec![Arrived::new(Sequence(1), 60, 1)];
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(1),
        },
    );
    dispatcher
}

#[test]
fn a_batch_that_cannot_go_out_asks_for_no_timer() {
    let a = || ConnectionId::new("a");
    let second = Duration::from_secs(1);
    let due = Instant(second);
    let mut dispatcher = batch(second, 100);
    assert_eq!(dispatcher.poll_timeout(), Some(due));
    dispatcher.handle(due, Input::Down(a()));
    assert_eq!(dispatcher.poll_timeout(), None);
    dispatcher.handle(due, Input::Up(a()));
    assert_eq!(dispatcher.poll_timeout(), Some(due));
    let Some(Action::DeliverBatch { number, .. }) = dispatcher.poll_action(due) else {
        panic!("the batch is due");
    };
    dispatcher.handle(
        due,
        Input::HandedOver {
            number,
            taken: Taken::Busy,
        },
    );
    assert_eq!(dispatcher.poll_timeout(), None);
    dispatcher.handle(due, Input::Ready(a()));
    let Some(Action::DeliverBatch { number, .. }) = dispatcher.poll_action(due.after(second))
    else {
        panic!("the batch is due");
    };
    let verdict = Verdict::Pause(None);
    dispatcher.handle(
        due,
        Input::Answer {
            connection: a(),
            number,
            verdict,
            items: vec![],
        },
    );
    assert_eq!(dispatcher.poll_timeout(), None);
}

#[test]
fn a_batch_that_is_full_by_bytes_does_not_wait() {
    let now = Instant::default();
    let mut dispatcher = batch(Duration::from_secs(3_600), 100);
    assert!(dispatcher.poll_action(now).is_none());
    dispatcher.handle(now, Input::Full);
    assert!(dispatcher.room().is_none());
    assert!(matches!(
        dispatcher.poll_action(now),
        Some(Action::DeliverBatch { .. })
    ));
}

#[test]
fn a_full_span_of_settled_events_is_read_past_after_a_restart() {
    let now = Instant::default();
    let mut record = OffsetRecord::new(Sequence(0), 1, 0);
    // What lies between them does not match.
    let places = 1..=photinus_dispatch::SETTLED_SPAN_MAX as i64;
    record.settled = places.map(|n| 2 * n..=2 * n).collect();
    let mut dispatcher: Dispatcher<i64> = Dispatcher::new(config(3), &record);
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    assert!(dispatcher.room().is_some(), "the gap has to be read");
    let events = vec![Arrived::new(Sequence(1), 10, 1)];
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(1),
        },
    );
    let Some(Action::Deliver { item, connection }) = dispatcher.poll_action(now) else {
        panic!("the gap is delivered");
    };
    let last = Sequence(*record.settled.last().unwrap().end());
    dispatcher.handle(
        now,
        Input::Events {
            events: vec![],
            through: last,
        },
    );
    assert!(dispatcher.room().is_none(), "now it waits for the gap");
    let (number, verdict) = (item.number, Verdict::Acknowledge(None));
    dispatcher.handle(
        now,
        Input::Answer {
            connection,
            number,
            verdict,
            items: vec![],
        },
    );
    assert_eq!(dispatcher.offset(), last);
    assert!(dispatcher.room().is_some());
}

#[test]
fn an_ack_timeout_during_an_outage_counts_no_attempt() {
    let config = DispatcherConfig {
        ack_timeout: Some(Duration::from_secs(1)),
        ..config(0)
    };
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    let a = || ConnectionId::new("a");
    let mut now = Instant::default();
    dispatcher.handle(now, Input::Connect(a()));
    let events = vec![Arrived::new(Sequence(1), 10, 1)];
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(1),
        },
    );
    let mut attempts = Vec::new();
    for down in [true, false, false] {
        while let Some(action) = dispatcher.poll_action(now) {
            if let Action::Deliver { item, .. } = action {
                attempts.push(item.attempt);
            }
        }
        if down {
            dispatcher.handle(now, Input::Down(a()));
        }
        now = now.after(Duration::from_secs(2));
        dispatcher.handle(now, Input::Timeout);
        dispatcher.handle(now, Input::Up(a()));
    }
    assert_eq!(attempts, [1, 1, 2]);
}

#[test]
fn a_large_batch_with_an_outcome_for_each_event_is_settled_at_once() {
    let now = Instant::default();
    let config = DispatcherConfig {
        batch_timeout: Some(Duration::ZERO),
        window_bytes_max: usize::MAX,
        ..config(u16::MAX)
    };
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    dispatcher.handle(now, Input::Connect(ConnectionId::new("a")));
    let last = i64::from(u16::MAX);
    let events = (1..=last)
        .map(|n| Arrived::new(Sequence(n), 1, n))
        .collect();
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(last),
        },
    );
    let Some(Action::DeliverBatch {
        connection,
        number,
        items,
    }) = dispatcher.poll_action(now)
    else {
        panic!("the batch is due");
    };
    let items = items
        .iter()
        .rev()
        .map(|item| (item.number, Verdict::Acknowledge(None)))
        .collect();
    let verdict = Verdict::Retry {
        delay: None,
        counted: true,
        reason: String::new(),
    };
    dispatcher.handle(
        now,
        Input::Answer {
            connection,
            number,
            verdict,
            items,
        },
    );
    assert_eq!(dispatcher.offset(), Sequence(last));
}

#[test]
fn the_newest_delivery_is_voided_first() {
    let now = Instant::default();
    let mut dispatcher = Dispatcher::new(config(9), &OffsetRecord::new(Sequence(0), 1, 0));
    let a = || ConnectionId::new("a");
    dispatcher.handle(now, Input::Connect(a()));
    let events = (1..=5).map(|n| Arrived::new(Sequence(n), 10, n)).collect();
    dispatcher.handle(
        now,
        Input::Events {
            events,
            through: Sequence(5),
        },
    );
    while dispatcher.poll_action(now).is_some() {}
    let verdict = Verdict::Retry {
        delay: None,
        counted: true,
        reason: String::new(),
    };
    dispatcher.handle(
        now,
        Input::Answer {
            connection: a(),
            number: 2,
            verdict,
            items: vec![],
        },
    );
    let voided: Vec<u64> = std::iter::from_fn(|| dispatcher.poll_action(now))
        .map_while(|action| match action {
            Action::Void { number, .. } => Some(number),
            _ => None,
        })
        .collect();
    assert_eq!(voided, [5, 4, 3, 1]);
}

//! Is a run that is refused in the middle as if the rest of it had never been asked for?

use std::time::Duration;

use photinus_contract::retry::Policy;
use photinus_contract::store::OffsetRecord;
use photinus_contract::{ConnectionId, Sequence};
use photinus_dispatch::{
    Action, Arrived, Dispatcher, DispatcherConfig, Input, Instant, Item, Taken, Verdict,
};

const NOW: Instant = Instant(Duration::ZERO);
const EVENTS: i64 = 6;

fn connection() -> ConnectionId {
    ConnectionId::new("a")
}

/// A dispatcher that may deliver the events from 1 to `EVENTS`.
fn dispatcher() -> Dispatcher<i64> {
    let config = DispatcherConfig {
        read_ahead: EVENTS as u16,
        batch_timeout: None,
        ack_timeout: Some(Duration::from_secs(9)),
        window_bytes_max: 1 << 20,
        policy: Policy::default(),
        keyed: false,
    };
    let mut dispatcher = Dispatcher::new(config, &OffsetRecord::new(Sequence(0), 1, 0));
    dispatcher.handle(NOW, Input::Connect(connection()));
    let events = (1..=EVENTS)
        .map(|n| Arrived::new(Sequence(n), 10, n))
        .collect();
    let through = Sequence(EVENTS);
    dispatcher.handle(NOW, Input::Events { events, through });
    dispatcher
}

fn take(dispatcher: &mut Dispatcher<i64>, now: Instant, count: usize) -> Vec<Item<i64>> {
    let mut items = Vec::new();
    while items.len() < count
        && let Some(action) = dispatcher.poll_action(now)
    {
        match action {
            Action::Deliver { item, .. } => items.push(item),
            // A failure goes back to the offset.
            Action::Void { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    items
}

/// Asks for `asked`, of which number `refused` is not taken, and acknowledges what is among `answered` before it. Says
/// how it stands, and what is delivered from then on.
fn play(
    asked: usize,
    refused: usize,
    answered: u32,
    taken: Taken,
) -> impl PartialEq + std::fmt::Debug {
    let mut dispatcher = dispatcher();
    let run = take(&mut dispatcher, NOW, asked);
    assert_eq!(run.len(), asked);
    let number = run[refused].number;
    dispatcher.handle(
        NOW,
        Input::HandedOver {
            number,
            taken: taken.clone(),
        },
    );
    for (index, item) in run[..refused].iter().enumerate() {
        if answered & (1 << index) != 0 {
            dispatcher.handle(
                NOW,
                Input::Answer {
                    connection: connection(),
                    number: item.number,
                    verdict: Verdict::Acknowledge(None),
                    items: Vec::new(),
                },
            );
        }
    }
    let stands = (
        dispatcher.position(),
        dispatcher.in_flight(),
        dispatcher.oldest_number(),
        dispatcher.room(),
        dispatcher.poll_timeout(),
        dispatcher.late_answers(),
    );
    assert!(take(&mut dispatcher, NOW, 1).is_empty(), "it has to wait");
    match taken {
        Taken::Busy => dispatcher.handle(NOW, Input::Ready(connection())),
        Taken::Closed => dispatcher.handle(NOW, Input::Connect(connection())),
        Taken::Failed { .. } => {}
    }
    let later = Instant(Duration::from_secs(1));
    dispatcher.handle(later, Input::Timeout);
    let rest: Vec<_> = take(&mut dispatcher, later, usize::MAX)
        .iter()
        .map(|item| (item.sequence, item.attempt))
        .collect();
    (stands, rest)
}

#[test]
fn what_stands_behind_the_refused_one_was_never_asked_for() {
    let all = EVENTS as usize;
    for taken in [
        Taken::Busy,
        Taken::Closed,
        Taken::Failed {
            reason: String::new(),
        },
    ] {
        for refused in 0..all {
            for answered in 0..1 << refused {
                let alone = play(refused + 1, refused, answered, taken.clone());
                for asked in refused + 2..=all {
                    let run = play(asked, refused, answered, taken.clone());
                    assert_eq!(run, alone, "{taken:?} {refused} of {asked}, {answered:b}");
                }
            }
        }
    }
}

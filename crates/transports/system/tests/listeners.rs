//! Is a listener an application like any other?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod harness;

use std::num::NonZeroUsize;
use std::time::Duration;

use photinus_contract::transport::ConnectionState;
use photinus_contract::{CodedError, HandOver, Outcome, VoidReason, Wait};
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Call, World, is_pending, within};

#[tokio::test]
async fn events_are_heard_in_order_and_acknowledged_when_the_next_is_asked_for() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    world.deliver(1);
    world.deliver(2);
    let one = within(listener.next()).await.unwrap();
    assert_eq!((one.event().sequence().0, one.attempt()), (1, 1));
    assert!(one.data().is_none());
    assert!(world.engine.take().is_none(), "not answered before that");
    let two = within(listener.next()).await.unwrap();
    assert_eq!(two.event().sequence().0, 2);
    world.acknowledged(1);
    // Nothing more is there: it waits, and has acknowledged all the same.
    assert!(is_pending(listener.next()).await);
    world.acknowledged(2);
    assert!(world.engine.take().is_none());
    world.deliver(3);
    assert!(within(listener.next()).await.is_some());
}

#[tokio::test]
async fn what_is_answered_is_not_acknowledged_once_more() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    for number in 1..=4 {
        world.deliver(number);
    }
    let reply = json!({"header": {"tag": "pong"}});
    let heard = within(listener.next()).await.unwrap();
    heard.ack_with_reply(serde_json::from_value(reply).unwrap());
    match world.answer(1) {
        Outcome::Acknowledge { reply: Some(reply) } => assert_eq!(reply.header.tag, "pong"),
        other => panic!("{other:?}"),
    }
    let heard = within(listener.next()).await.unwrap();
    heard.retry(Some(Duration::from_secs(5)), "later");
    match world.answer(2) {
        Outcome::Retry { delay, counted, .. } => {
            assert_eq!((delay, counted), (Some(Duration::from_secs(5)), true));
        }
        other => panic!("{other:?}"),
    }
    within(listener.next()).await.unwrap().ack();
    world.acknowledged(3);
    let skip = Outcome::Skip {
        reason: String::new(),
    };
    within(listener.next()).await.unwrap().settle(skip);
    assert!(matches!(world.answer(4), Outcome::Skip { .. }));
    assert!(is_pending(listener.next()).await);
    assert!(world.engine.take().is_none());
}

#[tokio::test]
async fn an_explicit_listener_answers_in_any_order_and_acknowledges_nothing_by_itself() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen().explicit();
    for number in 1..=3 {
        world.deliver(number);
    }
    let mut heard = within(listener.next_batch(NonZeroUsize::new(2).unwrap())).await;
    assert_eq!(heard.len(), 2);
    let three = within(listener.next()).await.unwrap();
    assert!(world.engine.take().is_none());
    three.ack();
    heard.remove(1).ack();
    world.acknowledged(3);
    world.acknowledged(2);
    drop(heard);
    assert!(is_pending(listener.next()).await);
    assert!(world.engine.take().is_none(), "the first is in flight");
}

#[tokio::test]
async fn a_batch_is_what_there_is_and_is_acknowledged_together() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    for number in 1..=3 {
        world.deliver(number);
    }
    let heard = within(listener.next_batch(NonZeroUsize::new(10).unwrap())).await;
    let sequences: Vec<_> = heard.iter().map(|h| h.event().sequence().0).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(is_pending(listener.next()).await);
    for number in 1..=3 {
        world.acknowledged(number);
    }
}

#[tokio::test]
async fn what_was_voided_is_not_heard_and_not_acknowledged() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    for number in 1..=3 {
        world.deliver(number);
    }
    let one = within(listener.next()).await.unwrap();
    for number in [3, 2, 1] {
        world.void(number, VoidReason::Rewound);
    }
    drop(one);
    assert!(is_pending(listener.next()).await);
    assert!(world.engine.take().is_none());
    world.deliver(4);
    let again = within(listener.next()).await.unwrap();
    assert_eq!(again.event().sequence().0, 4);
}

#[tokio::test]
async fn a_full_queue_says_busy_and_ready_when_half_of_it_is_free() {
    let world = World::new(json!({"queue_events_max": 4})).await;
    let mut listener = world.listen();
    for number in 1..=4 {
        world.deliver(number);
    }
    let busy = HandOver::Busy(Wait::Connection);
    assert_eq!(world.hand_over(5), busy);
    assert_eq!(world.hand_over(5), busy);
    within(listener.next()).await.unwrap().ack();
    world.acknowledged(1);
    assert!(world.engine.take().is_none(), "one place is not enough");
    within(listener.next()).await.unwrap().ack();
    match world.engine.take() {
        Some(Call::State(ConnectionState::Ready)) => {}
        other => panic!("expected that it is ready, not {other:?}"),
    }
    world.acknowledged(2);
    within(listener.next()).await.unwrap().ack();
    world.acknowledged(3);
    assert!(world.engine.take().is_none(), "it is said once");
    world.deliver(5);
}

#[tokio::test]
async fn a_busy_listener_that_waits_is_ready_when_its_queue_is_voided() {
    let world = World::new(json!({"queue_events_max": 1})).await;
    let mut listener = world.listen();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { listener.next().await.is_some() });
    // On this thread it runs until it waits.
    tokio::task::yield_now().await;
    world.deliver(1);
    assert_eq!(world.hand_over(2), HandOver::Busy(Wait::Connection));
    world.void(1, VoidReason::Rewound);
    let ready = async {
        loop {
            match world.engine.take() {
                Some(call) => break call,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let ready = within(ready).await;
    assert!(matches!(ready, Call::State(ConnectionState::Ready)));
    world.deliver(2);
    assert!(within(tasks.join_next()).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_queue_is_bounded_by_bytes_and_one_event_always_passes() {
    let size = harness::event(1).size();
    // Two events fit, and half of it is one.
    let world = World::new(json!({"queue_bytes_max": 2 * size})).await;
    let mut listener = world.listen();
    let busy = HandOver::Busy(Wait::Connection);
    world.deliver(1);
    world.deliver(2);
    assert_eq!(world.hand_over(3), busy);
    // What is voided makes room, and what is taken does.
    world.void(2, VoidReason::Rewound);
    world.deliver(3);
    assert_eq!(world.hand_over(4), busy);
    within(listener.next()).await.unwrap().ack();
    assert!(matches!(
        world.engine.take(),
        Some(Call::State(ConnectionState::Ready))
    ));
    world.acknowledged(1);
    world.deliver(4);
    assert_eq!(world.hand_over(5), busy);

    let world = World::new(json!({"queue_bytes_max": 1})).await;
    let mut listener = world.listen();
    for number in 1..=2 {
        world.deliver(number);
        assert_eq!(world.hand_over(number + 1), busy);
        let heard = within(listener.next()).await.unwrap();
        assert_eq!(heard.event().sequence().0, number.cast_signed());
    }
}

#[tokio::test]
async fn what_was_heard_when_the_server_stopped_is_not_acknowledged_by_asking_for_the_next() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    world.deliver(1);
    world.deliver(2);
    let one = within(listener.next()).await.unwrap();
    world.transport.shutdown().await;
    world.closed();
    assert!(within(listener.next()).await.is_none(), "not the second");
    assert!(world.engine.take().is_none());
    // What the application says itself is passed on, and changes nothing any more.
    one.ack();
    world.acknowledged(1);
}

#[tokio::test]
async fn a_waiting_listener_wakes_for_an_event_and_for_the_end() {
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    let (heard, ()) = within(async {
        tokio::join!(listener.next(), async {
            tokio::task::yield_now().await;
            world.deliver(1);
        })
    })
    .await;
    assert!(heard.is_some());
    let (heard, ()) = within(async {
        tokio::join!(listener.next(), async {
            tokio::task::yield_now().await;
            world.transport.shutdown().await;
        })
    })
    .await;
    assert!(heard.is_none());
    assert!(within(listener.next()).await.is_none(), "it stays so");
    world.acknowledged(1);
    world.closed();
    drop(listener);
    assert!(world.engine.take().is_none(), "the end is told once");
    assert_eq!(world.hand_over(2), HandOver::Closed);
}

#[tokio::test]
async fn a_dropped_listener_closes_its_connection() {
    let world = World::new(json!({"listeners_max": 1})).await;
    let listener = world.listen();
    world.deliver(1);
    let refused = world.try_listen().err().unwrap();
    assert_eq!((refused.code(), refused.status()), ("PH00434", 503));
    drop(listener);
    world.closed();
    assert_eq!(world.hand_over(2), HandOver::Closed);
    world.listen();
}

#[tokio::test]
async fn a_refused_listener_leaves_nothing_behind() {
    let world = World::new(json!({"listeners_max": 1})).await;
    let refusal = CodedError::not_found("FF10436", "Unknown namespace 'x'");
    world.engine.refuse(refusal.clone());
    assert_eq!(world.try_listen().err(), Some(refusal));
    world.closed();
    world.listen();
}

#[tokio::test]
async fn nobody_listens_before_it_runs_or_after_it_was_closed() {
    let system = photinus_transport_system::System::new();
    let early = system
        .listeners()
        .listen("default", Default::default(), Default::default());
    assert_eq!(early.err().unwrap().code(), "PH00503");
    let world = World::new(json!({})).await;
    let mut listener = world.listen();
    world.listeners.close();
    world.closed();
    assert!(within(listener.next()).await.is_none());
    assert_eq!(world.try_listen().err().unwrap().code(), "PH00503");
}

//! Does a slow client slow down only itself?

use std::sync::Arc;

use futures_util::SinkExt;
use photinus_contract::transport::ConnectionState;
use photinus_contract::{ConnectionId, Delivery, DeliveryId, HandOver, VoidReason, Wait};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Call, World, event, event_id, subscription, within};

fn hand_over(world: &World, connection: &ConnectionId, n: u64, length: usize) -> HandOver {
    world.transport.deliver(Delivery::new(
        connection.clone(),
        subscription("app"),
        DeliveryId::new(1, n),
        1,
        event(n, length),
    ))
}

async fn ready(world: &World, connection: &ConnectionId) {
    match world.engine.next().await {
        Call::State(of, ConnectionState::Ready) => assert_eq!(of, *connection),
        _ => panic!("expected the connection to be ready"),
    }
}

// The runtime of these tests has one thread: while a test does not wait, the socket's task does not run.

#[tokio::test]
async fn a_full_queue_is_busy_and_tells_when_it_has_drained() {
    let world = World::with(json!({"send_queue_bytes_max": 10_000})).await;
    let (mut client, connection) = world.started().await;
    let (mut next, mut read) = (1, 1);
    for _ in 0..3 {
        let mut taken = 0;
        while hand_over(&world, &connection, next, 1000) == HandOver::Ok {
            next += 1;
            taken += 1;
            assert!(taken < 10, "the queue is bounded");
        }
        assert!(taken >= 5);
        for _ in 0..2 {
            let again = hand_over(&world, &connection, next, 1000);
            assert_eq!(again, HandOver::Busy(Wait::Connection));
        }
        ready(&world, &connection).await;
        assert!(world.engine.is_quiet(), "it is told once");
        while read < next {
            client.event(read).await;
            read += 1;
        }
    }
}

#[tokio::test]
async fn one_event_always_passes() {
    let world = World::with(json!({"send_queue_bytes_max": 1})).await;
    let (mut client, connection) = world.started().await;
    for n in 1..=3 {
        assert_eq!(hand_over(&world, &connection, n, 100_000), HandOver::Ok);
        let next = hand_over(&world, &connection, n + 1, 1);
        assert_eq!(next, HandOver::Busy(Wait::Connection));
        client.event(n).await;
        ready(&world, &connection).await;
    }
}

#[tokio::test]
async fn a_slow_client_gets_everything_in_the_end() {
    const EVENTS: u64 = 100;
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    let deliver = async {
        let mut waits = 0;
        for n in 1..=EVENTS {
            while hand_over(&world, &connection, n, 1 << 20) != HandOver::Ok {
                waits += 1;
                ready(&world, &connection).await;
            }
        }
        assert!(waits >= EVENTS / 2, "each of them fills the queue");
    };
    let read = async {
        for n in 1..=EVENTS {
            client.event(n).await;
        }
    };
    within(async { tokio::join!(deliver, read) }).await;
}

#[tokio::test]
async fn reading_goes_on_while_writing_is_blocked() {
    const ACKS: u64 = 10_000;
    let world = World::with(json!({"send_queue_bytes_max": 100_000_000})).await;
    let (mut client, connection) = world.started().await;
    for n in 1..=ACKS {
        world.deliver(&connection, "app", n, n);
    }
    for n in 1..=ACKS {
        client.event(n).await;
    }
    // What no kernel takes, so that writing blocks until the client reads again.
    const LARGE: u64 = 64;
    for n in 1..=LARGE {
        assert_eq!(
            hand_over(&world, &connection, ACKS + n, 1 << 20),
            HandOver::Ok
        );
    }
    // As many bytes as a hundred thousand acknowledgements have, all before the first is read.
    let padding = "p".repeat(1000);
    let send_all = async {
        for n in 1..=ACKS {
            let ack = json!({"type": "ack", "id": event_id(n), "padding": padding});
            client
                .socket
                .feed(Message::text(ack.to_string()))
                .await
                .unwrap();
        }
        client.socket.flush().await.unwrap();
    };
    within(send_all).await;
    for n in 1..=ACKS {
        world.engine.acked(n).await;
    }
    for n in 1..=LARGE {
        client.event(ACKS + n).await;
    }
}

#[tokio::test]
async fn a_flood_of_pings_without_reading_is_not_hoarded() {
    const PINGS: usize = 200_000;
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    let flood = async {
        for _ in 0..PINGS {
            let ping = Message::Ping("x".repeat(125).into());
            client.socket.feed(ping).await.unwrap();
        }
        client.socket.flush().await.unwrap();
    };
    within(flood).await;
    world.deliver(&connection, "app", 1, 1);
    let mut pongs = 0;
    loop {
        match client.message().await {
            Message::Pong(payload) => {
                assert_eq!(payload.len(), 125);
                pongs += 1;
            }
            Message::Text(text) => break assert!(text.contains(&event_id(1))),
            other => panic!("{other:?}"),
        }
    }
    assert!(pongs > 0 && pongs < PINGS, "only the newest is kept");
}

#[tokio::test]
async fn a_close_frame_is_answered_also_while_writing_is_blocked() {
    let world = World::with(json!({"send_queue_bytes_max": 100_000_000})).await;
    let (mut client, connection) = world.started().await;
    for n in 1..=64 {
        assert_eq!(hand_over(&world, &connection, n, 1 << 20), HandOver::Ok);
    }
    let close = CloseFrame {
        code: CloseCode::from(4001),
        reason: "enough".into(),
    };
    client
        .socket
        .send(Message::Close(Some(close.clone())))
        .await
        .unwrap();
    assert_eq!(world.engine.closed().await, connection);
    loop {
        match client.message().await {
            Message::Text(_) => {}
            other => break assert_eq!(other, Message::Close(Some(close))),
        }
    }
}

#[tokio::test]
async fn autoack_waits_until_the_kernel_has_the_bytes() {
    const EVENTS: u64 = 64;
    let world = World::with(json!({"send_queue_bytes_max": 100_000_000})).await;
    let mut client = world
        .connect("/ws?namespace=default&name=app&autoack")
        .await;
    let connection = world.registered("app").await;
    for n in 1..=EVENTS {
        assert_eq!(hand_over(&world, &connection, n, 1 << 20), HandOver::Ok);
    }
    assert!(world.engine.is_quiet(), "nothing was written yet");
    world.engine.acked(1).await;
    let mut acked = 1;
    for n in 1..=EVENTS {
        client.event(n).await;
        while !world.engine.is_quiet() {
            acked += 1;
            world.engine.acked(acked).await;
        }
    }
    while acked < EVENTS {
        acked += 1;
        world.engine.acked(acked).await;
    }
}

#[tokio::test]
async fn what_was_not_written_is_not_acknowledged_by_autoack() {
    const EVENTS: u64 = 64;
    let world = World::with(json!({"send_queue_bytes_max": 100_000_000})).await;
    let client = world
        .connect("/ws?namespace=default&name=app&autoack")
        .await;
    let connection = world.registered("app").await;
    for n in 1..=EVENTS {
        assert_eq!(hand_over(&world, &connection, n, 1 << 20), HandOver::Ok);
    }
    world.engine.acked(1).await;
    drop(client);
    let mut acked = 1;
    loop {
        match world.engine.next().await {
            Call::Respond(_, response) => {
                acked += 1;
                assert_eq!(response.delivery, DeliveryId::new(1, acked));
            }
            Call::Closed(_) => break,
            _ => panic!("unexpected call"),
        }
    }
    assert!(acked < EVENTS, "no kernel took all of that");
}

#[tokio::test]
async fn what_is_voided_before_it_is_written_is_not_written() {
    let world = World::new().await;
    let (mut client, connection) = world.started().await;
    for (n, reason) in (1..).zip([
        VoidReason::Rewound,
        VoidReason::Reset,
        VoidReason::AckTimeout,
    ]) {
        world.deliver(&connection, "app", n, n);
        world.void(&connection, "app", n, reason);
    }
    world.deliver_batch(&connection, "app", 4, &[4]);
    world.void(&connection, "app", 4, VoidReason::Rewound);
    world.deliver(&connection, "app", 6, 1);
    client.event(1).await;
    client.ack(1).await;
    world.engine.acked(6).await;
    // Nobody has received the others, so nobody may answer them.
    client.ack(2).await;
    client.refused("FF10176: Invalid data: FF10175: ").await;
}

#[tokio::test]
async fn what_is_not_written_yet_cannot_be_acknowledged() {
    let world = World::with(json!({"send_queue_bytes_max": 200_000_000})).await;
    let (mut client, connection) = world.started().await;
    for n in 1..=100 {
        assert_eq!(hand_over(&world, &connection, n, 1 << 20), HandOver::Ok);
    }
    client.ack(100).await;
    assert_eq!(world.engine.closed().await, connection);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_deliver_and_nothing_is_lost() {
    const EVENTS: u64 = 2_000;
    let world = Arc::new(World::with(json!({"send_queue_bytes_max": 20_000})).await);
    let mut client = world.connect("/ws").await;
    let mut connection = None;
    for name in ["one", "two"] {
        connection = Some(world.start(&mut client, name).await);
    }
    let connection = connection.unwrap();
    let deliver = |name: &'static str| {
        let (world, connection) = (world.clone(), connection.clone());
        std::thread::spawn(move || {
            for n in 1..=EVENTS {
                while world.hand_over(&connection, name, n, n) != HandOver::Ok {
                    std::thread::yield_now();
                }
            }
        })
    };
    let threads = [deliver("one"), deliver("two")];
    let mut next = [1, 1];
    for _ in 0..2 * EVENTS {
        let frame = client.receive().await;
        let which = usize::from(frame["subscription"]["name"] == "two");
        assert_eq!(frame["id"], event_id(next[which]), "in order");
        next[which] += 1;
        let ack = json!({"type": "ack", "id": frame["id"], "subscription": frame["subscription"]});
        client.send(ack).await;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    let mut answers = 0;
    while answers < 2 * EVENTS {
        match world.engine.next().await {
            Call::Respond(..) => answers += 1,
            Call::State(_, ConnectionState::Ready) => {}
            _ => panic!("unexpected call"),
        }
    }
}

//! Does a drain notice that a server loses, repeats or reorders?

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use photinus_bench::drive::drain::{Plan, drain};
use photinus_bench::wire::socket::Socket;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// What the bench knows of an event.
fn frame(sequence: u64) -> String {
    format!(
        r#"{{"id":"00000000-0000-7000-8000-{sequence:012x}","sequence":{sequence},"subscription":{{"id":"01a203f0-7a1c-753f-a029-8368c1617523"}}}}"#
    )
}

/// Drains a server that pushes these, one after each acknowledgement; the sequences 1 to 4 have to come.
fn drained(pushed: &'static [u64]) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            for sequence in pushed {
                socket.send(Message::text(frame(*sequence))).await.unwrap();
                // The client may have had enough.
                let Some(Ok(_)) = socket.next().await else {
                    return;
                };
            }
        };
        let plan = Plan {
            subscriptions: 1,
            expected: Arc::new([1, 2, 3, 4]),
            window: 1,
            batch: false,
            named: false,
        };
        let client = async {
            let socket = Socket::open(address, "/").await.unwrap();
            drain(vec![socket], &plan, || ()).await
        };
        let ((), outcome) = tokio::join!(serve, client);
        outcome
            .map(|(drained, _)| drained.deliveries)
            .map_err(|error| format!("{error:#}"))
    })
}

#[test]
fn a_server_that_keeps_its_promises_is_measured() {
    // The first was there before the clock started.
    assert_eq!(drained(&[1, 2, 3, 4]), Ok(3));
}

#[test]
fn a_server_that_loses_repeats_or_reorders_is_not_measured() {
    for (pushed, words) in [
        (&[1, 2, 4][..], "sequence 4 came when it was the turn of 3"),
        (&[1, 2, 2], "sequence 2 came when it was the turn of 3"),
        (&[2], "sequence 2 came when it was the turn of 1"),
        (&[1, 2, 3], "after 3 of 4 events"),
    ] {
        let error = drained(pushed).unwrap_err();
        assert!(error.contains(words), "{pushed:?}: {error}");
    }
}

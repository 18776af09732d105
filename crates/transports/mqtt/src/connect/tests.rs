//! What is done about a broker that knows no MQTT 5? None that is at hand is so old: one that says what it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// CONNACK of 3.1.1.
const WELCOME: &[u8] = &[0x20, 2, 0, 0];
/// The same with "unacceptable protocol version".
const TOO_NEW: &[u8] = &[0x20, 2, 0, 1];
/// The same in MQTT 5: "unsupported protocol version".
const TOO_NEW_5: &[u8] = &[0x20, 3, 0, 0x84, 0];
const WELCOME_5: &[u8] = &[0x20, 3, 0, 0, 0];
/// "Not authorised" in both.
const UNKNOWN: &[u8] = &[0x20, 2, 0, 5];
const UNKNOWN_5: &[u8] = &[0x20, 3, 0, 0x87, 0];

/// A broker that gives each connection the next of these answers, and closes it if that is empty; and the versions that
/// it was asked for.
async fn broker(answers: &[&'static [u8]]) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (answers, versions) = (answers.to_vec(), asked.clone());
    tokio_util::task::TaskTracker::new().spawn(async move {
        let mut open = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 9];
            stream.read_exact(&mut greeting).await.unwrap();
            versions.lock().unwrap().push(greeting[8]);
            stream.write_all(answer).await.unwrap();
            if !answer.is_empty() {
                open.push(stream);
            }
        }
        std::future::pending::<()>().await;
    });
    (port, asked)
}

async fn connected(
    protocol: Protocol,
    answers: &[&'static [u8]],
) -> (Result<Version, String>, Vec<u8>) {
    let (port, asked) = broker(answers).await;
    let target = Target {
        url: Some(format!("mqtt://127.0.0.1:{port}")),
        protocol,
        ..Target::default()
    };
    let client = Client {
        id: "c".to_owned(),
        kept: None,
        receive_max: 10,
    };
    let connected = connect(&target, &client, 0).await;
    let versions = asked.lock().unwrap().clone();
    (
        connected.map(|connected| connected.session.version()),
        versions,
    )
}

#[tokio::test]
async fn an_older_broker_is_spoken_to_in_its_version() {
    for (answers, asked) in [
        (&[TOO_NEW, WELCOME][..], &[5, 4][..]),
        (&[TOO_NEW_5, WELCOME], &[5, 4]),
        (&[b"", b"", WELCOME], &[5, 5, 4]),
    ] {
        let (version, versions) = connected(Protocol::Auto, answers).await;
        assert_eq!((version, &versions[..]), (Ok(Version::V3_1_1), asked));
    }
}

#[tokio::test]
async fn a_broker_that_stops_or_refuses_is_not_older() {
    let (version, asked) = connected(Protocol::Auto, &[b"", WELCOME_5]).await;
    assert_eq!((version, asked), (Ok(Version::V5_0), vec![5, 5]));

    let (refused, asked) = connected(Protocol::Auto, &[UNKNOWN_5]).await;
    assert!(refused.unwrap_err().contains("NotAuthorized"));
    assert_eq!(asked, [5]);

    let (refused, _) = connected(Protocol::Auto, &[TOO_NEW, UNKNOWN]).await;
    assert!(
        refused.unwrap_err().contains("NotAuthorized"),
        "what an older broker says"
    );
}

#[tokio::test]
async fn the_version_that_is_asked_for_is_the_only_one() {
    for (protocol, answer, number) in [(Protocol::V5, TOO_NEW_5, 5), (Protocol::V311, TOO_NEW, 4)] {
        let (refused, asked) = connected(protocol, &[answer]).await;
        assert!(refused.is_err());
        assert_eq!(asked, [number]);
    }
}

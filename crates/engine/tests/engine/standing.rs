//! What is said of how a subscription stands?

use std::time::Duration;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{Outcome, Sequence, SubscriptionId};
use photinus_engine::{SubscriptionState, SubscriptionStatus};
use serde_json::json;

use crate::bench::Bench;

impl Bench {
    async fn status(&self, id: SubscriptionId) -> SubscriptionStatus {
        let status = self.handle.subscription_status("default", id).await;
        status.unwrap()
    }

    #[track_caller]
    fn assert_state(status: &SubscriptionStatus, state: SubscriptionState, reason: Option<&str>) {
        assert_eq!((status.state, status.reason.as_deref()), (state, reason));
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_follows_what_happens() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    let status = bench.status(id).await;
    let nobody = Some("no connection wants it");
    Bench::assert_state(&status, SubscriptionState::Waiting, nobody);

    let connection = bench.connect("a", "app");
    tokio::time::sleep(Duration::from_secs(1)).await;
    Bench::assert_state(&bench.status(id).await, SubscriptionState::Idle, None);

    bench.publish(["1", "2"]).await;
    let one = bench.delivery().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let status = bench.status(id).await;
    Bench::assert_state(&status, SubscriptionState::Delivering, None);
    assert_eq!((status.tail, status.events_behind), (Sequence(2), 2));
    assert_eq!((status.in_flight, status.oldest_in_flight), (1, Some(7.0)));
    assert!(status.seconds_behind >= 0.0);

    let delay = Some(Duration::from_secs(5));
    let (counted, reason) = (true, "no disk".to_owned());
    bench.answer(
        &one,
        Outcome::Retry {
            delay,
            counted,
            reason,
        },
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = bench.status(id).await;
    Bench::assert_state(&status, SubscriptionState::Holding, Some("no disk"));
    assert_eq!((status.in_flight, status.oldest_in_flight), (0, None));

    let down = ConnectionState::Down {
        reason: "refused".to_owned(),
    };
    bench
        .callbacks
        .connection_state(&connection, Scope::All, down);
    tokio::time::sleep(Duration::from_secs(10)).await;
    Bench::assert_state(
        &bench.status(id).await,
        SubscriptionState::Waiting,
        Some("refused"),
    );

    bench
        .callbacks
        .connection_state(&connection, Scope::All, ConnectionState::Up);
    bench.drain(2).await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    let status = bench.status(id).await;
    Bench::assert_state(&status, SubscriptionState::Idle, None);
    assert_eq!((status.events_behind, status.seconds_behind), (0, 0.0));
    assert_eq!(status.current_offset, Some(Sequence(2)));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_match_is_not_behind_once_it_is_passed() {
    let bench = Bench::new().await;
    let filter = json!({"message": {"tag": "^never$"}});
    let id = bench.subscribe_filtered("app", filter, json!({})).await.id;
    bench.publish(["1", "2", "3"]).await;
    assert_eq!(
        bench.status(id).await.events_behind,
        3,
        "nobody has looked at them"
    );
    bench.connect("a", "app");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let status = bench.status(id).await;
    assert_eq!(status.events_behind, 0);
    Bench::assert_state(&status, SubscriptionState::Idle, None);
}

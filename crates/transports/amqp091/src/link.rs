//! How is a target kept connected?

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::connect::connect;
use crate::hub::{Hub, Shared};
use crate::publisher::{Ended, Publisher};
use photinus_contract::backoff::Backoff;

/// Why a connection ended on which something panicked.
pub(crate) const PANICKED: &str = "the server cannot read what the broker sends";

/// Connects, publishes until the connection ends, and begins anew, until the transport stops.
pub(crate) async fn run(hub: Arc<Hub>, shared: Shared) {
    let target = &hub.target;
    let mut backoff = Backoff::new(
        target.reconnect_delay.value(),
        target.reconnect_delay_max.value(),
    );
    let mut first = 0;
    while !shared.stop.is_cancelled() {
        let connected = tokio::select! {
            () = shared.stop.cancelled() => return,
            connected = connect(target, &hub.name, first) => connected,
        };
        let reason = match connected {
            Ok(connected) => {
                info!(
                    target = hub.name,
                    address = connected.address,
                    "connected to a broker"
                );
                hub.standing.connected(&connected.address);
                let begun = Instant::now();
                let publisher = Publisher::new(&hub, &shared, connected);
                // What panics is the library of the protocol, over what the broker has sent.
                let ended = AssertUnwindSafe(publisher.run()).catch_unwind().await;
                backoff.worked(begun.elapsed());
                match ended {
                    Ok(Ended::Stopped) => return,
                    Ok(Ended::Lost(reason)) => reason,
                    Err(_) => PANICKED.to_owned(),
                }
            }
            Err(reason) => reason,
        };
        // The next node of a cluster may be there.
        first += 1;
        let delay = backoff.delay();
        warn!(
            target = hub.name,
            reason,
            ?delay,
            "no connection to a broker"
        );
        hub.standing.down(&reason);
        hub.outboxes.lost(&reason);
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

//! How is a target kept connected?

use std::sync::Arc;

use tracing::{info, warn};

use crate::connect::connect;
use crate::hub::{Hub, Shared};
use crate::publisher::{Ended, Publisher};
use photinus_contract::backoff::Backoff;

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
                backoff.reset();
                hub.standing.connected(&connected.address);
                match Publisher::new(&hub, &shared, connected).run().await {
                    Ended::Stopped => return,
                    Ended::Lost(reason) => reason,
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

//! How does a subscription that waits learn of it, and who learns that it does?
//!
//! The registry says which subscriptions are paused. A dispatcher is told when it begins and when that changes. The other
//! way round, what an application asked for is noted there.

use std::time::Duration;

use photinus_contract::store::Pause;
use photinus_contract::{Outcome, Response, SubscriptionId, Timestamp};
use photinus_dispatch::{Dispatcher, Input, Instant};

use super::Shard;
use super::feed::Payload;
use crate::pause::shortened;

impl Shard {
    /// Has a dispatcher deliver nothing for a while, or go on. What is in flight may still be answered.
    pub(super) fn pause(&mut self, id: SubscriptionId) {
        let input = self.pause_input(id).unwrap_or(Input::Resume);
        self.tell(id, input);
    }

    /// What a dispatcher is told when it is to wait.
    pub(super) fn pause_input(&self, id: SubscriptionId) -> Option<Input<Payload>> {
        let (now, wall) = (self.now(), self.core.clock.now());
        let pause = self.core.pause_of(id)?;
        let until = pause.until.map(|until| at(until, now, wall));
        Some(Input::Pause(until))
    }

    /// An application has asked for a pause. It waits already; that it does so after a restart, too, has to be written.
    pub(super) fn pause_asked_for(&self, id: SubscriptionId, pause: Pause) {
        if self.core.registry.pause_asked_for(id, pause) {
            let core = self.core.clone();
            let written = async move { core.write_pause(id).await };
            self.core.tasks.spawn(written);
        }
    }
}

/// When that is, on the clock of the dispatchers.
pub(super) fn at(time: Timestamp, now: Instant, wall: Timestamp) -> Instant {
    let wait = time.as_nanos().saturating_sub(wall.as_nanos()).max(0);
    now.after(Duration::from_nanos(wait.unsigned_abs()))
}

/// Why an answer asks for a pause, if it does.
pub(super) fn reason(response: &Response) -> Option<String> {
    let items = response.items.iter().map(|(_, outcome)| outcome);
    let mut outcomes = std::iter::once(&response.outcome).chain(items);
    outcomes.find_map(|outcome| match outcome {
        Outcome::Pause { reason, .. } => Some(shortened(reason).to_owned()),
        _ => None,
    })
}

/// The pause that a dispatcher has, as it is noted.
pub(super) fn noted(
    dispatcher: &Dispatcher<Payload>,
    reason: String,
    now: Instant,
    wall: Timestamp,
) -> Option<Pause> {
    let until = match dispatcher.pause()? {
        None => None,
        Some(until) => {
            let wait = until.0.checked_sub(now.0).filter(|wait| !wait.is_zero())?;
            let wait = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
            Some(Timestamp::from_nanos(wall.as_nanos().saturating_add(wait)))
        }
    };
    Some(Pause::new(until, reason))
}

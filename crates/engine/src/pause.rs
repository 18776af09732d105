//! How is a subscription told to wait, and to go on?
//!
//! A pause is written before it is answered, and is found again after a restart. It says only that nothing is handed
//! over: what is with the application may be answered, and the position moves with it. One that says until when ends
//! by itself; its note stays until another one or a resume replaces it.

use photinus_contract::store::Pause;
use photinus_contract::{CodedError, SubscriptionId, Timestamp};
use tracing::warn;

use crate::core::Core;
use crate::publish::unavailable;
use crate::seek::no_subscription;

/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 1024;

impl Core {
    /// Has a subscription deliver nothing for a while; or, without a pause, go on.
    pub(crate) async fn pause(
        &self,
        namespace: &str,
        id: SubscriptionId,
        mut pause: Option<Pause>,
    ) -> Result<(), CodedError> {
        if let Some(pause) = &mut pause {
            check(pause, self.clock.now())?;
        }
        let _one_at_a_time = self.admin.lock().await;
        self.stored(namespace, id)?;
        self.note_pause(id, pause).await
    }

    /// The application of a subscription asked for a pause, which has begun.
    pub(crate) async fn write_pause(&self, id: SubscriptionId) {
        let _one_at_a_time = self.admin.lock().await;
        let Some(pause) = self.registry.pause_to_write(id) else {
            return;
        };
        if let Err(error) = self.store.pause_subscription(id, Some(pause)).await {
            warn!(subscription = %id, %error, "its pause is not written, and ends with this process");
        }
    }

    /// The pause of a subscription, if it is not over.
    pub(crate) fn pause_of(&self, id: SubscriptionId) -> Option<Pause> {
        let now = self.clock.now();
        let pause = self.registry.pause_of(id);
        pause.filter(|pause| pause.until.is_none_or(|until| until > now))
    }

    async fn note_pause(&self, id: SubscriptionId, pause: Option<Pause>) -> Result<(), CodedError> {
        let noted = self.store.pause_subscription(id, pause.clone()).await;
        match noted.map_err(unavailable)? {
            true => {
                let _ = self.registry.pause(id, pause).await;
                Ok(())
            }
            false => Err(no_subscription(id)),
        }
    }
}

fn check(pause: &mut Pause, now: Timestamp) -> Result<(), CodedError> {
    pause.reason = shortened(&pause.reason).to_owned();
    match pause.until {
        Some(until) if until <= now => Err(CodedError::bad_request(
            "PH00443",
            format!("A pause until {until} would be over: it is {now}"),
        )),
        _ => Ok(()),
    }
}

/// As much of a reason as is kept.
pub(crate) fn shortened(reason: &str) -> &str {
    let end = reason.char_indices().nth(REASON_MAX);
    end.map_or(reason, |(end, _)| &reason[..end])
}

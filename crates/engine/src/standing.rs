//! How does a subscription stand: where is it, how far is it behind, and why?

use photinus_contract::{CodedError, Sequence, SubscriptionId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::core::Core;
use crate::metrics::lag;
use crate::namespaces::NamespaceState;
use crate::shard::{Mail, Serving, Standing};
use crate::tail::Look;

/// How a durable subscription stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its offset as it was last written. FireFly leaves a zero out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_offset: Option<Sequence>,
    /// The newest event of the namespace, or 0 if there is none.
    pub tail: Sequence,
    /// How many sequences it has not passed yet. At most so many matching events are still to come.
    pub events_behind: u64,
    /// The age of the oldest of them; 0 if there is none.
    pub seconds_behind: f64,
    /// How many events are with the application.
    pub in_flight: usize,
    /// For how many seconds the oldest of them has been there; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_in_flight: Option<f64>,
    /// How many events it has set aside.
    pub parked: u64,
    /// What it does.
    pub state: SubscriptionState,
    /// Why, where that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a subscription does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SubscriptionState {
    /// It has something to deliver, and somebody to deliver it to.
    Delivering,
    /// All is delivered and settled.
    Idle,
    /// Nobody wants its events, or whoever does cannot take them now.
    Waiting,
    /// An event has failed. It is tried again, and what comes after it has to wait.
    Holding,
    /// It delivers nothing until then, or until resumed.
    Paused,
}

impl Core {
    pub(crate) async fn subscription_status(
        &self,
        namespace: &str,
        id: SubscriptionId,
    ) -> Result<SubscriptionStatus, CodedError> {
        let (namespace, _) = self.stored(namespace, id)?;
        let (answer, answered) = oneshot::channel();
        let subscription = id;
        self.registry.shard(id).post(Mail::Ask {
            subscription,
            answer,
        });
        let standing = answered.await.ok();
        let written = self.store.offset(id).await.ok().flatten();
        let written = written.map(|record| record.offset);
        let known = self.registry.metrics(id);
        let known = known.and_then(|metrics| metrics.offset()).or(written);
        let parked = self.store.parked_count(id).await.unwrap_or_default();
        let tail = namespace.tail.head();
        let events_behind = known.map_or(0, |offset| lag((offset, tail)));
        let oldest = match (events_behind, known) {
            (0, _) | (_, None) => None,
            (_, Some(offset)) => self.oldest_after(&namespace, offset).await,
        };
        let now = self.clock.now();
        let age = oldest.map(|oldest| now.as_nanos().saturating_sub(oldest.as_nanos()).max(0));
        let (state, reason) = match self.pause_of(id) {
            Some(pause) => {
                let reason = Some(pause.reason).filter(|reason| !reason.is_empty());
                (SubscriptionState::Paused, reason)
            }
            None => state(standing.as_ref(), events_behind),
        };
        Ok(SubscriptionStatus {
            current_offset: written.filter(|offset| offset.0 != 0),
            tail,
            events_behind,
            seconds_behind: age.map_or(0.0, |nanos| (nanos / 1_000_000) as f64 / 1e3),
            in_flight: standing.as_ref().map_or(0, |standing| standing.in_flight),
            oldest_in_flight: standing
                .as_ref()
                .and_then(|standing| standing.oldest_in_flight)
                .map(|time| time.as_millis() as f64 / 1e3),
            parked,
            state,
            reason,
        })
    }

    /// When the first event after this one was committed.
    async fn oldest_after(
        &self,
        namespace: &NamespaceState,
        offset: Sequence,
    ) -> Option<Timestamp> {
        match namespace.tail.look(offset, 1) {
            Look::Piece(piece) => Some(piece.records.first()?.content.created),
            Look::UpToDate => None,
            Look::Behind => self.created_after(namespace, offset).await,
        }
    }
}

fn state(standing: Option<&Standing>, events_behind: u64) -> (SubscriptionState, Option<String>) {
    let Some(standing) = standing else {
        let reason = "no connection wants it".to_owned();
        return (SubscriptionState::Waiting, Some(reason));
    };
    let trouble = |otherwise: &str| {
        let trouble = standing.trouble.as_deref();
        Some(trouble.unwrap_or(otherwise).to_owned())
    };
    match standing.serving {
        Serving::Starting => {
            let reason = "it is being started".to_owned();
            (SubscriptionState::Waiting, Some(reason))
        }
        Serving::Down => (
            SubscriptionState::Waiting,
            trouble("its connection is down"),
        ),
        _ if standing.is_delayed => (
            SubscriptionState::Holding,
            trouble("an event has failed, and is tried again"),
        ),
        Serving::Busy if events_behind > 0 => {
            let reason = "its connection takes nothing more for now".to_owned();
            (SubscriptionState::Waiting, Some(reason))
        }
        _ if events_behind > 0 || standing.in_flight > 0 => (SubscriptionState::Delivering, None),
        _ => (SubscriptionState::Idle, None),
    }
}

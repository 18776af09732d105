//! What is to be sent?

use std::sync::Arc;

use photinus_contract::delivery::BatchItem;
use photinus_contract::{DeliveryId, Outcome, Response, Sequence};
use serde_json::value::RawValue;

use crate::answer;
use crate::request::{Composer, Prepared, Sample};
use crate::route::Route;
use crate::settings::Settings;
use crate::stations::Probe;

/// A delivery or a batch, on its way.
pub(crate) struct Job {
    pub(crate) route: Arc<Route>,
    pub(crate) delivery: DeliveryId,
    pub(crate) events: Events,
    /// What becomes of it decides whether the receiver works again.
    pub(crate) probe: Option<Probe>,
}

/// The events of a request.
pub(crate) enum Events {
    One(BatchItem),
    Batch(Vec<BatchItem>),
}

impl Events {
    pub(crate) fn is_batch(&self) -> bool {
        matches!(self, Self::Batch(_))
    }

    pub(crate) fn items(&self) -> &[BatchItem] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::Batch(items) => items,
        }
    }

    /// Of the first of them.
    pub(crate) fn sequence(&self) -> Sequence {
        // There is always one.
        let first = self.items().first();
        first.map_or(Sequence::OLDEST, |item| item.event.sequence())
    }

    /// How often they were tried, with this time.
    pub(crate) fn attempt(&self) -> u32 {
        let attempts = self.items().iter().map(|item| item.attempt);
        attempts.max().unwrap_or(1)
    }

    /// The request; `None` if nothing of them is to be sent. A message that answers another one is not sent to whoever
    /// replies to each: it might be their own reply.
    pub(crate) fn request(&self, composer: &Composer<'_>) -> Result<Option<Prepared>, String> {
        let settings = composer.settings;
        let mut samples = self
            .items()
            .iter()
            .filter(|item| !is_own_reply(settings, item))
            .map(sample);
        match self {
            Self::One(_) => samples.next().map(|one| composer.one(one)).transpose(),
            Self::Batch(_) => {
                let samples: Vec<_> = samples.collect();
                match samples.is_empty() {
                    true => Ok(None),
                    false => composer.batch(&samples).map(Some),
                }
            }
        }
    }

    /// The acknowledgement, with the reply to each event that was sent.
    pub(crate) fn replied(
        &self,
        settings: &Settings,
        txtype: Option<&str>,
        value: &RawValue,
        response: &mut Response,
    ) {
        let Some(reply) = &settings.reply else {
            return;
        };
        let message = |item: &BatchItem| Outcome::Acknowledge {
            reply: (!is_own_reply(settings, item))
                .then(|| answer::reply(&item.event, reply, txtype, value.to_owned())),
        };
        match self {
            Self::One(item) => response.outcome = message(item),
            Self::Batch(items) => {
                let items = items.iter().map(|item| (item.id, message(item)));
                response.items = items.collect();
            }
        }
    }
}

fn sample(item: &BatchItem) -> Sample<'_> {
    Sample {
        event: &item.event,
        data: item.data.as_deref(),
    }
}

fn is_own_reply(settings: &Settings, item: &BatchItem) -> bool {
    settings.reply.is_some() && item.event.correlator().is_some()
}

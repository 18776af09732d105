//! How is a subscription tried without moving it?
//!
//! Its transport sends one event outside of the stream and says what was exchanged: an event of the log, or a sample
//! that is made like a real one and never committed. Nothing is settled by it, and neither a pause nor a connection
//! that is down is in its way: it is by a trial that one finds out.

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::message::DataInput;
use photinus_contract::transport::Exchange;
use photinus_contract::{
    CodedError, Data, Event, EventId, MessageInput, MessageKind, Record, Sequence, Subscription,
    SubscriptionId,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::core::Core;
use crate::namespaces::NamespaceState;
use crate::publish::{CommitTime, unavailable};
use crate::seek::no_event;
use crate::transports::RunningTransport;
use crate::values;

/// Most trials that go on at once.
pub(crate) const TRIALS_MAX: usize = 16;
/// How long one may take.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(60);
/// The topic and the tag of a sample, by which an application knows it.
const SAMPLE_TOPIC: &str = "photinus.test";
const SAMPLE_TAG: &str = "test";
/// Its sequence, which no event of a log has.
const SAMPLE_SEQUENCE: Sequence = Sequence(0);

/// What a subscription is tried with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialOf {
    /// An event that never was in the log.
    Sample,
    /// The event of this id.
    Event(Uuid),
    /// The event of this sequence.
    Sequence(Sequence),
}

/// How a trial went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Trial {
    /// Always true: nothing of this is part of the stream.
    pub test: bool,
    /// The event that was sent.
    pub event: EventId,
    /// What was exchanged.
    #[serde(flatten)]
    pub exchange: Exchange,
}

impl Core {
    /// Tries a durable subscription.
    pub(crate) async fn test_subscription(
        &self,
        namespace: &str,
        id: SubscriptionId,
        of: TrialOf,
    ) -> Result<Trial, CodedError> {
        self.check_open()?;
        let (namespace, subscription) = self.stored(namespace, id)?;
        let name = subscription.transport.clone();
        let cannot = || {
            let text = format!("Transport '{name}' cannot try a subscription");
            CodedError::bad_request("PH00448", text)
        };
        let transport = self.transports.get(&name).ok_or_else(cannot)?;
        let Ok(_turn) = self.trials.try_acquire() else {
            return Err(CodedError::unavailable(format!(
                "There are {TRIALS_MAX} trials of subscriptions at once already: try again when one is over"
            )));
        };
        let tried = async {
            let event = self.event_to_try(&namespace, of).await?;
            let data = self.data_to_try(&transport, &subscription, &event).await?;
            let id = event.id();
            let exchange = transport.test_delivery(subscription, event, data).await;
            Ok(Trial {
                test: true,
                event: id,
                exchange: exchange.ok_or_else(cannot)??,
            })
        };
        match tokio::time::timeout(TRIAL_TIME_MAX, tried).await {
            Ok(tried) => tried,
            Err(_) => Err(CodedError::unavailable(format!(
                "The trial was not over after {} s: the transport has no answer yet",
                TRIAL_TIME_MAX.as_secs()
            ))),
        }
    }

    async fn event_to_try(
        &self,
        namespace: &Arc<NamespaceState>,
        of: TrialOf,
    ) -> Result<Event, CodedError> {
        let name = &namespace.info.name;
        let wanted = "to try with";
        match of {
            TrialOf::Sample => self.sample(namespace).await,
            TrialOf::Event(id) => {
                let found = self.event(name, id).await?;
                found.ok_or_else(|| no_event(&id, wanted))
            }
            TrialOf::Sequence(sequence) => {
                let found = self.event_at(name, sequence).await?;
                found.ok_or_else(|| no_event(&sequence.0, wanted))
            }
        }
    }

    /// The values that a delivery of the event would carry.
    async fn data_to_try(
        &self,
        transport: &RunningTransport,
        subscription: &Subscription,
        event: &Event,
    ) -> Result<Option<Arc<[Data]>>, CodedError> {
        if !transport.needs_data(&subscription.options) {
            return Ok(None);
        }
        let data = values::of_message(&*self.store, event.record()).await;
        Ok(Some(data.map_err(unavailable)?.into()))
    }

    /// An event as a message makes it that is published now, but for its place: it has none.
    async fn sample(&self, namespace: &Arc<NamespaceState>) -> Result<Event, CodedError> {
        let mut message = MessageInput::default();
        message.header.topics = vec![SAMPLE_TOPIC.to_owned()];
        message.header.tag = SAMPLE_TAG.to_owned();
        let mut value = DataInput::default();
        let json = serde_json::json!({"test": true});
        value.value = Some(to_raw_value(&json).map_err(CodedError::undecodable)?);
        message.data = vec![value];
        let name = &namespace.info.name;
        let input = (&message).into();
        let prepared = self.prepare(name.as_str(), MessageKind::Broadcast, false, &input);
        let commit = CommitTime::new(self.clock.now());
        let content = prepared.await?.draft.seal(name.clone(), &commit);
        let record = Arc::new(Record::new(SAMPLE_SEQUENCE, content));
        Event::new(record, 0).ok_or_else(|| CodedError::internal("a sample has no event"))
    }
}

//! Where would events go by options that are not saved yet?

use photinus_contract::{CodedError, Event, EventId, Sequence};
use schemars::JsonSchema;
use serde::Serialize;

use crate::core::Core;
use crate::publish::unavailable;
use crate::subscribe::SubscriptionInput;
use crate::values;

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Address {
    /// The event.
    pub event: EventId,
    /// Its place in the log.
    pub sequence: Sequence,
    /// Where it goes, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// In place of that: why it goes nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Core {
    /// For each of these events, by the transport and the options of a subscription that is checked but for its name;
    /// nothing if the transport has no addresses.
    pub(crate) async fn addresses(
        &self,
        namespace: &str,
        input: &SubscriptionInput,
        events: &[Event],
    ) -> Result<Vec<Address>, CodedError> {
        let namespace = &self.namespaces.get(namespace)?.info.name;
        let stored = self.registry.by_name(namespace, &input.name);
        let checked = self.check_shape(input, stored.as_deref())?;
        let (transport, options) = (checked.transport, checked.options);
        let mut addresses = Vec::new();
        for event in events {
            let data = match transport.needs_data(&options) {
                true => values::of_message(&*self.store, event.record()).await,
                false => Ok(Vec::new()),
            };
            let data = data.map_err(unavailable)?;
            let Some(found) = transport.address(&options, event, &data) else {
                break;
            };
            let (address, error) = match found {
                Ok(address) => (Some(address), None),
                Err(error) => (None, Some(error)),
            };
            addresses.push(Address {
                event: event.id(),
                sequence: event.sequence(),
                address,
                error,
            });
        }
        Ok(addresses)
    }
}

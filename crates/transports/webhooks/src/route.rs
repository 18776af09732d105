//! Where do the events of a subscription go, and how?

use std::sync::Arc;

use photinus_contract::{CodedError, Subscription};

use crate::client::{Client, Clients};
use crate::options::ConfirmationMode;
use crate::settings::{Reader, Settings};
use crate::stations::{Station, Stations};

/// A subscription as it is now, and what it is sent with.
pub(crate) struct Route {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) settings: Settings,
    pub(crate) client: Arc<Client>,
    pub(crate) station: Arc<Station>,
    /// One request at a time, in order. Else the engine says what may be under way at once.
    pub(crate) is_ordered: bool,
}

impl Route {
    pub(crate) fn new(
        subscription: Arc<Subscription>,
        reader: &Reader<'_>,
        clients: &Clients,
        stations: &Stations,
    ) -> Result<Self, CodedError> {
        let mut options = subscription.options.clone();
        options.other = subscription.revealed_options();
        let settings = reader.read(&options)?;
        let has_key = options.ordering_key()?.is_some();
        Ok(Self {
            client: clients.client(&settings.client),
            station: stations.station(&settings.receiver()),
            is_ordered: !has_key && settings.mode != ConfirmationMode::Fastack,
            settings,
            subscription,
        })
    }

    /// Whether it is still what this subscription says.
    pub(crate) fn is_of(&self, subscription: &Arc<Subscription>) -> bool {
        Arc::ptr_eq(&self.subscription, subscription)
    }
}

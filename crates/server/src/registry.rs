//! Which stores and transports are there?
//!
//! The only room that names them. One more is a line here and a dependency.

use std::path::Path;
use std::sync::Arc;

use photinus_contract::TransportPlugin;
use photinus_contract::store::{Store, StoreError};
pub(crate) use photinus_transport_system::Listeners;
use photinus_transport_system::System;
use schemars::JsonSchema;
use serde::Deserialize;

/// The `[store.…]` sections.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSections {
    /// The embedded database.
    pub(crate) sqlite: photinus_store_sqlite::Config,
}

/// Opens the data in this directory. Blocks.
pub(crate) fn open_store(
    data: &Path,
    sections: StoreSections,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(photinus_store_sqlite::SqliteStore::open(
        data,
        sections.sqlite,
    )?))
}

/// All transports, by their own names, and the way to listen within this process to the one for that.
pub(crate) struct Transports {
    pub(crate) plugins: Vec<Box<dyn TransportPlugin>>,
    pub(crate) listeners: Listeners,
}

/// The transports, not running yet.
pub(crate) fn transports() -> Transports {
    let system = System::new();
    Transports {
        listeners: system.listeners(),
        plugins: vec![
            Box::new(photinus_transport_websockets::WebSockets),
            Box::new(photinus_transport_webhooks::Webhooks),
            Box::new(photinus_transport_amqp091::Amqp091),
            Box::new(photinus_transport_mqtt::Mqtt),
            Box::new(system),
        ],
    }
}

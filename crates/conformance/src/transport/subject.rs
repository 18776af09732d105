//! What is tried, and with whom?

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::transport::HttpMount;
use photinus_contract::{BoxFuture, Transport, TransportPlugin};
use serde_json::{Value, json};

use super::far_end::{FarEnd, FarError};

/// How long the suite waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many bytes of events a transport may take that reach nobody.
const FULL_AFTER: usize = 8 << 20;

type MakePlugin = Box<dyn Fn() -> Arc<dyn TransportPlugin> + Send + Sync>;
type FarEndStarted = BoxFuture<'static, Result<Box<dyn FarEnd>, FarError>>;
type MakeFarEnd = Box<dyn Fn(Running) -> FarEndStarted + Send + Sync>;

/// A transport and its far end. Each rule starts with a new one.
pub struct Subject {
    pub(super) plugin: MakePlugin,
    pub(super) far_end: MakeFarEnd,
    pub(super) config: Value,
    pub(super) patience: Duration,
    pub(super) full_after: usize,
}

impl Subject {
    /// `plugin` makes the transport, once for each start of the engine; `far_end` the application's end of
    /// the transport that runs.
    pub fn new(
        plugin: impl Fn() -> Arc<dyn TransportPlugin> + Send + Sync + 'static,
        far_end: impl Fn(Running) -> FarEndStarted + Send + Sync + 'static,
    ) -> Self {
        Self {
            plugin: Box::new(plugin),
            far_end: Box::new(far_end),
            config: json!({}),
            patience: PATIENCE,
            full_after: FULL_AFTER,
        }
    }

    /// With this section of the configuration instead of an empty one.
    pub fn with_config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// With this patience instead of 15 s. It is used up only where something does not happen.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The transport says busy before it has taken this many bytes of events that its far end does not read,
    /// with what the operating system holds. 8 MiB if not set; at most 12 MiB.
    pub fn full_after(mut self, bytes: usize) -> Self {
        self.full_after = bytes.min(12 << 20);
        self
    }
}

/// The transport as it runs, for its far end to find.
#[derive(Clone)]
pub struct Running {
    transport: Arc<dyn Transport>,
}

impl Running {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// What the server would serve on its port. The suite serves nothing: a far end that needs it does.
    pub fn http_mounts(&self) -> Vec<HttpMount> {
        self.transport.http_mounts()
    }

    /// What the transport says to an operator; a far end finds an address here.
    pub fn status(&self) -> Value {
        self.transport.status().unwrap_or(Value::Null)
    }
}

//! How is the engine put together, started and stopped?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_contract::store::{CreateNamespaceError, NamespaceInfo, Store, StoreError};
use photinus_contract::{Namespace, TransportPlugin};
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::callbacks::EngineCallbacks;
use crate::changes::ChangeFeed;
use crate::clock::{Clock, SystemClock};
use crate::committer::{Committer, Watch};
use crate::config::EngineConfig;
use crate::core::Core;
use crate::datatypes::Schemas;
use crate::fatal::or_end;
use crate::filters::Filters;
use crate::handle::Handle;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::namespaces::{DEFAULT, NamespaceMap};
use crate::pages::Pages;
use crate::registry::Registry;
use crate::shard::{self, Mail};
use crate::transports::{RunningTransport, TransportMap};
use crate::trial::TRIALS_MAX;

/// What an engine is made of.
#[non_exhaustive]
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What time it is, and what new ids are.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub config: EngineConfig,
}

impl Parts {
    /// This store and configuration, and the machine's clock.
    pub fn new(store: Arc<dyn Store>, config: EngineConfig) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            config,
        }
    }
}

/// Why the engine, or a transport, did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store failed.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A transport failed.
    #[error("transport '{name}' cannot start: {reason}")]
    Transport {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

/// A running engine.
pub struct Engine {
    core: Arc<Core>,
    /// Tells the committer to end.
    closing: CancellationToken,
    drivers: TaskTracker,
}

impl Engine {
    /// Loads what is stored and starts the shards. The namespace `default` exists afterwards.
    pub async fn start(parts: Parts) -> Result<Engine, StartError> {
        let Parts {
            store,
            clock,
            config,
        } = parts;
        let namespaces = Arc::new(NamespaceMap::default());
        let mut stored = store.namespaces().await?;
        if stored.iter().all(|info| info.name.as_str() != DEFAULT) {
            let info = NamespaceInfo::new(Namespace::new(DEFAULT), "Default", clock.now());
            match store.create_namespace(info.clone()).await {
                Ok(()) | Err(CreateNamespaceError::Exists) => stored.push(info),
                Err(CreateNamespaceError::Store(error)) => return Err(error.into()),
                Err(error) => warn!(%error, "cannot create the default namespace"),
            }
        }
        for info in stored {
            namespaces
                .load(&*store, info, config.tail_bytes_max)
                .await?;
        }

        let tasks = TaskTracker::new();
        let drivers = TaskTracker::new();
        let closing = CancellationToken::new();
        let transports = Arc::new(TransportMap::default());
        let shards = shard::mailboxes(config.shard_count());
        let registry = Registry::new(shards.clone(), namespaces.clone(), transports.clone());
        let changes = ChangeFeed::new(clock.clone(), config.change_queue_max.get());
        let changes = Arc::new(changes);
        drivers.spawn(or_end("change feed", changes.clone().fan_out()));
        let (health, metrics) = (Arc::new(Health::default()), Arc::new(Metrics::default()));
        let committer = Committer::start(
            store.clone(),
            clock.clone(),
            Watch {
                changes: changes.clone(),
                health: health.clone(),
                metrics: metrics.clone(),
            },
            shards.clone(),
            &config,
            &drivers,
            closing.clone(),
        );
        let filters = Filters::new(config.filters_bytes_max);
        for subscription in store.subscriptions().await? {
            // It compiled when it was created; if this version disagrees, the rest goes on without it.
            match filters.compile_stored(&subscription.filter) {
                Ok(filter) => registry.put(Arc::new(subscription), filter),
                Err(error) => {
                    warn!(name = %subscription.name, %error, "its filter is not understood")
                }
            }
        }
        for (id, pause) in store.pauses().await? {
            drop(registry.pause(id, Some(pause)));
        }
        let pages = Pages::new(store.clone(), tasks.clone(), &config);
        let core = Arc::new(Core {
            store,
            clock,
            config,
            namespaces,
            transports,
            filters,
            registry,
            committer,
            changes,
            pages,
            health,
            metrics,
            schemas: Schemas::default(),
            tasks,
            admin: Mutex::default(),
            stopping: AtomicBool::new(false),
            trials: Semaphore::new(TRIALS_MAX),
        });
        core.clone().learn_positions();
        for handle in shards {
            drivers.spawn(or_end("shard", shard::run(core.clone(), handle)));
        }
        Ok(Engine {
            core,
            closing,
            drivers,
        })
    }

    /// What the API calls.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.clone())
    }

    /// Starts a transport with its section of the configuration.
    pub async fn start_transport(
        &self,
        plugin: &dyn TransportPlugin,
        config: Value,
    ) -> Result<(), StartError> {
        let name = plugin.name();
        let callbacks = Arc::new(EngineCallbacks::new(self.core.clone(), name));
        let transport = plugin
            .init(config, callbacks)
            .await
            .map_err(|reason| StartError::Transport { name, reason })?;
        self.core
            .transports
            .insert(Arc::new(RunningTransport::new(name, transport)));
        self.core.registry.transport_started(name);
        info!(transport = name, "it runs");
        Ok(())
    }

    /// Stops: takes nothing new, lets the transports hand back what they have, writes all positions, and closes
    /// the store.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        let Engine {
            core,
            closing,
            drivers,
        } = self;
        core.stopping.store(true, Ordering::Release);
        for transport in core.transports.all() {
            transport.shutdown().await;
        }
        core.changes.close();
        // Replies, parked entries and changes of subscriptions that are under way still reach the store.
        core.tasks.close();
        core.tasks.wait().await;
        let mut stopped = Vec::new();
        for shard in core.registry.shards() {
            let (done, wait) = oneshot::channel();
            shard.post(Mail::Shutdown { done });
            stopped.push(wait);
        }
        for wait in stopped {
            let _ = wait.await;
        }
        closing.cancel();
        drivers.close();
        drivers.wait().await;
        core.store.close().await
    }
}

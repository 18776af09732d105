//! What is measured: a server without a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use photinus_api::{ApiConfig, RequestMetrics};
use photinus_contract::TransportPlugin;
use photinus_engine::metrics::{Family, Sink, Value};
use photinus_engine::{Engine, EngineConfig, Parts};
use photinus_store_sqlite::SqliteStore;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The family that counts ephemeral subscriptions.
const EPHEMERAL: &str = "photinus_ephemeral_subscriptions";

/// A server without a process of its own.
pub(crate) struct Server {
    runtime: Runtime,
    engine: Engine,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(data: &Path, config: EngineConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let store = SqliteStore::open(data, Default::default()).unwrap();
        let (engine, address) = runtime.block_on(async {
            let parts = Parts::new(Arc::new(store), config);
            let engine = Engine::start(parts).await.unwrap();
            let websockets = photinus_transport_websockets::WebSockets;
            let system = photinus_transport_system::System::new();
            let plugins: [&dyn TransportPlugin; 2] = [&websockets, &system];
            for plugin in plugins {
                engine.start_transport(plugin, json!({})).await.unwrap();
            }
            let router = photinus_api::router(
                engine.handle(),
                system.listeners(),
                ApiConfig::default(),
                RequestMetrics::rest(),
            );
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
            tokio::spawn(async move { axum::serve(listener, router).await });
            (engine, address)
        });
        Self {
            runtime,
            engine,
            address,
        }
    }

    /// How many ephemeral subscriptions are served.
    pub(crate) fn ephemerals(&self) -> f64 {
        struct Served(f64);
        impl Sink for Served {
            fn put(&mut self, family: &'static Family, _: &[&str], value: Value<'_>) {
                if let (EPHEMERAL, Value::Number(number)) = (family.name, value) {
                    self.0 += number;
                }
            }
        }
        let mut served = Served(0.0);
        let handle = self.engine.handle();
        self.runtime.block_on(handle.collect(0, &mut served));
        served.0
    }

    /// Ends it in order.
    pub(crate) fn end(self) {
        self.runtime.block_on(self.engine.shutdown()).unwrap();
        self.runtime.shutdown_background();
    }
}

//! In which order does everything start and stop?
//!
//! ```text
//!   configuration ─▶ ports taken ─▶ monitoring served ─▶ store ─▶ engine ─▶ transports ─▶ API served
//!   listeners closed ─▶ API drained ─▶ transports ─▶ engine ─▶ store ─▶ monitoring ended
//! ```
//!
//! Ports come before the data, so that a second server on the same ports leaves the data alone.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use photinus_api::Spi;
use photinus_contract::store::Store;
use photinus_engine::{Engine, Parts};

use crate::config::Settings;
use crate::config::urls::without_passwords;
use crate::listen::{Port, Serving};
use crate::metrics::{Metrics, Requests};
use crate::monitoring::{self, Readiness};
use crate::registry::{self, Listeners, StoreSections};
use crate::signals::{Signal, Signals};

/// Runs the server until it is asked to stop.
pub(crate) async fn serve(settings: Settings) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|error| format!("cannot receive signals: {error}"))?;
    let server = tokio::select! {
        started = Server::start(settings) => started?,
        signal = signals.next() => {
            // What is stored is whole at any time, so there is nothing to wait for.
            tracing::info!("stopped by {signal} before the start was complete");
            return Ok(());
        }
    };
    server.announce();
    let signal = signals.next().await;
    tracing::info!("stopping because of {signal}; once more ends at once");
    tokio::select! {
        stopped = server.stop() => stopped,
        signal = signals.next() => end_at_once(signal),
    }
}

fn end_at_once(signal: Signal) -> ! {
    tracing::warn!("ended by a second signal, {signal}, before the stop was complete");
    std::process::exit(signal.status())
}

/// The SPI, where it is served.
struct ServedSpi {
    spi: Spi,
    serving: Serving,
    address: SocketAddr,
}

struct Server {
    engine: Engine,
    listeners: Listeners,
    api: Serving,
    monitoring: Serving,
    spi: Option<ServedSpi>,
    readiness: Readiness,
    api_address: SocketAddr,
    monitoring_address: SocketAddr,
    data: PathBuf,
}

impl Server {
    async fn start(settings: Settings) -> Result<Self, String> {
        let api_port = take("[api] listen", Some("--listen"), settings.api.listen)?;
        let monitoring_port = take(
            "[monitoring] listen",
            Some("--monitoring"),
            settings.monitoring.listen,
        )?;
        let spi_port = settings.spi.listen;
        let spi_port = spi_port.map(|address| take("[spi] listen", None, address));
        let spi_port = spi_port.transpose()?;
        let (api_address, monitoring_address) = (api_port.address(), monitoring_port.address());

        let readiness = Readiness::default();
        let requests = Requests::default();
        let subscriptions_max = settings.monitoring.subscriptions_max;
        let figures = Metrics::new(readiness.clone(), requests.clone(), subscriptions_max);
        let monitoring = monitoring_port
            .serve(
                monitoring::router(readiness.clone(), figures),
                settings.monitoring.connections_max,
            )
            .map_err(|error| not_listening(monitoring_address, Some("--monitoring"), &error))?;

        let store = open_store(&settings.data, settings.store.clone()).await?;
        let engine = Engine::start(Parts::new(store, settings.engine.clone()))
            .await
            .map_err(|error| error.to_string())?;
        let served = match serve_api(&engine, api_port, &settings, &requests).await {
            Ok((api, listeners)) => match serve_spi(&engine, spi_port, &settings, &requests) {
                Ok(spi) => Ok((api, listeners, spi)),
                Err(error) => {
                    listeners.close();
                    api.stop().await;
                    Err(error)
                }
            },
            Err(error) => Err(error),
        };
        let (api, listeners, spi) = match served {
            Ok(served) => served,
            Err(error) => {
                if let Err(error) = engine.shutdown().await {
                    tracing::error!(%error, "the engine did not stop cleanly after a failed start");
                }
                return Err(error);
            }
        };
        readiness.started(engine.handle());
        Ok(Self {
            engine,
            listeners,
            api,
            monitoring,
            spi,
            readiness,
            api_address,
            monitoring_address,
            data: settings.data,
        })
    }

    /// What whoever has started the server waits for. Nobody has to read it.
    fn announce(&self) {
        let data = std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone());
        let spi = self.spi.as_ref().map(|spi| spi.address);
        let spi = spi.map(|address| format!("Photinus's SPI listens on http://{address}\n"));
        let lines = format!(
            "Photinus listens on http://{}\n{}Monitoring on http://{}\nData in {}\n",
            self.api_address,
            spi.unwrap_or_default(),
            self.monitoring_address,
            data.display()
        );
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %self.api_address, "started");
    }

    async fn stop(self) -> Result<(), String> {
        self.readiness.stopping();
        // Requests that wait for a reply are answered now, so that nothing waits for them.
        self.listeners.close();
        if let Some(ServedSpi { spi, serving, .. }) = self.spi {
            tokio::join!(serving.stop(), spi.stop(), self.api.stop());
        } else {
            self.api.stop().await;
        }
        let stopped = self.engine.shutdown().await;
        self.monitoring.stop().await;
        stopped.map_err(|error| format!("the data was not closed cleanly: {error}"))?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn serve_api(
    engine: &Engine,
    port: Port,
    settings: &Settings,
    requests: &Requests,
) -> Result<(Serving, Listeners), String> {
    let transports = registry::transports();
    for plugin in transports.plugins {
        let name = plugin.name();
        let section = settings.transports.get(name).cloned().unwrap_or_default();
        engine
            .start_transport(&*plugin, section)
            .await
            .map_err(|error| without_passwords(&error.to_string()))?;
    }
    let address = port.address();
    let listeners = transports.listeners;
    let router = photinus_api::router(
        engine.handle(),
        listeners.clone(),
        settings.api.clone(),
        requests.rest.clone(),
    );
    let serving = port
        .serve(router, settings.api.connections_max)
        .map_err(|error| not_listening(address, Some("--listen"), &error))?;
    Ok((serving, listeners))
}

fn serve_spi(
    engine: &Engine,
    port: Option<Port>,
    settings: &Settings,
    requests: &Requests,
) -> Result<Option<ServedSpi>, String> {
    let Some(port) = port else { return Ok(None) };
    let address = port.address();
    let spi = Spi::new(engine.handle(), &settings.spi);
    let serving = port
        .serve(
            spi.router(&settings.api, requests.admin.clone()),
            settings.spi.connections_max,
        )
        .map_err(|error| not_listening(address, None, &error))?;
    Ok(Some(ServedSpi {
        spi,
        serving,
        address,
    }))
}

fn take(key: &str, flag: Option<&str>, address: SocketAddr) -> Result<Port, String> {
    Port::take(address).map_err(|error| format!("{key}: {}", not_listening(address, flag, &error)))
}

fn not_listening(address: SocketAddr, flag: Option<&str>, error: &std::io::Error) -> String {
    let with = flag.map(|flag| format!(" with {flag}")).unwrap_or_default();
    format!("cannot listen on {address}: {error}; choose another address{with}")
}

async fn open_store(data: &Path, sections: StoreSections) -> Result<Arc<dyn Store>, String> {
    let directory = data.to_owned();
    let opened =
        tokio::task::spawn_blocking(move || registry::open_store(&directory, sections)).await;
    match opened {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!(
            "{}: the store failed to open: {panic}",
            data.display()
        )),
    }
}

//! How is the product started and asked?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::now;
use crate::process::Process;
use crate::wire::http::Http;
use crate::wire::scan;
use crate::wire::socket::{PATIENCE, Socket};
use crate::workload::{self, NAMESPACE, Workload};

/// Where messages are published.
pub const PUBLISH_PATH: &str = "/api/v1/namespaces/default/messages/broadcast";
/// Where many are published at once.
pub const BULK_PATH: &str = "/api/v1/namespaces/default/messages/bulk";
/// Where a socket publishes.
pub const PUBLISH_SOCKET_PATH: &str = "/api/v1/namespaces/default/publish";
/// Where events are delivered.
pub const SOCKET_PATH: &str = "/ws";
const SUBSCRIPTIONS_PATH: &str = "/api/v1/namespaces/default/subscriptions";

/// Webhooks may go to this machine.
const SETTINGS: &str = "[transports.webhooks]\nallow = [\"127.0.0.0/8\"]\n";

const SETTINGS_FILE: &str = "settings.toml";

/// A running product on an empty directory of its own.
pub struct Product {
    /// The process.
    pub process: Process,
    /// Where its API is.
    pub address: SocketAddr,
    /// Where its metrics are.
    monitoring: SocketAddr,
    /// How long it took until it was ready to be asked.
    pub started_in: Duration,
    directory: TempDir,
}

/// A subscription that it keeps.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Product {
    /// Starts it in a new directory below `place`, with all settings as they come, but that webhooks may go to this
    /// machine, and these lines.
    pub fn start(binary: &Path, place: &Path, settings: &str) -> Result<Self> {
        let directory = TempDir::with_prefix_in("product-", place)?;
        std::fs::write(
            directory.path().join(SETTINGS_FILE),
            format!("{SETTINGS}{settings}"),
        )?;
        Self::start_in(binary, directory)
    }

    fn start_in(binary: &Path, directory: TempDir) -> Result<Self> {
        let settings = directory.path().join(SETTINGS_FILE);
        let mut command = Command::new(binary);
        command
            .args(["--listen", "127.0.0.1:0", "--monitoring", "127.0.0.1:0"])
            .args(["--log-level", "error", "--data"])
            .arg(directory.path().join("data"))
            .arg("--config")
            .arg(&settings);
        let log = directory.path().join("log");
        let started = now();
        let prefixes = ["Photinus listens on http://", "Monitoring on http://"];
        let (process, [address, monitoring]) =
            Process::start(&mut command, &log, prefixes).context("the product")?;
        Ok(Self {
            process,
            address,
            monitoring,
            started_in: started.elapsed(),
            directory,
        })
    }

    /// Ends it in an orderly way, and starts it again on what is stored: nothing of that is in its memory then.
    pub fn restart(self, binary: &Path) -> Result<Self> {
        self.process.end().context("the product")?;
        Self::start_in(binary, self.directory)
    }

    /// A connection to its API.
    pub async fn http(&self) -> Result<Http> {
        Http::connect(self.address).await
    }

    /// A WebSocket.
    pub async fn socket(&self) -> Result<Socket> {
        Socket::open(self.address, SOCKET_PATH).await
    }

    /// Makes a durable subscription.
    pub async fn subscribe(
        &self,
        http: &mut Http,
        name: &str,
        filter: Value,
        options: Value,
    ) -> Result<Subscription> {
        let body = json!({"name": name, "filter": filter, "options": options});
        self.subscribe_as(http, name, body).await
    }

    /// Makes a durable webhook, which gets whole events.
    pub async fn subscribe_hook(
        &self,
        http: &mut Http,
        name: &str,
        url: &str,
        mut options: Value,
    ) -> Result<Subscription> {
        options["url"] = url.into();
        options["withData"] = false.into();
        let body = json!({"name": name, "transport": "webhooks", "options": options});
        self.subscribe_as(http, name, body).await
    }

    /// Makes a durable subscription of any kind.
    pub async fn subscribe_as(
        &self,
        http: &mut Http,
        name: &str,
        body: Value,
    ) -> Result<Subscription> {
        let body = body.to_string();
        let answer = http
            .post(SUBSCRIPTIONS_PATH, body.into(), StatusCode::CREATED)
            .await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let id = answer["id"].as_str().context("a subscription has an id")?;
        Ok(Subscription {
            id: id.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Removes it.
    pub async fn unsubscribe(&self, http: &mut Http, subscription: &Subscription) -> Result<()> {
        http.delete(&format!("{SUBSCRIPTIONS_PATH}/{}", subscription.id))
            .await
    }

    /// The sequence of the newest event, 0 if there is none.
    pub async fn newest(&self, http: &mut Http) -> Result<u64> {
        let page = http
            .get("/api/v1/namespaces/default/events?limit=1")
            .await?;
        Ok(page[0]["sequence"].as_u64().unwrap_or_default())
    }

    /// The sum of the series of a metric; none if there are no such.
    pub async fn metric(&self, name: &str) -> Result<Option<f64>> {
        let mut http = Http::connect(self.monitoring).await?;
        let (status, text) = http.ask(Method::GET, "/metrics", Bytes::new()).await?;
        ensure!(status == StatusCode::OK, "/metrics: {status}");
        let series = std::str::from_utf8(&text)?.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_it = rest.starts_with([' ', '{']);
            is_it.then(|| {
                rest.rsplit(' ')
                    .next()
                    .and_then(|value| value.parse::<f64>().ok())
            })?
        });
        Ok(series.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value)))
    }

    /// Waits until a metric has this value.
    pub async fn wait_for_metric(&self, name: &str, value: f64) -> Result<()> {
        let started = now();
        loop {
            match self.metric(name).await? {
                Some(is) if is == value => return Ok(()),
                is if started.elapsed() > PATIENCE => bail!("{name} is {is:?} instead of {value}"),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> Result<bool> {
        let mut http = Http::connect(self.monitoring).await?;
        let (status, _) = http.ask(Method::GET, "/readyz", Bytes::new()).await?;
        Ok(status == StatusCode::OK)
    }

    /// Waits until everything up to `sequence` is settled.
    pub async fn wait_for_offset(
        &self,
        http: &mut Http,
        subscription: &Subscription,
        sequence: u64,
    ) -> Result<()> {
        let path = format!("{SUBSCRIPTIONS_PATH}/{}?fetchstatus", subscription.id);
        let started = now();
        loop {
            let answer = http.get(&path).await?;
            let offset = answer["status"]["currentOffset"].as_u64();
            match offset {
                Some(offset) if offset == sequence => return Ok(()),
                _ if started.elapsed() > PATIENCE => bail!(
                    "the offset of {} is {offset:?} instead of {sequence}, long after the last ack",
                    subscription.name
                ),
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Ends it in an orderly way.
    pub fn end(self) -> Result<()> {
        self.process.end().context("the product")
    }
}

/// The frame that attaches a socket to a durable subscription.
pub fn start_frame(name: &str) -> String {
    json!({"type": "start", "namespace": NAMESPACE, "name": name, "autoack": false}).to_string()
}

/// What the product makes of a message, seen once.
pub async fn probe(binary: &Path, place: &Path) -> Result<Workload> {
    let product = Product::start(binary, place, "")?;
    let mut http = product.http().await?;
    product
        .subscribe(
            &mut http,
            "bench",
            json!({}),
            json!({"firstEvent": "oldest"}),
        )
        .await?;
    let answer = http
        .post(
            PUBLISH_PATH,
            Bytes::from(workload::body(0)),
            StatusCode::ACCEPTED,
        )
        .await?;
    let mut socket = product.socket().await?;
    socket.send(start_frame("bench")).await?;
    let frame = socket.next().await?;
    ensure!(scan::event(&frame).is_some(), "not an event: {frame}");
    ensure!(
        scan::tag(&frame) == Some(0),
        "an event without its tag: {frame}"
    );
    Ok(Workload {
        answer: String::from_utf8(answer.to_vec())?,
        frame: frame.to_string(),
    })
}

/// The product that is beside this program in the target directory, built from the sources as they are now.
pub fn build(own_binary: &Path) -> Result<PathBuf> {
    // target/<profile>/photinus-bench
    let profile_directory = own_binary.parent().context("a program is in a directory")?;
    let target = profile_directory
        .parent()
        .context("a profile's directory is in the target directory")?;
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--package",
            "photinus-server",
            "--bins",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(target)
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "the product does not build: {status}");
    Ok(profile_directory.join("photinus"))
}

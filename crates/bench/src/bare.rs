//! What can the machine do with the same libraries, and nothing of the product?
//!
//! A process of its own, so that both sides pay for the same changes between processes. It runs on the runtime that the
//! product runs on, and speaks through the same crates: axum, tungstenite, SQLite.

mod brokers;
mod bulk;
mod checkpoint;
mod committer;
mod hooks;
mod posts;
mod push;
mod relay;
mod rows;
mod sockets;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::drive::paced::Pace;
use crate::process::Process;
use crate::wire::http::Http;
use crate::wire::socket::Socket;
use crate::workload::{FrameTemplate, Workload};

use committer::{Committer, Rows, Sink, Written};
use relay::Relay;
use rows::Alone;

pub use brokers::BrokerOrder;
pub use push::PushOrder;

/// Parses a message and forgets it.
pub const PARSE_PATH: &str = "/parse";
/// Parses a message and inserts a row.
pub const INSERT_PATH: &str = "/insert";
/// The same for a line each.
pub const BULK_PATH: &str = "/bulk";
/// Parses a message, writes and syncs it, and pushes a frame.
pub const RELAY_PATH: &str = "/relay";
/// The same for a line each.
pub const RELAY_BULK_PATH: &str = "/relay-bulk";
/// Inserts rows without any wire.
pub const ROWS_PATH: &str = "/rows";
/// Writes and syncs without any wire.
pub const WRITE_PATH: &str = "/write";
/// Writes and syncs at a pace.
pub const WRITE_PACED_PATH: &str = "/write-paced";
/// Reads rows in order without any wire.
pub const READ_PATH: &str = "/read";
/// Asks webhooks.
pub const HOOKS_PATH: &str = "/hooks";
/// Publishes to a broker.
pub const BROKERS_PATH: &str = "/brokers";
/// A socket that pushes frames.
pub const PUSH_SOCKET_PATH: &str = "/push";
/// A socket that gets what is relayed.
pub const RELAY_SOCKET_PATH: &str = "/relay";
/// A socket that answers each message with its frame.
pub const PONG_SOCKET_PATH: &str = "/pong";
/// The same when the message is written and synced.
pub const SYNCED_PONG_SOCKET_PATH: &str = "/pong-synced";
/// A socket that inserts each message and says so.
pub const INSERT_SOCKET_PATH: &str = "/insert";

const HTTP_PREFIX: &str = "HTTP on ";
const SOCKETS_PREFIX: &str = "WebSockets on ";

/// A running bare server.
pub struct Bare {
    /// The process.
    pub process: Process,
    http: SocketAddr,
    sockets: SocketAddr,
    _directory: TempDir,
}

impl Bare {
    /// Starts this program once more as a bare server, with its files below `place`.
    /// Databases have so many rows before they are measured.
    pub fn start(
        own_binary: &Path,
        place: &Path,
        workload: &Workload,
        warm_up: usize,
    ) -> Result<Self> {
        let directory = TempDir::with_prefix_in("bare-", place)?;
        workload.keep(&directory.path().join("workload.json"))?;
        let mut command = Command::new(own_binary);
        command
            .arg("bare")
            .arg(directory.path())
            .arg(warm_up.to_string());
        let log = directory.path().join("log");
        let (process, [http, sockets]) =
            Process::start(&mut command, &log, [HTTP_PREFIX, SOCKETS_PREFIX])
                .context("the bare server")?;
        Ok(Self {
            process,
            http,
            sockets,
            _directory: directory,
        })
    }

    /// A connection for requests.
    pub async fn http(&self) -> Result<Http> {
        Http::connect(self.http).await
    }

    /// Where requests go.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where sockets go.
    pub fn sockets_address(&self) -> SocketAddr {
        self.sockets
    }

    /// A WebSocket at one of the paths above.
    pub async fn socket(&self, path: &str) -> Result<Socket> {
        Socket::open(self.sockets, path).await
    }

    /// How many rows or pieces a second, in groups of that many, for about that long.
    pub async fn by_itself(&self, path: &str, group: usize, milliseconds: u128) -> Result<f64> {
        let order = json!({"group": group, "milliseconds": milliseconds as u64});
        self.rate(path, &order).await
    }

    /// How many requests a second webhooks are asked, beside each other, each so often.
    pub async fn ask_hooks(&self, urls: &[String], each: usize) -> Result<f64> {
        let order = json!({"urls": urls, "each": each});
        self.rate(HOOKS_PATH, &order).await
    }

    /// How many messages a second a broker confirms.
    pub async fn publish_to_broker(&self, order: &BrokerOrder) -> Result<f64> {
        self.rate(BROKERS_PATH, order).await
    }

    /// How many rows a second are read in order, of so many; they are inserted before the first time.
    pub async fn read_rows(&self, rows: usize) -> Result<f64> {
        self.rate(READ_PATH, &json!({"rows": rows})).await
    }

    async fn rate(&self, path: &str, order: &impl Serialize) -> Result<f64> {
        let order = serde_json::to_vec(order)?.into();
        let answer = self.http().await?.post(path, order, StatusCode::OK).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        answer["rate"].as_f64().context("no rate")
    }

    /// How long a write and its sync take, each at its time.
    pub async fn paced_writes(&self, pace: Pace) -> Result<Vec<Duration>> {
        let order = json!({"rate": pace.rate, "count": pace.count}).to_string();
        let answer = self
            .http()
            .await?
            .post(WRITE_PACED_PATH, order.into(), StatusCode::OK)
            .await?;
        let seconds: Vec<f64> = serde_json::from_slice(&answer)?;
        Ok(seconds.into_iter().map(Duration::from_secs_f64).collect())
    }
}

/// A message as far as anybody has to look at it.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    header: Header<'a>,
    #[serde(borrow)]
    data: Vec<Entry<'a>>,
    #[serde(default, rename = "ref")]
    reference: &'a str,
}

#[derive(Debug, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    topics: Vec<&'a str>,
    tag: &'a str,
    author: &'a str,
}

#[derive(Debug, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
}

impl<'a> Message<'a> {
    /// Decodes it all.
    fn parse(body: &'a [u8]) -> Result<Self> {
        let message: Self = serde_json::from_slice(body)?;
        let parts = [
            message.header.author,
            message.header.topics.first().copied().unwrap_or_default(),
        ];
        let values = message.data.iter().map(|entry| entry.value.get().len());
        anyhow::ensure!(parts.iter().all(|part| !part.is_empty()) && values.sum::<usize>() > 0);
        Ok(message)
    }

    /// The number in its tag.
    fn tag(&self) -> Result<usize> {
        self.header
            .tag
            .get(1..)
            .unwrap_or_default()
            .parse()
            .context("a tag is a letter and a number")
    }
}

/// What all requests and sockets share.
struct Shared {
    answer: Bytes,
    stored_bytes: usize,
    warm_up: usize,
    template: FrameTemplate,
    directory: PathBuf,
    /// Rows in a database.
    rows: Committer,
    /// Written to a file, then pushed.
    relayed: Committer,
    /// Written to a file.
    written: Committer,
    relay: Arc<Relay>,
    alone: Alone,
}

/// The life of the process.
pub fn serve(directory: &Path, warm_up: usize) -> Result<()> {
    let workload = Workload::read(&directory.join("workload.json"))?;
    let template = FrameTemplate::of(&workload.frame)?;
    let relay = Arc::new(Relay::new(template.clone()));
    let bytes = workload.stored_bytes();
    let [rows, relayed, written] =
        ["rows.db", "relayed", "written"].map(|name| directory.join(name));
    let shared = Arc::new(Shared {
        rows: Committer::start(
            move || Ok(Sink::Rows(Rows::create(&rows, bytes, warm_up)?)),
            None,
        ),
        relayed: Committer::start(
            move || Ok(Sink::File(Written::create(&relayed, bytes)?)),
            Some(relay.clone()),
        ),
        written: Committer::start(
            move || Ok(Sink::File(Written::create(&written, bytes)?)),
            None,
        ),
        answer: workload.answer.into(),
        stored_bytes: bytes,
        warm_up,
        template,
        directory: directory.to_owned(),
        relay,
        alone: Alone::default(),
    });
    // As the product's.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let sockets = listener()?;
        println!(
            "{HTTP_PREFIX}{}\n{SOCKETS_PREFIX}{}",
            http.local_addr()?,
            sockets.local_addr()?
        );
        tokio::try_join!(
            posts::serve(http, shared.clone()),
            sockets::serve(sockets, shared)
        )?;
        Ok(())
    })
}

/// With a queue as long as the product's: thousands connect at once.
fn listener() -> Result<TcpListener> {
    const BACKLOG_MAX: u32 = 1024;
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    Ok(socket.listen(BACKLOG_MAX)?)
}

//! Where do webhooks arrive?
//!
//! At servers as plain as can be: they look for the end of a head and of a body, and answer at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::scan;
use super::socket::PATIENCE;
use crate::clock::now;

/// How many of what arrived wait to be looked at.
const QUEUE_MAX: usize = 65_536;
/// The last bytes of a head.
const END: &[u8] = b"\r\n\r\n";
/// Hosts of one network of this machine.
const HOSTS: usize = 250;

/// What a receiver says to everything.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It has it.
    Received,
    /// It fails.
    Failed,
}

impl Answer {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Received => b"HTTP/1.1 204 No Content\r\n\r\n",
            Self::Failed => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
        }
    }
}

/// An event that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its sequence.
    pub sequence: u64,
    /// The number in its tag.
    pub tag: usize,
    /// Which of the receivers it came to.
    pub host: usize,
    /// When all of it was there.
    pub at: Instant,
}

/// Receivers of webhooks, each at an address of its own. They end with this.
pub struct Receiver {
    addresses: Vec<SocketAddr>,
    arrivals: mpsc::Receiver<Arrival>,
    _servers: JoinSet<()>,
}

impl Receiver {
    /// So many, which all answer so.
    pub async fn start(count: usize, answer: Answer) -> Result<Self> {
        let (sender, arrivals) = mpsc::channel(QUEUE_MAX);
        let mut servers = JoinSet::new();
        let mut addresses = Vec::with_capacity(count);
        for host in 0..count {
            // Each a host of its own, for clients that keep connections by host.
            let ip = Ipv4Addr::new(127, 0, (host / HOSTS) as u8, (host % HOSTS) as u8 + 1);
            let listener = TcpListener::bind((IpAddr::from(ip), 0)).await?;
            addresses.push(listener.local_addr()?);
            servers.spawn(serve(listener, host, answer, sender.clone()));
        }
        Ok(Self {
            addresses,
            arrivals,
            _servers: servers,
        })
    }

    /// Where they are.
    pub fn urls(&self) -> Vec<String> {
        let urls = self.addresses.iter();
        urls.map(|address| format!("http://{address}/hook"))
            .collect()
    }

    /// What arrives next.
    pub async fn next(&mut self) -> Result<Arrival> {
        let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
        next.context("nothing came for too long")?
            .context("nobody receives")
    }

    /// As [`next`](Self::next), for as long as it takes.
    pub async fn wait(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }
}

async fn serve(
    listener: TcpListener,
    host: usize,
    answer: Answer,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let arrivals = arrivals.clone();
        connections.spawn(async move {
            // Whoever sends sees that a connection ends.
            let _ = converse(stream, host, answer, arrivals).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(
    mut stream: TcpStream,
    host: usize,
    answer: Answer,
    arrivals: mpsc::Sender<Arrival>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(16 << 10);
    loop {
        let (body, end) = loop {
            if let Some(whole) = request(&read)? {
                break whole;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let at = now();
        if let Answer::Received = answer {
            let text = std::str::from_utf8(&read[body..end])?;
            let seen = scan::event(text).with_context(|| format!("not an event: {text}"))?;
            let tag = scan::tag(text).context("an event without a tag")?;
            let sequence = seen.sequence;
            arrivals
                .send(Arrival {
                    sequence,
                    tag,
                    host,
                    at,
                })
                .await?;
        }
        stream.write_all(answer.text()).await?;
        read.drain(..end);
    }
}

/// Where the body of a request begins and ends, if all of it is there.
fn request(read: &[u8]) -> Result<Option<(usize, usize)>> {
    const LENGTH: &str = "content-length: ";
    let Some(head) = read.windows(END.len()).position(|bytes| bytes == END) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..head])?;
    let length = text.split("\r\n").find_map(|line| {
        let name = line.get(..LENGTH.len())?;
        name.eq_ignore_ascii_case(LENGTH)
            .then(|| line[LENGTH.len()..].parse::<usize>())
    });
    let body = head + END.len();
    let end = body + length.context("a request without its length")??;
    Ok((end <= read.len()).then_some((body, end)))
}

//! What do many sockets cost that do nothing?

use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::json;

use crate::bare;
use crate::clock::now;
use crate::drive::paced::{self, Pace};
use crate::machine::allow_files;
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::process::Process;
use crate::product::{PUBLISH_PATH, SOCKET_PATH, start_frame};
use crate::scale::Scale;
use crate::statistics::latencies;
use crate::wire::socket::Socket;

/// At which rate the one active socket is served.
const RATE: u32 = 100;
/// How many upgrades go on at once.
const CONNECTING_MAX: usize = 64;
/// Open files besides those of the sockets.
const FILES_BESIDES: usize = 500;

/// Open sockets on which nothing was started, and one on which events come.
pub(super) struct IdleSockets {
    count: usize,
    messages: usize,
}

impl IdleSockets {
    pub(super) fn new(scale: &Scale) -> Self {
        let messages = (f64::from(RATE) * scale.paced_time.as_secs_f64() / 2.0) as usize;
        Self {
            count: scale.idle_sockets,
            messages: messages.max(1),
        }
    }

    /// Connects, then publishes to the one that is active.
    async fn load(&self, side: &Side<'_>, active: Socket) -> Result<Sample> {
        let before = side.process.memory()?;
        let start = now();
        let idle = connect(side.sockets, side.socket_path, self.count).await?;
        let rate = self.count as f64 / start.elapsed().as_secs_f64();
        let memory = side.process.memory()?.saturating_sub(before) as f64 / self.count as f64;
        let pace = Pace {
            rate: RATE,
            count: self.messages,
        };
        let mut active = vec![active];
        let all = paced::publish(
            side.http,
            side.publish_path,
            pace,
            |number| number,
            &mut active,
            1,
        )
        .await?;
        let [p50, _, p99, _] = latencies(&all).context("no messages")?;
        drop(idle);
        Ok([rate, memory, p50, p99].map(Some).to_vec())
    }
}

/// Where the sockets and the messages go.
struct Side<'a> {
    process: &'a Process,
    sockets: SocketAddr,
    socket_path: &'static str,
    http: SocketAddr,
    publish_path: &'static str,
}

async fn connect(address: SocketAddr, path: &'static str, count: usize) -> Result<Vec<Socket>> {
    let mut open = Vec::with_capacity(count);
    let mut connecting = tokio::task::JoinSet::new();
    let mut begun = 0;
    while open.len() < count {
        while begun < count && connecting.len() < CONNECTING_MAX {
            connecting.spawn(Socket::open_idle(address, path));
            begun += 1;
        }
        let connected = connecting
            .join_next()
            .await
            .context("nothing is connecting")?;
        open.push(
            connected
                .context("a client has panicked")?
                .with_context(|| format!("after {} sockets", open.len()))?,
        );
    }
    Ok(open)
}

impl Measurement for IdleSockets {
    fn name(&self) -> String {
        "idle-sockets".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "{} WebSockets are opened, {CONNECTING_MAX} at a time, on which nothing is started; one more gets {} events at {RATE}/s (open loop)",
            self.count, self.messages
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("sockets opened", Unit::PerSecond),
            Figure::new("memory each", Unit::Bytes),
            Figure::new("p50 of the active one", Unit::Micros),
            Figure::new("p99 of the active one", Unit::Micros),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: tungstenite, 4 KiB buffers"]
    }

    fn prepare(&mut self, _: &Bench) -> Result<()> {
        // The servers that are started from now on have room for as many.
        allow_files((self.count + FILES_BESIDES) as u64)
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        // New ones each time: what was once in memory may stay there.
        bench.runtime.block_on(async {
            if side > 0 {
                let bare = bench.bare()?;
                let mut active = bare.socket(bare::RELAY_SOCKET_PATH).await?;
                active.send(r#"{"type":"start"}"#).await?;
                active.ping().await?;
                let side = Side {
                    process: &bare.process,
                    sockets: bare.sockets_address(),
                    socket_path: bare::RELAY_SOCKET_PATH,
                    http: bare.http_address(),
                    publish_path: bare::RELAY_PATH,
                };
                return self.load(&side, active).await;
            }
            let product = bench.product()?;
            let mut http = product.http().await?;
            let options = json!({"firstEvent": "oldest", "readAhead": 50});
            product
                .subscribe(&mut http, "active", json!({}), options)
                .await?;
            let mut active = product.socket().await?;
            active.send(start_frame("active")).await?;
            let side = Side {
                process: &product.process,
                sockets: product.address,
                socket_path: SOCKET_PATH,
                http: product.address,
                publish_path: PUBLISH_PATH,
            };
            let sample = self.load(&side, active).await?;
            product.end()?;
            Ok(sample)
        })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

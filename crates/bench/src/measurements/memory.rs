//! How much memory does the product take, and how soon is it there?

use anyhow::Result;
use serde_json::json;

use crate::bare::{self, PushOrder};
use crate::drive::bulk;
use crate::drive::drain::{Plan, drain};
use crate::measurement::{Bench, Figure, Measurement, Sample, Unit};
use crate::product::{BULK_PATH, start_frame};
use crate::scale::Scale;

/// Events that are drained at least: more than a window.
const EVENTS_MIN: usize = 100;
const READ_AHEAD: usize = 50;
const MEBIBYTE: f64 = (1 << 20) as f64;

/// The life of a server from its start to after a load.
pub(super) struct Memory {
    messages: usize,
}

impl Memory {
    pub(super) fn new(scale: &Scale) -> Self {
        Self {
            messages: scale.memory_messages.max(EVENTS_MIN),
        }
    }

    async fn product(&self, bench: &Bench) -> Result<Sample> {
        let product = bench.product()?;
        let started = product.started_in.as_secs_f64() * 1e3;
        let mut http = product.http().await?;
        product
            .subscribe(
                &mut http,
                "memory",
                json!({}),
                json!({"firstEvent": "oldest", "readAhead": READ_AHEAD}),
            )
            .await?;
        let idle = product.process.memory()?;
        let (_, sequences) =
            bulk::post(product.http().await?, BULK_PATH, self.messages, |_| 0).await?;
        let mut socket = product.socket().await?;
        socket.send(start_frame("memory")).await?;
        let plan = Plan {
            subscriptions: 1,
            expected: sequences.into(),
            window: READ_AHEAD + 1,
            batch: false,
            named: false,
        };
        let (_, sockets) = drain(vec![socket], &plan, || ()).await?;
        drop(sockets);
        let sample = [
            started,
            mebibytes(idle),
            mebibytes(product.process.memory_peak()?),
            mebibytes(product.process.memory()?),
        ];
        product.end()?;
        Ok(sample.map(Some).to_vec())
    }

    async fn bare(&self, bench: &Bench) -> Result<Sample> {
        let bare = bench.bare()?;
        let idle = bare.process.memory()?;
        bulk::post(bare.http().await?, bare::BULK_PATH, self.messages, |_| 0).await?;
        let events = self.messages;
        let mut socket = bare.socket(bare::PUSH_SOCKET_PATH).await?;
        let order = PushOrder {
            events,
            window: READ_AHEAD + 1,
            batch: false,
        };
        socket.send(serde_json::to_string(&order)?).await?;
        let plan = Plan {
            subscriptions: 1,
            expected: (1..=events as u64).collect(),
            window: order.window,
            batch: false,
            named: false,
        };
        let (_, sockets) = drain(vec![socket], &plan, || ()).await?;
        drop(sockets);
        let loaded = [idle, bare.process.memory_peak()?, bare.process.memory()?];
        Ok(std::iter::once(None)
            .chain(loaded.map(|bytes| Some(mebibytes(bytes))))
            .collect())
    }
}

/// As a figure counts them.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

impl Measurement for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn about(&self) -> String {
        format!(
            "started, then {} messages are published in one bulk request and drained with read-ahead {READ_AHEAD}",
            self.messages
        )
    }

    fn figures(&self) -> Vec<Figure> {
        vec![
            Figure::new("from start to listening", Unit::Millis),
            Figure::new("memory idle (PSS)", Unit::Mebibytes),
            Figure::new("memory at its peak (RSS)", Unit::Mebibytes),
            Figure::new("memory afterwards (PSS)", Unit::Mebibytes),
        ]
    }

    fn sides(&self) -> Vec<&'static str> {
        vec!["product", "bare: the same load"]
    }

    fn prepare(&mut self, _: &Bench) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample> {
        bench.runtime.block_on(async {
            match side {
                0 => self.product(bench).await,
                _ => self.bare(bench).await,
            }
        })
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

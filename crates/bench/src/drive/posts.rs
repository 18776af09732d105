//! How many messages a second are published by clients that wait for each answer?

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::clock::now;
use crate::wire::http::Http;
use crate::workload;

/// What was done.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// How many messages were answered.
    pub messages: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Done {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

/// That many clients, each with one connection that is kept alive, post for about that long.
pub async fn post(
    address: SocketAddr,
    path: &'static str,
    clients: usize,
    time: Duration,
) -> Result<Done> {
    let body = Bytes::from(workload::body(0));
    let mut connections = Vec::new();
    for _ in 0..clients {
        let mut connection = Http::connect(address).await?;
        connection
            .post(path, body.clone(), StatusCode::ACCEPTED)
            .await?;
        connections.push(connection);
    }
    let start = now();
    let mut running = JoinSet::new();
    for mut connection in connections {
        let body = body.clone();
        running.spawn(async move {
            let mut messages = 0;
            while start.elapsed() < time {
                connection
                    .post(path, body.clone(), StatusCode::ACCEPTED)
                    .await?;
                messages += 1;
            }
            anyhow::Ok(messages)
        });
    }
    let mut messages = 0;
    while let Some(client) = running.join_next().await {
        messages += client.context("a client has panicked")??;
    }
    Ok(Done {
        messages,
        elapsed: start.elapsed(),
    })
}

/// How many messages [`post`] publishes before it measures.
pub fn warm_up_messages(clients: usize) -> u64 {
    clients as u64
}

//! How many messages a second are published over one WebSocket?

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::posts::Done;
use crate::clock::now;
use crate::wire::socket::Socket;
use crate::workload;

/// How many messages may be unanswered: what the product reads ahead.
pub const WINDOW: usize = 1_000;

#[derive(Debug, Deserialize)]
struct Published<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(rename = "ref")]
    reference: &'a str,
    sequence: Option<u64>,
}

/// Publishes that many messages, with at most a window of them unanswered.
pub async fn publish(mut socket: Socket, messages: usize) -> Result<Done> {
    let body = workload::body(0);
    let rest = body.strip_prefix('{').unwrap_or_default();
    let start = now();
    let mut unanswered = VecDeque::with_capacity(WINDOW);
    let mut sent = 0;
    let mut last = 0;
    while sent < messages || !unanswered.is_empty() {
        while sent < messages && unanswered.len() < WINDOW {
            socket.feed(format!(r#"{{"ref":"{sent}",{rest}"#)).await?;
            unanswered.push_back(sent);
            sent += 1;
        }
        socket.flush().await?;
        let mut answer = Some(socket.next().await?);
        while let Some(text) = answer {
            let published: Published<'_> = serde_json::from_str(&text)?;
            let expected = unanswered.pop_front().map(|number| number.to_string());
            let sequence = published.sequence.unwrap_or_default();
            ensure!(
                published.kind == "published"
                    && Some(published.reference) == expected.as_deref()
                    && sequence > last,
                "not the answer to {expected:?}: {text}"
            );
            last = sequence;
            answer = socket.ready()?;
        }
    }
    Ok(Done {
        messages: messages as u64,
        elapsed: start.elapsed(),
    })
}

//! How fast can frames be pushed that are all acknowledged?

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Shared;

/// What to push: the first frame of the client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PushOrder {
    /// How many events.
    pub events: usize,
    /// How many of them may be unanswered.
    pub window: usize,
    /// Whether a window is one frame that is answered by one.
    pub batch: bool,
}

/// An acknowledgement, as the product reads it.
#[derive(Debug, Deserialize)]
struct Ack<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
}

/// Pushes until all is acknowledged.
pub(super) async fn push(shared: &Shared, socket: &mut WebSocketStream<TcpStream>) -> Result<()> {
    let Some(Message::Text(order)) = socket.next().await.transpose()? else {
        return Ok(());
    };
    let order: PushOrder = serde_json::from_str(&order)?;
    let mut pushed = 0;
    // Batches are ready before the first is sent: what it costs to make such large frames is not in this limit.
    let mut ready = match order.batch {
        true => batches(shared, order),
        false => VecDeque::new(),
    };
    let mut unanswered = VecDeque::new();
    while pushed < order.events || !unanswered.is_empty() {
        let room = match order.batch {
            true => 1,
            false => order.window,
        };
        while unanswered.len() < room && pushed < order.events {
            let (frame, id) = match ready.pop_front() {
                Some((frame, id, events)) => {
                    pushed += events;
                    (frame, id)
                }
                None => single(shared, &mut pushed),
            };
            unanswered.push_back(id);
            socket.feed(Message::text(frame)).await?;
        }
        socket.flush().await?;
        let mut next = socket.next().await;
        loop {
            let Message::Text(text) = next.context("the client is gone")?? else {
                return Ok(());
            };
            let ack: Ack<'_> = serde_json::from_str(&text)?;
            ensure!(ack.kind == "ack", "not an ack: {text}");
            ensure!(
                unanswered.pop_front().as_deref() == Some(ack.id),
                "acknowledged out of order: {text}"
            );
            match socket.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
    }
    Ok(())
}

fn id_of(sequence: u64) -> String {
    format!("00000000-0000-7000-8000-{sequence:012x}")
}

fn single(shared: &Shared, pushed: &mut usize) -> (String, String) {
    *pushed += 1;
    let mut frame = String::with_capacity(shared.template.capacity());
    shared.template.write(*pushed as u64, 0, &mut frame);
    (frame, id_of(*pushed as u64))
}

/// All frames, with their ids and how many events are in each.
fn batches(shared: &Shared, order: PushOrder) -> VecDeque<(String, String, usize)> {
    let mut made = 0;
    let mut batches = VecDeque::new();
    while made < order.events {
        let before = made;
        let (frame, id) = batch(shared, &mut made, order);
        batches.push_back((frame, id, made - before));
    }
    batches
}

fn batch(shared: &Shared, pushed: &mut usize, order: PushOrder) -> (String, String) {
    let count = order.window.min(order.events - *pushed);
    let id = id_of(*pushed as u64);
    let mut frame = String::with_capacity(shared.template.capacity() * (count + 1));
    frame.push_str(r#"{"type":"event_batch","id":""#);
    frame.push_str(&id);
    frame.push_str(r#"","events":["#);
    for number in 0..count {
        if number > 0 {
            frame.push(',');
        }
        *pushed += 1;
        shared.template.write(*pushed as u64, 0, &mut frame);
    }
    frame.push_str("]}");
    (frame, id)
}

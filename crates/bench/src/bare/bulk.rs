//! What does a bare server do with a line each?

use anyhow::Result;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::Message;
use super::committer::Committer;
use crate::wire::http::NDJSON;

/// Most lines that are read and not answered.
const PENDING_MAX: usize = 10_000;
/// How long a piece of the answer is, about.
const PIECE_BYTES: usize = 16 << 10;

/// Reads lines and answers each, in order.
pub(super) fn answer(committer: Committer, body: Body) -> Response {
    let (sender, receiver) = mpsc::channel(PENDING_MAX);
    // Ends with the answer.
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        if let Err(error) = read(&committer, body, sender).await {
            eprintln!("bulk: {error:#}");
        }
    });
    let pieces = stream::unfold((receiver, reading), |(mut receiver, reading)| async {
        let piece = piece(&mut receiver).await?;
        Some((
            Ok::<_, std::convert::Infallible>(piece),
            (receiver, reading),
        ))
    });
    let headers = [(CONTENT_TYPE, NDJSON)];
    (StatusCode::OK, headers, Body::from_stream(pieces)).into_response()
}

async fn read(
    committer: &Committer,
    body: Body,
    pending: mpsc::Sender<oneshot::Receiver<u64>>,
) -> Result<()> {
    let mut body = body.into_data_stream();
    let mut rest = BytesMut::new();
    while let Some(piece) = body.next().await {
        rest.extend_from_slice(&piece?);
        let mut from = 0;
        while let Some(length) = rest[from..].iter().position(|byte| *byte == b'\n') {
            let tag = Message::parse(&rest[from..from + length])?.tag()?;
            pending.send(committer.queue(tag).await?).await?;
            from += length + 1;
        }
        let _ = rest.split_to(from);
    }
    Ok(())
}

/// The answers that are there, one at least; none at the end.
async fn piece(pending: &mut mpsc::Receiver<oneshot::Receiver<u64>>) -> Option<Bytes> {
    let mut piece = String::with_capacity(PIECE_BYTES);
    let mut next = pending.recv().await;
    while let Some(answer) = next {
        write_answer(answer.await.ok()?, &mut piece);
        if piece.len() > PIECE_BYTES {
            break;
        }
        next = pending.try_recv().ok();
    }
    (!piece.is_empty()).then(|| piece.into())
}

fn write_answer(sequence: u64, out: &mut String) {
    use std::fmt::Write;
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        r#"{{"id":"00000000-0000-7000-8000-{sequence:012x}","sequence":{sequence}}}"#
    );
}

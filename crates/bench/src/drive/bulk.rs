//! How many messages a second are published, a line each?

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use serde::Deserialize;

use super::posts::Done;
use crate::clock::now;
use crate::wire::http::{Answer, Http};
use crate::workload;

/// How long a piece of the body is, about.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug, Deserialize)]
struct Line {
    sequence: Option<u64>,
    error: Option<String>,
}

/// The body of a request, made before the clock starts.
pub struct Lines {
    count: usize,
    pieces: Vec<Bytes>,
}

/// That many lines with these tags.
pub fn lines(count: usize, tag: impl Fn(usize) -> usize) -> Lines {
    Lines {
        count,
        pieces: pieces(count, tag),
    }
}

/// Posts that many lines in one request, see [`post_lines`].
pub async fn post(
    connection: Http,
    path: &str,
    count: usize,
    tag: impl Fn(usize) -> usize,
) -> Result<(Done, Vec<u64>)> {
    post_lines(connection, path, lines(count, tag)).await
}

/// Posts lines in one request, and reads the answers while it sends. Returns the sequences as well.
pub async fn post_lines(connection: Http, path: &str, lines: Lines) -> Result<(Done, Vec<u64>)> {
    let Lines {
        count: lines,
        pieces,
    } = lines;
    let start = now();
    let (status, answer) = connection.stream(path, stream::iter(pieces)).await?;
    let sequences = answers(path, status, answer).await?;
    let elapsed = start.elapsed();
    ensure!(
        sequences.len() == lines,
        "{} answers to {lines} lines",
        sequences.len()
    );
    let messages = lines as u64;
    Ok((Done { messages, elapsed }, sequences))
}

/// Reads the answers to lines; returns the sequences.
pub(super) async fn answers(
    path: &str,
    status: StatusCode,
    mut answer: Answer,
) -> Result<Vec<u64>> {
    let mut sequences: Vec<u64> = Vec::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(piece) = answer.next().await? {
        ensure!(
            status == StatusCode::OK,
            "{path}: {status}: {}",
            String::from_utf8_lossy(&piece)
        );
        rest.extend_from_slice(&piece);
        let mut from = 0;
        while let Some(length) = rest[from..].iter().position(|byte| *byte == b'\n') {
            let line: Line = serde_json::from_slice(&rest[from..from + length])?;
            match line {
                Line {
                    sequence: Some(sequence),
                    error: None,
                } => sequences.push(sequence),
                other => bail!("{path}: line {}: {other:?}", sequences.len() + 1),
            }
            from += length + 1;
        }
        rest.drain(..from);
    }
    ensure!(status == StatusCode::OK, "{path}: {status}");
    ensure!(
        sequences.is_sorted_by(|a, b| a < b),
        "sequences do not rise"
    );
    Ok(sequences)
}

/// The body of a request with so many lines, in pieces.
fn pieces(lines: usize, tag: impl Fn(usize) -> usize) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for number in 0..lines {
        piece.extend_from_slice(workload::body(tag(number)).as_bytes());
        piece.push(b'\n');
        if piece.len() >= PIECE_BYTES {
            pieces.push(std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES)).into());
        }
    }
    pieces.push(piece.into());
    pieces
}

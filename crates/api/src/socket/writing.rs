//! How do the answers of a publishing socket leave it?
//!
//! In the order of the frames. They are flushed when nothing more is ready, or when they are many.

use std::pin::pin;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{FutureExt, SinkExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::conversation::FLUSH_BYTES;
use super::ending::Ending;
use super::frames::{Ref, answer};
use crate::together::Together;

/// Frames that were read together, in order.
pub(super) struct Waiting {
    /// The client's name for each.
    pub(super) references: Vec<Ref>,
    pub(super) messages: Together,
    pub(super) places: OwnedSemaphorePermit,
}

/// Answers in order, until there is nothing more to answer. A client has `stall_max` to take what is written.
pub(super) async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    mut answers: mpsc::Receiver<Waiting>,
    stall_max: Duration,
) -> Result<(), Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Out {
        sink,
        stall_max,
        bytes: 0,
        places: Vec::new(),
    };
    loop {
        let next = match answers.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                out.flush().await?;
                answers.recv().await
            }
        };
        let Some(waiting) = next else {
            return out.flush().await;
        };
        let mut results = pin!(waiting.messages.answers());
        let results = match results.as_mut().now_or_never() {
            Some(results) => results,
            None => {
                out.flush().await?;
                results.await
            }
        };
        for (reference, result) in waiting.references.iter().zip(results) {
            out.add(answer(reference, &result)).await?;
        }
        out.answered(waiting.places);
    }
}

/// Answers that are written and not flushed.
struct Out<'a, S> {
    sink: &'a mut SplitSink<WebSocketStream<S>, Message>,
    stall_max: Duration,
    bytes: usize,
    places: Vec<OwnedSemaphorePermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Out<'_, S> {
    async fn add(&mut self, text: String) -> Result<(), Ending> {
        self.bytes += text.len();
        let fed = timeout(self.stall_max, self.sink.feed(Message::text(text)));
        done(fed.await)?;
        match self.bytes < FLUSH_BYTES {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// All answers that have these places are written.
    fn answered(&mut self, places: OwnedSemaphorePermit) {
        // Where the last of them was flushed already, they are free with this.
        if self.bytes > 0 {
            self.places.push(places);
        }
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        if self.bytes > 0 {
            done(timeout(self.stall_max, self.sink.flush()).await)?;
            self.bytes = 0;
            self.places.clear();
        }
        Ok(())
    }
}

fn done(written: Result<Result<(), Error>, tokio::time::error::Elapsed>) -> Result<(), Ending> {
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Ending::Gone("it cannot be written to")),
        Err(_) => Err(Ending::Gone("its client takes nothing")),
    }
}

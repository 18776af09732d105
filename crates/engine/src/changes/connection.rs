//! How is a transport's connection told of changes?
//!
//! By a task of its own, so that one that is slow keeps nobody else waiting. The task waits while the connection is
//! down or has said that it is busy; its queue counts what is dropped meanwhile.

use std::sync::Arc;

use photinus_contract::transport::ConnectionState;
use photinus_contract::{ChangeFilter, ChangeKind, ConnectionId, HandOver, Namespace};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::queue::{Queue, Scope};
use super::{ChangeFeed, Listening};
use crate::transports::RunningTransport;

/// How many changes a connection is told before other tasks have their turn.
const TURN: usize = 64;

/// What a connection asked for. It ends when this is dropped.
pub(crate) struct ConnectionChanges {
    listening: Listening,
    gate: watch::Sender<Gate>,
}

/// Whether a connection can be told anything.
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    down: bool,
    /// How often it said that it is ready again.
    readies: u64,
}

impl ConnectionChanges {
    /// Begins to tell a connection.
    pub(crate) fn begin(
        feed: &Arc<ChangeFeed>,
        transport: Arc<RunningTransport>,
        connection: ConnectionId,
        down: bool,
        tasks: &TaskTracker,
    ) -> Self {
        let listening = feed.add(Scope::Namespaces(Default::default()));
        let (gate, opened) = watch::channel(Gate { down, readies: 0 });
        let telling = Telling {
            feed: feed.clone(),
            transport,
            connection,
            queue: listening.queue.clone(),
            gate: opened,
        };
        let closing = feed.closing.clone();
        let telling = async move {
            // A transport that did not stop may have left it busy or down.
            closing.run_until_cancelled(telling.run()).await;
        };
        tasks.spawn_on(telling, &feed.runtime);
        Self { listening, gate }
    }

    /// Tells it the changes of one more namespace, or others of the same.
    pub(crate) fn widen(&self, namespace: Namespace, filter: &ChangeFilter) {
        self.listening.queue.widen(namespace, filter);
    }

    /// The connection said how it is.
    pub(crate) fn note(&self, state: &ConnectionState) {
        self.gate.send_modify(|gate| {
            match state {
                ConnectionState::Down { .. } => gate.down = true,
                ConnectionState::Up => gate.down = false,
                _ => {}
            }
            gate.readies += 1;
        });
    }
}

/// The task of one connection.
struct Telling {
    feed: Arc<ChangeFeed>,
    transport: Arc<RunningTransport>,
    connection: ConnectionId,
    queue: Arc<Queue>,
    gate: watch::Receiver<Gate>,
}

impl Telling {
    async fn run(mut self) {
        let mut told = 0;
        while let Some(change) = self.queue.next().await {
            loop {
                // An error is the end of the connection.
                let Ok(gate) = self
                    .gate
                    .wait_for(|gate| !gate.down)
                    .await
                    .map(|gate| *gate)
                else {
                    return;
                };
                match self.transport.change_event(&self.connection, &change) {
                    HandOver::Ok => break,
                    HandOver::Busy(_) => {
                        // It may have said so already.
                        let again = |now: &Gate| now.readies != gate.readies;
                        if self.gate.wait_for(again).await.is_err() {
                            return;
                        }
                    }
                    HandOver::Failed(reason) => {
                        debug!(connection = %self.connection, reason, "a change was not told");
                        self.queue.give_up(&change, self.feed.clock.now());
                        if change.kind == ChangeKind::Dropped {
                            // It is told with the next change, and not again and again.
                            self.queue.more().await;
                        }
                        break;
                    }
                    _ => return self.queue.close(),
                }
            }
            told += 1;
            if told % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

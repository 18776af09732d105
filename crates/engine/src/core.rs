//! What do all parts of a running engine share?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_contract::record::ReplyKey;
use photinus_contract::store::{AppendError, Store};
use photinus_contract::transport::Published;
use photinus_contract::{CodedError, Event, MessageInput, MessageKind};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::EngineConfig;
use crate::handle::Receipt;
use crate::namespaces::{NamespaceMap, NamespaceState};
use crate::pages::Pages;
use crate::publish::{Publisher, unavailable};
use crate::registry::Registry;
use crate::transports::TransportMap;

/// What all parts of a running engine share.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: EngineConfig,
    pub(crate) namespaces: Arc<NamespaceMap>,
    pub(crate) transports: Arc<TransportMap>,
    pub(crate) registry: Registry,
    pub(crate) committer: Committer,
    pub(crate) pages: Pages,
    pub(crate) tasks: TaskTracker,
    /// Held while a subscription or namespace is created, changed or deleted.
    pub(crate) admin: Mutex<()>,
    pub(crate) stopping: AtomicBool,
}

impl Core {
    /// Publishes a message: resolves when it is committed.
    pub(crate) async fn publish(
        &self,
        namespace: &str,
        kind: MessageKind,
        input: MessageInput,
    ) -> Result<Receipt, CodedError> {
        let namespace = self.namespaces.get(namespace)?;
        if self.stopping.load(Ordering::Acquire) {
            return Err(CodedError::unavailable("The server is stopping"));
        }
        let (message, draft) = self.publisher().draft(&namespace, kind, input).await?;
        match self.committer.append(namespace, draft, None).await {
            Ok(record) => Ok(Receipt {
                published: Published::new(record.content.id, record.last),
                confirmed: record.content.created,
                message,
            }),
            Err(AppendError::DuplicateKey { holder }) => {
                let key = message.idempotency_key.unwrap_or_default();
                Err(CodedError::new(
                    "FF10430",
                    409,
                    format!("Idempotency key '{key}' already used for message '{holder}'"),
                ))
            }
            Err(AppendError::Store(error)) => Err(unavailable(error)),
            Err(other) => Err(CodedError::internal(other.to_string())),
        }
    }

    /// Publishes the answer to an event under its key, which makes it happen once. An answer that is no valid
    /// message is reported and dropped: the acknowledgement counts all the same.
    pub(crate) async fn publish_reply(
        &self,
        namespace: &Arc<NamespaceState>,
        event: &Event,
        mut reply: MessageInput,
        key: ReplyKey,
    ) -> Result<(), AppendError> {
        let group = &event.record().content.group;
        reply.header.cid = Some(event.reference());
        let kind = match group.is_empty() {
            true => MessageKind::Broadcast,
            false => {
                reply.header.group = group.parse().ok();
                MessageKind::Private
            }
        };
        let (_, draft) = match self.publisher().draft(namespace, kind, reply).await {
            Ok(drafted) => drafted,
            Err(error) => {
                warn!(event = %event.id(), %error, "a reply is not a valid message");
                return Ok(());
            }
        };
        self.committer
            .append(namespace.clone(), draft, Some(key))
            .await
            .map(drop)
    }

    pub(crate) fn publisher(&self) -> Publisher<'_> {
        Publisher {
            store: &*self.store,
            clock: &*self.clock,
            config: &self.config,
        }
    }
}

//! What is a message before and after its commit?

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use photinus_contract::store::AppendError;
use photinus_contract::transport::Published;
use photinus_contract::{CodedError, Message, MessageId, Record, Timestamp};

use super::{Draft, unavailable};
use crate::committer::Queued;
use crate::metrics::Source;
use crate::namespaces::NamespaceState;

/// What was published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// The message as the answer to an unconfirmed publish shows it.
    pub message: Message,
    /// Its id, and the sequence of its last event.
    pub published: Published,
    /// When it was committed.
    pub confirmed: Timestamp,
    /// The record that was committed, with the message as it is stored.
    pub record: Arc<Record>,
}

/// A message that was checked and has its id, and is published by [`Handle::commit`] or not at all. So whoever
/// waits for what follows from it can wait before it is published.
pub struct Prepared {
    pub(crate) namespace: Arc<NamespaceState>,
    pub(crate) message: Message,
    pub(crate) draft: Draft,
}

impl Prepared {
    /// Says by which way the message came in, for those who count.
    pub fn via(mut self, source: Source) -> Self {
        self.draft.origin.source = source;
        self
    }

    /// The id of the message.
    pub fn id(&self) -> MessageId {
        self.message.header.id
    }
}

/// A message on its way into the log. Resolves when it is committed or refused, as
/// [`Handle::commit`](crate::Handle::commit) does. Dropping it takes nothing back.
#[must_use = "the message may be refused"]
pub struct Pending {
    queued: Queued,
    key: Option<String>,
}

impl Pending {
    pub(crate) fn new(queued: Queued, key: Option<String>) -> Self {
        Self { queued, key }
    }
}

impl Future for Pending {
    type Output = Result<Published, CodedError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.queued).poll(context)) {
            Ok(record) => Ok(Published::new(record.content.id, record.last)),
            Err(error) => Err(refused(error, self.key.take())),
        })
    }
}

/// What the publisher of a message with this key is told when it was not appended.
pub(crate) fn refused(error: AppendError, key: Option<String>) -> CodedError {
    match error {
        AppendError::DuplicateKey { holder } => {
            let key = key.unwrap_or_default();
            CodedError::new(
                "FF10430",
                409,
                format!("Idempotency key '{key}' already used for message '{holder}'"),
            )
        }
        AppendError::Store(error) => unavailable(error),
        other => CodedError::internal(other.to_string()),
    }
}

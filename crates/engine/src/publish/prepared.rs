//! What is a message before and after its commit?

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use photinus_contract::store::AppendError;
use photinus_contract::transport::Published;
use photinus_contract::{CodedError, MessageId, Record, Timestamp};

use super::draft::as_ready;
use super::{Draft, unavailable};
use crate::committer::Queued;
use crate::metrics::Source;
use crate::namespaces::NamespaceState;

/// What was published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receipt {
    /// Its id, and the sequence of its last event.
    pub published: Published,
    /// When it was committed.
    pub confirmed: Timestamp,
    /// The record that was committed, with the message as it is stored.
    pub record: Arc<Record>,
}

impl Receipt {
    /// The JSON of the message as the answer to an unconfirmed publish shows it.
    pub fn ready_json(&self) -> Vec<u8> {
        as_ready(self.record.content.message_json())
    }
}

/// A message that was checked and has its id, and is published by [`Handle::commit`](crate::Handle::commit) or not at
/// all. So whoever waits for what follows from it can wait before it is published.
pub struct Prepared {
    pub(crate) namespace: Arc<NamespaceState>,
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
        self.draft.id()
    }
}

/// The messages of a [`Lot`](super::Lot) on their way into the log. Resolves when each is committed or refused, in
/// their order. Dropping it takes nothing back.
#[must_use = "messages may be refused"]
pub struct Pending {
    queued: Queued,
    /// The keys of those that have one, with their places.
    keys: Vec<(usize, Box<str>)>,
}

impl Pending {
    pub(crate) fn new(queued: Queued, keys: Vec<(usize, Box<str>)>) -> Self {
        Self { queued, keys }
    }

    /// The keys of drafts, for [`refused`].
    pub(crate) fn keys(drafts: &mut [Draft]) -> Vec<(usize, Box<str>)> {
        let drafts = drafts.iter_mut().enumerate();
        drafts
            .filter_map(|(place, draft)| Some((place, draft.key.take()?)))
            .collect()
    }
}

impl Future for Pending {
    type Output = Vec<Result<Published, CodedError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let results = ready!(Pin::new(&mut self.queued).poll(context)).into_iter();
        let key = |place| {
            let found = self.keys.iter().find(|(of, _)| *of == place);
            found.map(|(_, key)| &**key)
        };
        let results = results.enumerate();
        Poll::Ready(
            results
                .map(|(place, result)| result.map_err(|error| refused(error, key(place))))
                .collect(),
        )
    }
}

/// What the publisher of a message with this key is told when it was not appended.
pub(crate) fn refused(error: AppendError, key: Option<&str>) -> CodedError {
    match error {
        AppendError::DuplicateKey { holder } => {
            let key = key.unwrap_or_default();
            CodedError::new(
                "FF10430",
                409,
                format!("Idempotency key '{key}' already used for message '{holder}'"),
            )
            .with_holder(holder)
        }
        AppendError::Store(error) => unavailable(error),
        other => CodedError::internal(other.to_string()),
    }
}

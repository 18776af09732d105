//! What is a message before and after its commit?

use std::sync::Arc;

use photinus_contract::transport::Published;
use photinus_contract::{Message, MessageId, Record, Timestamp};

use super::Draft;
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
    /// The id of the message.
    pub fn id(&self) -> MessageId {
        self.message.header.id
    }
}

//! What becomes of messages that are published together?
//!
//! Each gets an answer of its own, in the order in which they were read: also those that were refused before the rest
//! was queued.

use photinus_contract::CodedError;
use photinus_contract::transport::Published;
use photinus_engine::Pending;

/// Messages that were read together, in order.
pub(crate) struct Together {
    /// What is wrong with each, if anything is.
    read: Vec<Result<(), CodedError>>,
    /// What becomes of those with which nothing is.
    queued: Result<Option<Pending>, CodedError>,
}

impl Together {
    /// Messages of which those were queued with which nothing is wrong; `None` if there are none.
    pub(crate) fn new(
        read: Vec<Result<(), CodedError>>,
        queued: Result<Option<Pending>, CodedError>,
    ) -> Self {
        Self { read, queued }
    }

    /// The answer to each. Resolves when all are committed that can be.
    pub(crate) async fn answers(self) -> impl Iterator<Item = Result<Published, CodedError>> {
        let mut published = match self.queued {
            Err(error) => Err(error),
            Ok(None) => Ok(Vec::new().into_iter()),
            Ok(Some(pending)) => Ok(pending.await.into_iter()),
        };
        self.read.into_iter().map(move |read| {
            read.and_then(|()| match &mut published {
                Ok(published) => published
                    .next()
                    .unwrap_or_else(|| Err(CodedError::internal("a message has no answer"))),
                Err(error) => Err(error.clone()),
            })
        })
    }
}

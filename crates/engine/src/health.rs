//! Does the store take what it is given?
//!
//! The committer sees it with every group. While the store fails, it is tried again and again with a write that
//! leaves nothing, so that the end is seen also when nobody publishes. And whoever else sees a write fail says so,
//! which has the store tried at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use photinus_contract::store::{AppendError, Appended, StoreError, StoreErrorKind};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::publish::is_passing;

/// How often a failing store is tried.
const TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the store refuses what it should take.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failing: AtomicBool,
    error: Mutex<Option<StoreError>>,
    doubts: Notify,
}

impl Health {
    /// Why the store refuses writes, if it does.
    pub(crate) fn error(&self) -> Option<StoreError> {
        self.lock().clone()
    }

    /// A write failed that the committer has not made. What is refused for itself says nothing of others.
    pub(crate) fn doubt(&self, error: &StoreError) {
        if is_passing(error) {
            self.doubts.notify_one();
        }
    }

    /// Resolves when the store is to be tried.
    pub(crate) async fn trial_due(&self) {
        match self.failing.load(Ordering::Relaxed) {
            true => tokio::time::sleep(TRIAL_INTERVAL).await,
            false => self.doubts.notified().await,
        }
    }

    /// What became of a trial.
    pub(crate) fn tried(&self, result: Result<(), StoreError>) {
        self.note(result.err());
    }

    /// What became of a group. One record that is refused for itself says nothing of the others; whether that is so
    /// shows in a trial, so that no client can make the server seem unwell.
    pub(crate) fn appended(&self, results: &[Result<Appended, AppendError>]) {
        if results.iter().any(Result::is_ok) {
            return self.note(None);
        }
        let errors = results.iter().filter_map(|result| result.as_ref().err());
        let failed = errors.into_iter().find_map(|error| match error {
            AppendError::Store(error) => Some(error),
            _ => None,
        });
        match failed {
            Some(error) if error.kind() == StoreErrorKind::Other => self.doubts.notify_one(),
            Some(error) => self.note(Some(error.clone())),
            None => {}
        }
    }

    /// It is said when it begins and when it ends, not for each message.
    fn note(&self, failed: Option<StoreError>) {
        let was_failing = self.failing.load(Ordering::Relaxed);
        match &failed {
            None if !was_failing => return,
            None => info!("the store takes messages again"),
            Some(error) if !was_failing => error!(%error, "the store fails: messages are refused"),
            Some(_) => {}
        }
        self.failing.store(failed.is_some(), Ordering::Relaxed);
        *self.lock() = failed;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<StoreError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use photinus_contract::MessageId;
    use photinus_contract::Sequence;

    fn full() -> StoreError {
        StoreError::new(StoreErrorKind::Full, "no room")
    }

    #[test]
    fn a_store_fails_from_the_first_refusal_of_a_whole_group_to_the_first_write() {
        let taken = || Ok(Appended::new(Sequence(0), Sequence(1)));
        let refused = || Err(AppendError::Store(full()));
        let holder = MessageId::from_v7(uuid::Uuid::nil());
        let duplicate = || Err(AppendError::DuplicateKey { holder });
        let odd = || {
            let error = StoreError::new(StoreErrorKind::Other, "of this one");
            Err(AppendError::Store(error))
        };
        let health = Health::default();
        for (results, failing) in [
            (vec![taken(), refused()], false),
            (vec![odd()], false),
            (vec![refused(), duplicate()], true),
            (vec![duplicate()], true),
            (vec![odd()], true),
            (vec![taken()], false),
            (vec![duplicate()], false),
            (vec![refused()], true),
        ] {
            health.appended(&results);
            assert_eq!(health.error().is_some(), failing, "{results:?}");
        }
        health.tried(Err(full()));
        assert_eq!(health.error(), Some(full()));
        health.tried(Ok(()));
        assert_eq!(health.error(), None);
    }
}

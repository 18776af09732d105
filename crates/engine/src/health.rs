//! Does the store take what it is given?
//!
//! The committer sees it with every group. While the store fails, it is tried again and again with a write that
//! leaves nothing, so that the end is seen also when nobody publishes. And whoever else sees a write fail says so,
//! which has the store tried at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use photinus_contract::store::{AppendError, Appended, StoreError, StoreErrorKind};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{error, info};

use crate::publish::is_passing;

/// How often a failing store is tried.
const TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Whether the store refuses what it should take.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failing: AtomicBool,
    error: Mutex<Option<StoreError>>,
    /// When a failing store is tried next, however much is refused in between.
    next_trial: Mutex<Option<Instant>>,
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
            true => {
                let due = *self
                    .next_trial()
                    .get_or_insert_with(|| Instant::now() + TRIAL_INTERVAL);
                tokio::time::sleep_until(due).await;
            }
            false => self.doubts.notified().await,
        }
    }

    fn next_trial(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next_trial
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of a trial.
    pub(crate) fn tried(&self, result: Result<(), StoreError>) {
        *self.next_trial() = None;
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

    fn lock(&self) -> MutexGuard<'_, Option<StoreError>> {
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

    #[tokio::test(start_paused = true)]
    async fn a_failing_store_is_tried_in_time_however_much_is_refused_meanwhile() {
        let health = Health::default();
        health.appended(&[Err(AppendError::Store(full()))]);
        let begun = Instant::now();
        let refused = async {
            loop {
                // As the committer does: it asks anew after each group.
                tokio::select! {
                    biased;
                    () = health.trial_due() => return,
                    () = tokio::time::sleep(TRIAL_INTERVAL / 4) => {}
                }
            }
        };
        tokio::time::timeout(TRIAL_INTERVAL * 3, refused)
            .await
            .unwrap();
        assert_eq!(begun.elapsed(), TRIAL_INTERVAL);
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

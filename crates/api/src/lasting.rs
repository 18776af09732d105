//! What does a request need that goes on after its answer has begun?
//!
//! It has to hear that the server stops, the stop has to wait for it, and its connection must not take it for an
//! answer that nobody fetches.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// An extension of requests: what the server that serves the connection lends to work that outlasts its handler.
#[derive(Clone, Default)]
pub struct Lasting {
    stop: CancellationToken,
    tasks: TaskTracker,
    patient: Arc<AtomicBool>,
}

impl Lasting {
    /// `stop` is cancelled when the server stops, which then waits for `tasks`. While `patient` is set, the
    /// connection is not ended because its client takes nothing.
    pub fn new(stop: CancellationToken, tasks: TaskTracker, patient: Arc<AtomicBool>) -> Self {
        Self {
            stop,
            tasks,
            patient,
        }
    }

    /// Runs a task that the server's stop waits for.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Cancelled when the server stops.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Until this is dropped, the client may take nothing for as long as it likes.
    pub(crate) fn patience(&self) -> Patience {
        self.patient.store(true, Ordering::Relaxed);
        Patience(self.patient.clone())
    }
}

/// See [`Lasting::patience`].
pub(crate) struct Patience(Arc<AtomicBool>);

impl Drop for Patience {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl<S: Sync> FromRequestParts<S> for Lasting {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

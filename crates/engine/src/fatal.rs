//! What happens when an assertion of ours fails?
//!
//! The process ends. What dispatch and the engine assert are the promises themselves; going on without them could
//! lose events, and a restart from the log is the recovery. (A panic in a transport is another matter: it is
//! contained where the transport is called.)

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tracing::error;

/// Runs a task that the engine cannot be without. If it panics, the process ends.
pub(crate) async fn or_end(name: &'static str, task: impl Future<Output = ()>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        error!(
            task = name,
            "an assertion failed; the process ends, to start again from the log"
        );
        std::process::abort();
    }
}

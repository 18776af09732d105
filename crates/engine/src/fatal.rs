//! What happens when an assertion of ours fails?
//!
//! The process ends. What dispatch and the engine assert are the promises themselves; going on without them could
//! lose events, and a restart from the log is the recovery. (A panic in a transport is another matter: it is
//! contained where the transport is called.)

use tracing::error;

/// Ends the process if it is dropped by a panic.
struct EndOnPanic(&'static str);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(
                task = self.0,
                "an assertion failed; the process ends, to start again from the log"
            );
            std::process::abort();
        }
    }
}

/// Runs a task that the engine cannot be without.
pub(crate) async fn or_end<T>(name: &'static str, task: impl Future<Output = T>) -> T {
    let _guard = EndOnPanic(name);
    task.await
}

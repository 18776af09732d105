//! How does a call become a write, and its answer an answer?

use std::sync::mpsc::Sender;

use photinus_contract::BoxFuture;
use photinus_contract::store::StoreError;
use tokio::sync::oneshot;

use crate::error::{self, Error};
use crate::step::Step;

/// What the queue holds.
pub(crate) enum Op {
    Write(Box<dyn Write>),
    Close(Option<oneshot::Sender<()>>),
    /// Makes the disk seem full, or wide again.
    #[cfg(test)]
    LimitPages(u64),
}

/// What a group is measured by.
#[derive(Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// Something to be written and answered.
pub(crate) trait Write: Send {
    fn size(&self) -> Size;
    /// Writes within the transaction, and keeps the answer. An error fails the group.
    fn apply(&mut self, step: &mut Step<'_>) -> Result<(), Error>;
    /// Answers, when the fate of the transaction is known.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Queue(pub(crate) Sender<Op>);

impl Queue {
    /// Queues a write at once; the future only waits for the answer. `failed` makes the answer of a write
    /// that fails as a whole.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        size: Size,
        apply: impl FnOnce(&mut Step<'_>) -> Result<T, Error> + Send + 'static,
        failed: impl Fn(StoreError) -> T + Clone + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (answer, answered) = oneshot::channel();
        let task = Task {
            size,
            apply: Some(apply),
            failed: failed.clone(),
            done: None,
            answer,
        };
        // If the writer is gone, the answer goes with the task, and the wait below ends.
        let _ = self.0.send(Op::Write(Box::new(task)));
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                Err(_) => failed(error::closed()),
            }
        })
    }

    /// As [`write`](Self::write), for one thing with one result.
    pub(crate) fn write_one<T, E>(
        &self,
        apply: impl FnOnce(&mut Step<'_>) -> Result<Result<T, E>, Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let size = Size {
            records: 1,
            bytes: 0,
        };
        self.write(
            size,
            |step| {
                let result = step.whole(apply);
                step.apart(result)
            },
            |error| Err(error.into()),
        )
    }
}

struct Task<A, F, T> {
    size: Size,
    apply: Option<A>,
    failed: F,
    done: Option<T>,
    answer: oneshot::Sender<T>,
}

impl<A, F, T> Write for Task<A, F, T>
where
    A: FnOnce(&mut Step<'_>) -> Result<T, Error> + Send,
    F: Fn(StoreError) -> T + Send,
    T: Send,
{
    fn size(&self) -> Size {
        self.size
    }

    fn apply(&mut self, step: &mut Step<'_>) -> Result<(), Error> {
        if let Some(apply) = self.apply.take() {
            self.done = Some(apply(step)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.done) {
            (Ok(()), Some(done)) => done,
            (Err(error), _) => (self.failed)(error),
            (Ok(()), None) => return,
        };
        // Whoever asked may have stopped waiting; the write counts all the same.
        let _ = self.answer.send(answer);
    }
}

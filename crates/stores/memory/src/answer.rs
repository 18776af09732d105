//! How does a queued write reach whoever waits for it?
//!
//! Through a cell that is filled once, or abandoned when the writing half is dropped. It needs no runtime.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The two halves of a new cell.
pub(crate) fn cell<T>() -> (Answer<T>, Answered<T>) {
    let cell = Arc::new(Mutex::new(Cell {
        state: State::Waiting,
        waker: None,
    }));
    (Answer(cell.clone()), Answered(cell))
}

/// Fills the cell.
pub(crate) struct Answer<T>(Arc<Mutex<Cell<T>>>);

/// Waits for the cell: `None` if it was abandoned.
pub(crate) struct Answered<T>(Arc<Mutex<Cell<T>>>);

struct Cell<T> {
    state: State<T>,
    waker: Option<Waker>,
}

enum State<T> {
    Waiting,
    Filled(T),
    Over,
}

impl<T> Answer<T> {
    /// Fills the cell and wakes who waits.
    pub(crate) fn send(self, value: T) {
        lock(&self.0).state = State::Filled(value);
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let waker = {
            let mut cell = lock(&self.0);
            if matches!(cell.state, State::Waiting) {
                cell.state = State::Over;
            }
            cell.waker.take()
        };
        // Outside the lock: the task may be polled at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answered<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut cell = lock(&self.0);
        match std::mem::replace(&mut cell.state, State::Over) {
            State::Filled(value) => Poll::Ready(Some(value)),
            State::Over => Poll::Ready(None),
            State::Waiting => {
                cell.state = State::Waiting;
                cell.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

// Nothing panics while a cell is locked.
fn lock<T>(cell: &Mutex<T>) -> MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

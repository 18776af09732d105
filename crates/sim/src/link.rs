//! How does an engine reach the store, and what can go wrong on the way?
//!
//! Each engine has a link of its own to the one store. All calls and answers pass through it, in order, and are
//! shown to the oracle:
//!
//! ```text
//!   call ─▶ [writes] ─▶ the store ─▶ [answers] ─▶ the engine
//!              └ hold_writes            └ hold_answers
//!                both in order · fail · crash
//! ```
//!
//! A stalled engine is one whose queues are held: what it asked for takes effect late, in order. A crash loses what
//! is queued, but for as many of the oldest writes as became durable without anybody being told.

mod calls;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use photinus_contract::BoxFuture;
use photinus_contract::store::{StoreError, StoreErrorKind};
use photinus_store_memory::MemoryStore;
use tokio::sync::oneshot;

use crate::oracle::{Oracle, SharedOracle, lock};

/// The way of one engine to the store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    node: usize,
    store: MemoryStore,
    oracle: SharedOracle,
    gate: Mutex<Gate>,
}

#[derive(Default)]
struct Gate {
    hold_writes: bool,
    hold_answers: bool,
    failing: bool,
    dead: bool,
    writes: VecDeque<Write>,
    answers: VecDeque<Told>,
}

/// What a write does when its turn comes.
type Write = Box<dyn FnOnce(&Inner, &mut Oracle, Fate) -> Told + Send>;
/// Tells the engine.
type Told = Box<dyn FnOnce() + Send>;

/// What becomes of a write.
enum Fate {
    /// It is done.
    Done,
    /// It is refused.
    Refused(StoreError),
    /// The crash comes when so many of its parts are durable.
    Cut(usize),
}

impl Link {
    /// A link of the engine `node`, with nothing held.
    pub(crate) fn new(node: usize, store: MemoryStore, oracle: SharedOracle) -> Self {
        Self {
            inner: Arc::new(Inner {
                node,
                store,
                oracle,
                gate: Mutex::default(),
            }),
        }
    }

    /// Whether writes wait, and whether answers do.
    pub(crate) fn held(&self) -> (bool, bool) {
        let gate = self.gate();
        (gate.hold_writes, gate.hold_answers)
    }

    /// From now on writes, or answers, wait.
    pub(crate) fn hold(&self, writes: bool, answers: bool) {
        let mut gate = self.gate();
        gate.hold_writes |= writes;
        gate.hold_answers |= answers;
    }

    /// So many of the oldest writes take effect, and so many of the oldest answers arrive.
    pub(crate) fn release(&self, writes: usize, answers: usize) {
        let mut gate = self.gate();
        self.apply(&mut gate, writes);
        self.answer(&mut gate, answers);
    }

    /// Nothing waits any more.
    pub(crate) fn release_all(&self) {
        let mut gate = self.gate();
        gate.hold_writes = false;
        gate.hold_answers = false;
        self.apply(&mut gate, usize::MAX);
        self.answer(&mut gate, usize::MAX);
    }

    /// From now on every call is refused, or not any more.
    pub(crate) fn fail(&self, failing: bool) {
        self.gate().failing = failing;
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.gate().failing
    }

    /// How many writes and answers wait.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let gate = self.gate();
        (gate.writes.len(), gate.answers.len())
    }

    /// The engine is gone: the oldest `writes` that wait become durable, and `parts` of the next; nobody is told.
    /// What it calls from now on is never answered and reaches nothing.
    pub(crate) fn crash(&self, writes: usize, parts: usize) {
        let mut gate = self.gate();
        self.apply(&mut gate, writes);
        if let Some(next) = gate.writes.pop_front() {
            drop(next(
                &self.inner,
                &mut lock(&self.inner.oracle),
                Fate::Cut(parts),
            ));
        }
        gate.dead = true;
        gate.writes.clear();
        gate.answers.clear();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.gate().dead
    }

    fn apply(&self, gate: &mut Gate, count: usize) {
        let count = count.min(gate.writes.len());
        for write in gate.writes.drain(..count) {
            let fate = match gate.failing {
                true => Fate::Refused(unavailable()),
                false => Fate::Done,
            };
            let told = write(&self.inner, &mut lock(&self.inner.oracle), fate);
            gate.answers.push_back(told);
        }
    }

    fn answer(&self, gate: &mut Gate, count: usize) {
        let count = count.min(gate.answers.len());
        gate.answers.drain(..count).for_each(|told| told());
    }

    /// What is not held goes on.
    fn pump(&self, gate: &mut Gate) {
        if !gate.hold_writes {
            self.apply(gate, usize::MAX);
        }
        if !gate.hold_answers {
            self.answer(gate, usize::MAX);
        }
    }

    /// Queues a write.
    fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&MemoryStore, &mut Oracle, usize, Fate) -> T + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let (tell, told) = oneshot::channel();
        let mut gate = self.gate();
        if !gate.dead {
            gate.writes.push_back(Box::new(move |inner, oracle, fate| {
                let answer = write(&inner.store, oracle, inner.node, fate);
                Box::new(move || {
                    let _ = tell.send(answer);
                })
            }));
            self.pump(&mut gate);
        }
        drop(gate);
        answer_of(told)
    }

    /// Reads at once; the answer takes its place behind earlier ones.
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MemoryStore) -> BoxFuture<'static, Result<T, StoreError>>,
        seen: impl FnOnce(&mut Oracle, usize, &T),
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (tell, told) = oneshot::channel();
        let mut gate = self.gate();
        if !gate.dead {
            let answer = match gate.failing {
                true => Err(unavailable()),
                false => ready(read(&self.inner.store)),
            };
            if let Ok(answer) = &answer {
                seen(&mut lock(&self.inner.oracle), self.inner.node, answer);
            }
            gate.answers.push_back(Box::new(move || {
                let _ = tell.send(answer);
            }));
            self.pump(&mut gate);
        }
        drop(gate);
        answer_of(told)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.inner
            .gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer when it comes; never, if the crash came first.
fn answer_of<T: Send + 'static>(told: oneshot::Receiver<T>) -> BoxFuture<'static, T> {
    Box::pin(async move {
        match told.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    })
}

/// The answer of a store that does everything at once.
fn ready<T>(mut future: BoxFuture<'static, T>) -> T {
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("the memory store answers at once when nothing is held"),
    }
}

fn unavailable() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the run says so")
}

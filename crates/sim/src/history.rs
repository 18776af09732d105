//! What happened in a run?
//!
//! One line for each step, call and answer, with the virtual time, for people to read; and how often each kind
//! of thing happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use photinus_contract::Timestamp;
use tokio::time::Instant;

/// When every run begins: 2026-01-02T03:04:05Z, in nanoseconds.
const BEGIN: i64 = 1_767_323_045_000_000_000;
/// How many lines are shown of a run that failed.
const TAIL_LINES: usize = 60;

/// How often each kind of thing happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// The history of a run. Clones share it.
#[derive(Clone)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    origin: Instant,
    text: String,
    counts: Counts,
}

impl History {
    /// An empty history that begins now.
    pub fn new() -> Self {
        let inner = Inner {
            origin: Instant::now(),
            text: String::new(),
            counts: Counts::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// What time it is in the run.
    pub(crate) fn wall(&self) -> Timestamp {
        let nanos = self.lock().origin.elapsed().as_nanos() as i64;
        Timestamp::from_nanos(BEGIN + nanos)
    }

    /// Writes one line.
    pub fn note(&self, line: impl Display) {
        let mut inner = self.lock();
        let seconds = inner.origin.elapsed().as_secs_f64();
        // Writing to a String does not fail.
        let _ = writeln!(inner.text, "{seconds:10.3}  {line}");
    }

    /// Counts one thing of this kind.
    pub fn count(&self, kind: &'static str) {
        *self.lock().counts.entry(kind).or_default() += 1;
    }

    /// How often each kind of thing happened so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// All lines.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

/// The last lines of a history.
pub fn tail(history: &str) -> &str {
    let mut newlines = history.trim_end().rmatch_indices('\n');
    match newlines.nth(TAIL_LINES - 1) {
        Some((start, _)) => &history[start + 1..],
        None => history,
    }
}

thread_local! {
    /// The run of this thread, for [`tell_of_panics`].
    static CURRENT: RefCell<Option<(u64, History)>> = const { RefCell::new(None) };
}

/// Notes which run this thread is in; `None` after it.
pub(crate) fn enter(run: Option<(u64, History)>) {
    tell_of_panics();
    CURRENT.with(|current| *current.borrow_mut() = run);
}

/// Makes every panic within a run tell the seed and the last lines. The engine ends the process when one of its
/// assertions fails, so this is the last that can be said; and it goes past the test harness, which would keep it
/// to itself.
fn tell_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let run = CURRENT.with(|current| current.try_borrow().ok()?.clone());
            if let Some((seed, history)) = run {
                let text = history
                    .inner
                    .try_lock()
                    .map_or(String::new(), |inner| inner.text.clone());
                let text = tail(&text);
                let told = format!(
                    "{text}\nseed {seed}: {panic}\nto repeat: cargo xtask sim --seed {seed}\n"
                );
                let _ = std::io::stderr().write_all(told.as_bytes());
            }
            before(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert!(tail(&text).starts_with("40\n") && tail(&text).ends_with("99\n"));
        assert_eq!(tail("a\nb\n"), "a\nb\n");
    }
}

//! Was a text logged?
//!
//! All that is logged through `tracing` while somebody looks for a text, at every level, with all fields.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static INSTALLED: OnceLock<bool> = OnceLock::new();
static WANTED: AtomicUsize = AtomicUsize::new(0);
static SEARCHES: Mutex<Vec<Search>> = Mutex::new(Vec::new());

struct Search {
    text: String,
    found: Vec<String>,
}

/// Looks for a text in all that is logged until it is dropped. The text has to be one that nobody else uses.
pub(super) struct Watch {
    text: String,
}

impl Watch {
    /// Refused if the logs cannot be seen, because the program has a subscriber of its own.
    pub(super) fn start(text: &str) -> Result<Self, String> {
        let installed =
            *INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(Capture).is_ok());
        if !installed {
            return Err(
                "the suite cannot see what is logged: leave out the tracing subscriber of the test"
                    .to_owned(),
            );
        }
        lock().push(Search {
            text: text.to_owned(),
            found: Vec::new(),
        });
        WANTED.fetch_add(1, Ordering::Release);
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The lines that had it.
    pub(super) fn found(&self) -> Vec<String> {
        let searches = lock();
        let mine = searches.iter().find(|search| search.text == self.text);
        mine.map(|search| search.found.clone()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WANTED.fetch_sub(1, Ordering::Release);
        lock().retain(|search| search.text != self.text);
    }
}

struct Capture;

impl Subscriber for Capture {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        WANTED.load(Ordering::Acquire) > 0
    }

    fn register_callsite(
        &self,
        _metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        // Whether somebody looks changes from time to time.
        tracing::subscriber::Interest::sometimes()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        line.search();
        Id::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        line.search();
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        line.search();
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

struct Line(String);

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Line(format!("{} {}:", metadata.level(), metadata.target()))
    }

    fn search(self) {
        for search in lock().iter_mut() {
            if self.0.contains(&search.text) {
                search.found.push(self.0.clone());
            }
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }
}

fn lock() -> MutexGuard<'static, Vec<Search>> {
    SEARCHES.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Which patterns are compiled?
//!
//! One that many filters have is compiled and kept once, as long as one of them is there. What all of them and their
//! filters take is counted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use photinus_contract::{CodedError, SubscriptionFilter};

use super::Filter;
use super::pattern::{Pattern, Test, compile};

/// The patterns of many filters, by their text.
#[derive(Debug, Default)]
pub struct Patterns {
    known: Mutex<Known>,
    used: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Known {
    by_text: HashMap<Box<str>, Weak<Pattern>>,
    /// With so many, those that no filter has any more are dropped: twice as many as the last time was kept.
    sweep_at: usize,
}

impl Patterns {
    /// Compiles a filter. All its regular expressions are checked, in FireFly's order, also those that do not
    /// count: `FF10171` names the first one that does not compile.
    pub fn compile(&self, filter: &SubscriptionFilter) -> Result<Filter, CodedError> {
        let mut compiled = Vec::new();
        let given = filter.patterns().into_iter();
        for (path, text) in given.filter(|(_, text)| !text.is_empty()) {
            let pattern = self.pattern(text);
            compiled.push((
                text,
                pattern.map_err(|reason| refused(path, text, &reason))?,
            ));
        }
        let mut tests = Vec::new();
        for (attribute, text) in filter.tests() {
            let pattern = compiled.iter().find(|(compiled, _)| *compiled == text);
            match pattern {
                None => {}
                Some((_, pattern)) if matches!(pattern.test, Test::Everything) => {}
                Some((_, pattern)) => tests.push((attribute, pattern.clone())),
            }
        }
        Ok(Filter::counted(tests, self.used.clone()))
    }

    /// About how many bytes of memory they and the filters that have them take, with what one thread's searches learn.
    pub fn memory(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The pattern of this text, known or new. Compiling can take long, so others are not kept waiting.
    fn pattern(&self, text: &str) -> Result<Arc<Pattern>, String> {
        if let Some(known) = self.lock().get(text) {
            return Ok(known);
        }
        let test = compile(text)?;
        let mut known = self.lock();
        // Somebody may have been faster.
        Ok(known.get(text).unwrap_or_else(|| {
            let pattern = Arc::new(Pattern::new(test, self.used.clone()));
            known.keep(text, &pattern);
            pattern
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn get(&self, text: &str) -> Option<Arc<Pattern>> {
        self.by_text.get(text)?.upgrade()
    }

    fn keep(&mut self, text: &str, pattern: &Arc<Pattern>) {
        if self.by_text.len() >= self.sweep_at {
            self.by_text.retain(|_, pattern| pattern.strong_count() > 0);
            self.sweep_at = 2 * self.by_text.len() + 64;
        }
        self.by_text.insert(text.into(), Arc::downgrade(pattern));
    }
}

fn refused(path: &str, pattern: &str, reason: &str) -> CodedError {
    let shown = shown(pattern);
    CodedError::bad_request(
        "FF10171",
        format!("Regular expression '{shown}' of {path} does not compile: {reason}"),
    )
}

fn shown(pattern: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match pattern.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(patterns: &Patterns, topic: &str, tag: &str) -> Filter {
        let filter = serde_json::json!({"topic": topic, "message": {"tag": tag}});
        let filter = serde_json::from_value(filter).unwrap();
        patterns.compile(&filter).unwrap()
    }

    #[test]
    fn a_pattern_is_there_once_while_a_filter_has_it() {
        let patterns = Patterns::default();
        let one = filter(&patterns, "a.c", "^x");
        let memory = patterns.memory();
        assert!(memory > 10_000, "an automaton is among them: {memory}");
        let others: Vec<_> = (0..100).map(|_| filter(&patterns, "a.c", "^x")).collect();
        let each = (patterns.memory() - memory) / others.len();
        assert!(each < 100, "{each} bytes");
        for other in &others {
            for (shared, first) in other.tests().iter().zip(one.tests()) {
                assert!(Arc::ptr_eq(&shared.1, &first.1));
            }
        }
        drop((one, others));
        assert_eq!(patterns.memory(), 0);
    }

    #[test]
    fn texts_that_no_filter_has_any_more_are_forgotten() {
        let patterns = Patterns::default();
        let kept = filter(&patterns, "kept", "^kept$");
        for n in 0..10_000 {
            filter(&patterns, &format!("^{n}"), "");
            assert!(patterns.lock().by_text.len() <= 200);
        }
        let again = filter(&patterns, "kept", "^kept$");
        assert!(Arc::ptr_eq(&kept.tests()[0].1, &again.tests()[0].1));
    }
}

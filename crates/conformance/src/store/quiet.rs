//! What did the code say that is tried again and again, and panics on purpose?
//!
//! A random history that fails is run many times while it is made shorter. Only the last panic is of interest.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    /// The last panic of this thread, while it is quiet.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs something whose panics, which it catches, are not printed. Returns the last one with its place as well;
/// it is empty if there was none.
pub(super) fn quietly<T>(run: impl FnOnce() -> T) -> (T, String) {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !note(info) {
                previous(info);
            }
        }));
    });
    let quiet = Quiet::begin();
    let value = run();
    let last = LAST.take().unwrap_or_default();
    drop(quiet);
    (value, last)
}

/// Ends the quiet also when what ran panicked after all.
struct Quiet;

impl Quiet {
    fn begin() -> Self {
        LAST.set(Some(String::new()));
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        LAST.set(None);
    }
}

/// False if this thread is not quiet.
fn note(info: &PanicHookInfo<'_>) -> bool {
    LAST.with_borrow_mut(|last| {
        let Some(last) = last else { return false };
        let text = info.payload_as_str().unwrap_or("no text");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        *last = format!("{text} ({place})");
        true
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn the_last_panic_is_noted_with_its_place_and_only_while_it_is_quiet() {
        let ((), last) = quietly(|| {
            for text in ["first", "last"] {
                let outcome = catch_unwind(|| std::panic::panic_any(text));
                assert!(outcome.is_err());
            }
        });
        assert!(
            last.starts_with("last (") && last.contains("quiet.rs"),
            "{last}"
        );
        assert_eq!(LAST.take(), None);
    }
}

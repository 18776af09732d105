//! Did something panic on the threads of a rule?
//!
//! The engine contains the panics of a transport, and a panic in a task of a transport is seen by nobody. So
//! a hook notes them all, by the name of the thread.

use std::collections::HashMap;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// What a panic says that the suite asked for. It is no fault, and not printed.
pub(super) const ON_PURPOSE: &str = "a panic that the conformance suite asked for";

static HOOK: Once = Once::new();
static SEEN: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

/// Notes panics on threads of this name from now on.
pub(super) fn watch(thread: &str) {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = text(info);
            if text == ON_PURPOSE {
                return;
            }
            if !note(&text, info) {
                previous(info);
            }
        }));
    });
    let mut seen = lock();
    seen.get_or_insert_default()
        .insert(thread.to_owned(), Vec::new());
}

/// What was noted so far.
pub(super) fn seen(thread: &str) -> Vec<String> {
    let seen = lock();
    seen.as_ref()
        .and_then(|seen| seen.get(thread).cloned())
        .unwrap_or_default()
}

/// Ends the watch.
pub(super) fn forget(thread: &str) {
    if let Some(seen) = lock().as_mut() {
        seen.remove(thread);
    }
}

/// False if it is not on a thread of a rule.
fn note(text: &str, info: &PanicHookInfo<'_>) -> bool {
    let thread = std::thread::current();
    let mut seen = lock();
    let Some(panics) = thread.name().and_then(|name| seen.as_mut()?.get_mut(name)) else {
        return false;
    };
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    panics.push(format!("{text} ({place})"));
    true
}

fn text(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

fn lock() -> MutexGuard<'static, Option<HashMap<String, Vec<String>>>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

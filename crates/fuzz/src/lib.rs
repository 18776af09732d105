//! Does anything from outside make a parser panic?
//!
//! One function for each parser that reads what somebody else wrote: a client, an operator, a disk. Each takes
//! any bytes, gives them to the real parser, and checks what has to be true whatever they are: what is accepted
//! can be written and read again, what is refused has a code, nothing takes long.
//!
//! ```text
//!   libfuzzer/ (cargo fuzz, by hand) ─┐
//!                                     ├─▶ a target ─▶ the real parser
//!   corpus/ ─▶ tests/replay.rs (CI) ──┘
//! ```

#![allow(
    clippy::unwrap_used,
    reason = "a target panics where something is not as it has to be"
)]

mod bodies;
mod errors;
mod filters;
mod lists;
mod scalars;

mod brokers;
mod frames;
mod hooks;
mod queries;
mod sockets;

mod forms;
mod paths;
mod requests;
mod rest;
mod uploads;

mod configuration;

mod databases;
mod rows;
mod stored;

use std::time::Duration;

pub use crate::bodies::bodies;
pub use crate::brokers::{amqp, mqtt};
pub use crate::configuration::configuration;
pub use crate::databases::databases;
pub use crate::filters::filters;
pub use crate::forms::forms;
pub use crate::frames::frames;
pub use crate::hooks::hooks;
pub use crate::lists::lists;
pub use crate::paths::paths;
pub use crate::queries::queries;
pub use crate::requests::requests;
pub use crate::rows::rows;
pub use crate::scalars::scalars;
pub use crate::sockets::sockets;
pub use crate::uploads::uploads;

/// Inputs up to this many bytes must not take longer than [`TIME_MAX`].
pub const TIMED_BYTES_MAX: usize = 64 << 10;
/// The longest that an input may take.
pub const TIME_MAX: Duration = Duration::from_secs(1);

/// A parser with what has to be true of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its corpus, and of its binary for cargo fuzz.
    pub name: &'static str,
    /// Panics if something is not as it has to be.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 17] = [
    target("amqp", amqp),
    target("bodies", bodies),
    target("configuration", configuration),
    target("databases", databases),
    target("filters", filters),
    target("forms", forms),
    target("frames", frames),
    target("hooks", hooks),
    target("lists", lists),
    target("mqtt", mqtt),
    target("paths", paths),
    target("queries", queries),
    target("requests", requests),
    target("rows", rows),
    target("scalars", scalars),
    target("sockets", sockets),
    target("uploads", uploads),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs `check`, again if it was slow: only what is slow twice is the input's fault and not the machine's.
fn in_time(input: &[u8], check: impl Fn()) {
    let first = timed(&check);
    if input.len() <= TIMED_BYTES_MAX && first > TIME_MAX {
        let second = timed(&check);
        assert!(
            second <= TIME_MAX,
            "{} bytes took {second:?}, at most {TIME_MAX:?} is allowed",
            input.len()
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a parser takes is what is measured"
)]
fn timed(check: impl Fn()) -> Duration {
    let start = std::time::Instant::now();
    check();
    start.elapsed()
}

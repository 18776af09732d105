//! Does a transport keep its promises?
//!
//! The suite starts a real engine in memory with your transport, stands between the two and writes down
//! every call, and drives the far side, the application's end, through a [`FarEnd`] that you write:
//!
//! ```text
//!   the suite ── publish ──▶ engine ── deliver ──▶ recorder ──▶ your transport ──▶ your FarEnd
//!       ▲                    engine ◀─ respond ─── recorder ◀── your transport ◀── your FarEnd
//!       └─ receive, answer, cut, return ──────────────────────────────────────────────┘
//! ```
//!
//! One line makes a test of each rule:
//!
//! ```text
//! fn subject() -> Subject {
//!     Subject::new(|| Arc::new(MyTransport), |running| Box::pin(MyFarEnd::start(running)))
//! }
//! photinus_conformance::transport_suite!(subject);
//! ```
//!
//! A rule is *kept*, *refused* with what was seen, or *skipped* with the name of what your far end or your
//! transport cannot do ([`Skill`], [`Capabilities`](photinus_contract::Capabilities)). What is skipped is
//! written to the standard error of the test, also when it passes. [`run`] runs all rules and returns a
//! [`Table`].
//!
//! Whatever the rule, a transport is refused that panics (also in a task of its own), that answers a
//! delivery which it did not take, or that answers what it was never given.
//!
//! Time is real, because transports have sockets: the suite waits for conditions, with the patience of the
//! [`Subject`], and proves that something does not happen by something later that would come after it.

mod far_end;
mod subject;

mod journal;
mod logs;
mod neighbour;
mod panics;
mod recorder;

mod bench;
mod rules;
mod samples;
mod suite;
mod verdict;

pub use self::far_end::{
    Arrival, Attach, Ephemeral, FarAnswer, FarBatch, FarConnection, FarEnd, FarError, FarEvent,
    Skill, Token,
};
pub use self::rules::{NAMES, RULES, Rule};
pub use self::subject::{Running, Subject};
pub use self::suite::{check, run, run_rule, skipped};
pub use self::verdict::{Table, Verdict};

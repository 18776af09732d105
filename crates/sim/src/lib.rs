//! Does the engine keep its promises, whatever happens?
//!
//! A *run* is the whole engine on a memory store, with scripted transports, in virtual time; everything that could
//! happen happens to it, drawn from a seed: publishes, subscriptions that come, change and go, answers of every kind,
//! lost connections, a store that stalls or fails, crashes, two engines on one store. An oracle that knows only the
//! promises holds what it sees against them. The same seed gives the same history, byte for byte.
//!
//! ```text
//!   world ── steps ──▶ engine ──▶ link ──▶ memory store
//!     ▲                  │          │
//!     └── deliveries ────┘          │
//!     └────────── oracle ◀──────────┘
//! ```

mod clock;
mod dice;
mod history;
mod link;
mod oracle;
mod wanted;
mod world;

pub use dice::Dice;
pub use history::{Counts, History, tail};
pub use world::{Outcome, run};

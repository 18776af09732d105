//! How fast is Photinus, and how fast could it be?
//!
//! [`measurements`] start the real binary and a bare server, each a process of its own, load both with the same clients
//! ([`drive`]), and check that what they measured happened. [`rounds`] lets them take turns; [`report`] writes what came of
//! it. Nothing here knows a crate of the server.

pub mod bare;
pub mod cli;
pub mod clock;
pub mod drive;
mod interrupt;
pub mod machine;
pub mod measurement;
pub mod measurements;
pub mod process;
pub mod product;
pub mod progress;
pub mod references;
pub mod report;
pub mod rounds;
pub mod scale;
pub mod statistics;
pub mod targets;
pub mod wire;
pub mod workload;

//! Does the bench measure what it says, and does it notice what goes wrong?

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod binary;
mod every_measurement;
mod interrupted;
mod lost_events;
mod lost_lines;

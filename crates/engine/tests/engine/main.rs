//! Does the whole engine deliver as the contract says?

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod catching_up;
mod changes;
mod connections;
mod lists;
mod live;
mod metrics;
mod outcomes;
mod pause;
mod publishing;
mod replies;
mod rotate;
mod secrets;
mod seek;
mod standing;
mod subscriptions;
mod trial;
mod troubles;
mod turns;

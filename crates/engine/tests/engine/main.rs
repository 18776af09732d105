//! Does the whole engine deliver as the contract says?

mod bench;
mod connections;
mod outcomes;
mod publishing;
mod subscriptions;

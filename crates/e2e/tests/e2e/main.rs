//! Does the real binary do what its users rely on?
//!
//! Each module is one promise to a user. All are one test binary, so that the harness is built and linked once.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod batches;
mod crashes;
mod messages;
mod nacks;
mod namespaces;
mod processes;
mod queries;
mod readme;
mod rest_errors;
mod sdk;
mod sending_errors;
mod shutdown;
mod socket_errors;
mod subscriptions;
mod takeover;

//! How does a test use the real binary, by process and by wire only?
//!
//! [`Server`] starts, kills and restarts it; [`Rest`] and [`Socket`] speak to it; [`NodeApp`] runs FireFly's
//! own client against it; a [`DeliveryLog`] holds what a consumer received against what was promised. Nothing
//! here knows a crate of the server.

mod binary;
mod delivery_log;
mod dice;
mod node_app;
mod rest;
mod server;
mod socket;
mod waiting;

pub use binary::{Ended, run_to_end};
pub use delivery_log::{ACK_STORED_WITHIN, DeliveryLog};
pub use dice::Dice;
pub use node_app::{NodeApp, SdkError};
pub use rest::{Reply, Rest};
pub use server::{DataDirectory, Server, StopSignal, Whereabouts, free_port};
pub use socket::{Frame, Refused, Socket};
pub use waiting::{Deadline, PATIENCE, now, wait_for, wait_until};

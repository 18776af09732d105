//! How do the clients speak, with as little work of their own as can be?
//!
//! The same clients load the product and the bare servers.

pub mod http;
pub mod receiver;
pub mod scan;
pub mod socket;

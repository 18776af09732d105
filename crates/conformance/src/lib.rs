//! Does a plugin keep its promises?
//!
//! The suites that the plugins of Photinus run, and that yours can run: [`transport`] for transports, [`store`]
//! for stores.

pub mod store;
pub mod transport;

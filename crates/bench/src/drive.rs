//! What do clients do, and does what they measured happen?
//!
//! Nothing here knows whether the product or a bare server is at the other end.

pub mod bulk;
pub mod drain;
pub mod order;
pub mod paced;
pub mod posts;
pub mod publishing_socket;
pub mod upload;

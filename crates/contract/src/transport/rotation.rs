//! How is a secret replaced?

use crate::time::Timestamp;

/// A new secret for an old one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotation {
    /// The new one; the transport makes one if absent.
    pub secret: Option<String>,
    /// Until when the old one is used beside it.
    pub old_until: Timestamp,
}

impl Rotation {
    /// To this secret, or to one that the transport makes; the old one is used until then.
    pub fn new(secret: Option<String>, old_until: Timestamp) -> Self {
        Self { secret, old_until }
    }
}

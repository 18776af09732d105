//! Which connections were closed lately?

use std::collections::{BTreeSet, VecDeque};

use photinus_contract::ConnectionId;

/// How many closed connections are remembered, so that a late call for one is refused.
const CLOSED_MAX: usize = 65_536;

/// The ids of connections that were closed, the oldest forgotten first.
#[derive(Default)]
pub(super) struct ClosedConnections {
    known: BTreeSet<ConnectionId>,
    oldest: VecDeque<ConnectionId>,
}

impl ClosedConnections {
    pub(super) fn insert(&mut self, id: ConnectionId) {
        if self.known.insert(id.clone()) {
            self.oldest.push_back(id);
        }
        if self.oldest.len() > CLOSED_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: &ConnectionId) -> bool {
        self.known.contains(id)
    }
}

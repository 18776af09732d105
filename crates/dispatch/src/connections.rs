//! Which of several connections serves a subscription?

use photinus_contract::ConnectionId;

/// The connections that want a subscription, in the order in which they came. The first is served; the others
/// wait in order and take over when it is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Connections {
    waiting: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    id: ConnectionId,
    up: bool,
    busy: bool,
}

impl Connections {
    /// Adds a connection at the end; one that is there already keeps its place.
    pub(crate) fn add(&mut self, id: ConnectionId) {
        if self.waiting.iter().all(|member| member.id != id) {
            // Mostly there is one, ever.
            self.waiting.reserve_exact(1);
            self.waiting.push(Member {
                id,
                up: true,
                busy: false,
            });
        }
    }

    /// Removes a connection. True if it was the one that is served.
    pub(crate) fn remove(&mut self, id: &ConnectionId) -> bool {
        let served = self.served() == Some(id);
        self.waiting.retain(|member| member.id != *id);
        served
    }

    /// The connection that is served, able or not.
    pub(crate) fn served(&self) -> Option<&ConnectionId> {
        self.waiting.first().map(|member| &member.id)
    }

    /// The connection that is served, if it can take something now.
    pub(crate) fn able(&self) -> Option<&ConnectionId> {
        self.waiting
            .first()
            .filter(|member| member.up && !member.busy)
            .map(|member| &member.id)
    }

    /// Whether the connection that is served is up, busy or not.
    pub(crate) fn is_up(&self) -> bool {
        self.waiting.first().is_some_and(|member| member.up)
    }

    /// Notes whether a connection is up. Coming up ends being busy.
    pub(crate) fn set_up(&mut self, id: &ConnectionId, up: bool) {
        if let Some(member) = self.waiting.iter_mut().find(|member| member.id == *id) {
            member.up = up;
            member.busy &= !up;
        }
    }

    /// Notes whether a connection is busy.
    pub(crate) fn set_busy(&mut self, id: &ConnectionId, busy: bool) {
        if let Some(member) = self.waiting.iter_mut().find(|member| member.id == *id) {
            member.busy = busy;
        }
    }

    /// Whether nobody wants the subscription.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All connections, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConnectionId> {
        self.waiting.iter().map(|member| &member.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_served_until_it_leaves() {
        let [a, b] = ["a", "b"].map(ConnectionId::new);
        let mut connections = Connections::default();
        connections.add(a.clone());
        connections.add(b.clone());
        connections.add(a.clone());
        assert_eq!(connections.able(), Some(&a));
        connections.set_up(&a, false);
        assert_eq!((connections.served(), connections.able()), (Some(&a), None));
        connections.set_busy(&a, true);
        connections.set_up(&a, true);
        assert_eq!(connections.able(), Some(&a));
        assert!(!connections.remove(&b));
        connections.add(b.clone());
        assert!(connections.remove(&a));
        assert_eq!(connections.able(), Some(&b));
        assert!(connections.remove(&b));
        assert!(connections.is_empty());
    }
}

//! Which message breaks the connection?
//!
//! A broker may end the connection over one message that it does not like, and that comes again, with all that was on its
//! way beside it. So when what was out is lost a second time, it goes one by one until the broker has taken it; and a
//! message that was out alone each time is tried again by the policy of its subscription, which counts.

use std::collections::HashSet;

use photinus_contract::{Sequence, SubscriptionId};

/// How often a connection may be lost with the same message out, and no other, before that counts.
const ALONE_MAX: u32 = 2;

/// A message, however often it is sent.
pub(crate) type Suspect = (SubscriptionId, Sequence);

/// What was out when a connection was lost.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    known: HashSet<Suspect>,
    /// They go one by one.
    is_careful: bool,
    alone: Option<(Suspect, u32)>,
}

impl Suspects {
    /// How many messages may be out at once, of so many.
    pub(super) fn window(&self, max: usize) -> usize {
        if self.is_careful { 1 } else { max }
    }

    /// The broker has taken a message.
    pub(super) fn took(&mut self, message: Suspect) {
        if self.known.is_empty() {
            return;
        }
        self.known.remove(&message);
        self.alone = self.alone.filter(|(alone, _)| *alone != message);
        self.is_careful &= !self.known.is_empty();
    }

    /// The connection has worked for long enough: it was none of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The connection is lost with these out. Returns the one that has broken it, if that is known.
    pub(super) fn lost(&mut self, out: &[Suspect]) -> Option<Suspect> {
        if let [only] = out
            && self.is_careful
        {
            let before = self.alone.filter(|(alone, _)| alone == only);
            let times = before.map_or(1, |(_, times)| times + 1);
            self.alone = Some((*only, times));
            return (times >= ALONE_MAX).then_some(*only);
        }
        self.is_careful |= out.iter().any(|message| self.known.contains(message));
        if !self.is_careful {
            self.known.clear();
        }
        self.known.extend(out);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn message(number: i64) -> Suspect {
        (SubscriptionId(Uuid::nil()), Sequence(number))
    }

    #[test]
    fn a_broker_that_restarts_makes_nobody_a_suspect_for_long() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.lost(&[message(1), message(2)]), None);
        assert_eq!(suspects.window(9), 9);
        suspects.took(message(1));
        suspects.took(message(2));
        assert_eq!(suspects.lost(&[message(3)]), None);
        assert_eq!(suspects.window(9), 9);
    }

    #[test]
    fn the_one_that_breaks_it_is_found() {
        let mut suspects = Suspects::default();
        let all = [1, 2, 3].map(message);
        assert_eq!(suspects.lost(&all), None);
        assert_eq!(suspects.lost(&all), None);
        assert_eq!(suspects.window(9), 1, "one by one from now on");
        suspects.took(message(1));
        assert_eq!(suspects.window(9), 1);
        assert_eq!(suspects.lost(&[message(2)]), None, "it may be chance");
        assert_eq!(suspects.lost(&[message(2)]), Some(message(2)));
        assert_eq!(suspects.lost(&[message(2)]), Some(message(2)));
        // It is set aside, and the last one is taken.
        suspects.took(message(3));
        assert_eq!(suspects.window(9), 1, "2 may come again");
        suspects.clear();
        assert_eq!(suspects.window(9), 9);
    }
}

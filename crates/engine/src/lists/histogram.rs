//! How many came into the log when?

use photinus_contract::{CodedError, Sequence, Timestamp};

use super::message::ListedMessage;
use super::walk::{Span, Walk};
use crate::core::Core;
use crate::handle::has_message;
use crate::namespaces::NamespaceState;

/// Up to so many are counted, as in FireFly.
pub const BAR_COUNT_MAX: usize = 100;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charted {
    /// Events.
    Events,
    /// Messages.
    Messages,
}

/// What came in from one time to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// How many, up to [`BAR_COUNT_MAX`].
    pub count: usize,
    /// The same by type.
    pub kinds: Vec<(&'static str, usize)>,
}

impl Bar {
    fn add(&mut self, kind: &'static str) {
        self.count += 1;
        match self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((kind, 1)),
        }
    }

    fn is_full(&self) -> bool {
        self.count == BAR_COUNT_MAX
    }
}

impl Core {
    /// What came in between one border and the next, which rise: where each is in the log is looked for, so little is
    /// read however long that is.
    pub(crate) async fn histogram(
        &self,
        namespace: &NamespaceState,
        what: Charted,
        borders: &[Timestamp],
    ) -> Result<Vec<Bar>, CodedError> {
        let mut bars = Vec::new();
        let mut places = Sequence::OLDEST..Sequence::OLDEST;
        for (index, border) in borders.iter().enumerate() {
            places.end = self.before_time(namespace, *border, places.start).await?;
            if index > 0 {
                bars.push(self.bar(namespace, what, &places).await?);
            }
            places.start = places.end;
        }
        Ok(bars)
    }

    /// What is after the first place, up to the second.
    async fn bar(
        &self,
        namespace: &NamespaceState,
        what: Charted,
        places: &std::ops::Range<Sequence>,
    ) -> Result<Bar, CodedError> {
        let mut bar = Bar::default();
        if places.is_empty() {
            return Ok(bar);
        }
        let sequences = places.start.next().0..places.end.next().0;
        let span = Span::default().within(&sequences);
        let mut walk = Walk::new(self, &namespace.info.name, span);
        loop {
            let records = walk.next(BAR_COUNT_MAX - bar.count).await?;
            if records.is_empty() {
                return Ok(bar);
            }
            for record in records {
                let (kind, count) = match what {
                    Charted::Events => (record.content.kind.as_str(), record.content.events_len()),
                    Charted::Messages if !has_message(&record) => continue,
                    Charted::Messages => (ListedMessage::new(record).kind(), 1),
                };
                for _ in 0..count {
                    bar.add(kind);
                    if bar.is_full() {
                        return Ok(bar);
                    }
                }
            }
        }
    }
}

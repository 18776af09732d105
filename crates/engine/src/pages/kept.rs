//! Which pages are kept, and which are read?
//!
//! Pages do not overlap: one ends where another begins, so that who comes from before joins it. A place that is new
//! begins with a small page, and each that follows is twice as large: where many subscriptions are far apart, so
//! that their pages do not all fit, each of them costs little.

mod row;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use photinus_contract::store::ReadLimit;
use photinus_contract::{Namespace, Sequence};
use tokio::time::Instant;

use crate::tail::Piece;

/// Records of the first page at a place.
const FIRST_RECORDS: usize = 64;
/// How many pages are read early. With one, who takes a whole page at once waits for the next as long as it is read.
const PAGES_EARLY: usize = 2;
/// The part of all bytes that pages with which nobody has begun yet may take.
const EARLY_PART: usize = 4;
/// The pages of all namespaces. `W` is who waits for one.
#[derive(Debug)]
pub(super) struct Kept<W> {
    logs: BTreeMap<Namespace, BTreeMap<Sequence, Slot<W>>>,
    limit: ReadLimit,
    bytes_max: usize,
    bytes: usize,
    uses: u64,
}

/// A page, by what it begins after.
#[derive(Debug)]
struct Slot<W> {
    /// When the first one began with it. Until then it is only read early.
    begun: Option<Instant>,
    /// How long the first ones take for a record.
    pace: Option<Duration>,
    /// When it was used last.
    used: u64,
    state: State<W>,
}

impl<W> Slot<W> {
    /// Where it ends, if it is there.
    fn end(&self) -> Option<Sequence> {
        match &self.state {
            State::Loaded { piece, .. } => Some(piece.through),
            State::Loading { .. } => None,
        }
    }

    /// How many records it has.
    fn records(&self) -> usize {
        match &self.state {
            State::Loaded { piece, .. } => piece.records.len(),
            State::Loading { .. } => 0,
        }
    }

    /// Whether somebody is in it: who gets a page keeps its mark until the next one.
    fn in_use(&self) -> bool {
        let mark = match &self.state {
            State::Loaded { piece, .. } => piece.mark.as_ref(),
            State::Loading { .. } => None,
        };
        mark.is_some_and(|mark| Arc::strong_count(mark) > 1)
    }
}

#[derive(Debug)]
enum State<W> {
    Loading {
        /// It probably ends here, or before.
        through: Sequence,
        waiting: Vec<(W, Sequence)>,
    },
    Loaded {
        piece: Piece,
        bytes: usize,
    },
}

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) after: Sequence,
    pub(super) limit: ReadLimit,
}

/// What came of looking for a page.
#[derive(Debug)]
pub(super) enum Found {
    /// This is it; `next` is the one that follows, if it is to be read early.
    Page { piece: Piece, next: Option<Read> },
    /// It is being read.
    OnItsWay,
    /// It has to be read.
    Missing(Read),
}

impl<W: Clone + PartialEq> Kept<W> {
    pub(super) fn new(limit: ReadLimit, bytes_max: usize) -> Self {
        Self {
            logs: BTreeMap::new(),
            limit,
            bytes_max,
            bytes: 0,
            uses: 0,
        }
    }

    /// How many bytes the pages take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Looks for the page in which `after` is followed by what comes next. If it is not there, `who` is remembered
    /// for when it is. The log goes on up to `head`.
    pub(super) fn find(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        head: Sequence,
        who: &W,
        now: Instant,
    ) -> Found {
        self.uses += 1;
        let log = self.logs.entry(namespace.clone()).or_default();
        if let Some((start, slot)) = log.range_mut(..=after).next_back() {
            match &mut slot.state {
                State::Loaded { piece, .. } if piece.through > after => {
                    slot.used = self.uses;
                    let piece = piece.clone();
                    let (start, is_first) = (*start, slot.begun.is_none());
                    if is_first {
                        self.begin(namespace, start, now, false);
                    }
                    let next = is_first.then(|| self.read_early(namespace, piece.through, head));
                    return Found::Page {
                        piece,
                        next: next.flatten(),
                    };
                }
                State::Loading { through, waiting } if *start == after || *through > after => {
                    if !waiting
                        .iter()
                        .any(|(other, at)| other == who && *at == after)
                    {
                        waiting.push((who.clone(), after));
                    }
                    return Found::OnItsWay;
                }
                _ => {}
            }
        }
        Found::Missing(self.load(namespace, after, vec![(who.clone(), after)]))
    }

    /// Cuts off a page what the next one has: a record takes several sequences if it has several events, and what is to
    /// be read is told in records.
    pub(super) fn cut(&self, namespace: &Namespace, piece: &mut Piece) {
        let log = self.logs.get(namespace);
        let next = log.and_then(|log| log.range(piece.after.next()..).next());
        if let Some((next, _)) = next
            && *next < piece.through
        {
            let records = &piece.records;
            let kept = records.partition_point(|record| record.first() <= *next);
            piece.records = records[..kept].into();
            // The last one is kept whole, also where the next page begins within it.
            let last = piece.records.last().map(|record| record.last);
            piece.through = last.unwrap_or(*next).max(*next);
        }
    }

    /// A page was read; `held`: it waited for those behind. Says who waits for it, and gets it now, and what is to be
    /// read early.
    pub(super) fn loaded(
        &mut self,
        namespace: &Namespace,
        piece: Piece,
        bytes: usize,
        head: Sequence,
        now: Instant,
        held: bool,
    ) -> (Vec<(W, Sequence)>, Option<Read>) {
        let (after, through) = (piece.after, piece.through);
        let slot = Slot {
            begun: None,
            pace: None,
            used: self.uses,
            state: State::Loaded { piece, bytes },
        };
        self.bytes += bytes;
        let waiting = self.put(namespace, after, slot);
        while self.bytes > self.bytes_max && self.drop_one(namespace, after) {}
        let follows = self.before(namespace, after);
        let begun_until = match waiting.is_empty() {
            false => Some(through),
            true => follows.and_then(|slot| slot.begun).map(|_| after),
        };
        if !waiting.is_empty() {
            self.begin(namespace, after, now, held);
        }
        let next = begun_until.and_then(|begun| self.read_early(namespace, begun, head));
        (waiting, next)
    }

    /// A page could not be read. Says who waits for it.
    pub(super) fn failed(&mut self, namespace: &Namespace, after: Sequence) -> Vec<(W, Sequence)> {
        let slot = self.remove(namespace, after);
        self.taken_out(slot)
    }

    /// The page to be read early when somebody has begun with the one that ends at `through`: the next one that is not
    /// there, if the log goes on and there is room for it.
    fn read_early(
        &mut self,
        namespace: &Namespace,
        through: Sequence,
        head: Sequence,
    ) -> Option<Read> {
        let log = self.logs.get(namespace)?;
        let mut after = through;
        for _ in 1..PAGES_EARLY {
            if let Some(State::Loaded { piece, .. }) = log.get(&after).map(|slot| &slot.state) {
                after = piece.through;
            }
        }
        let is_wanted =
            after < head && !log.contains_key(&after) && !self.is_far_ahead(namespace, after);
        let slots = self.logs.values().flat_map(BTreeMap::values);
        let not_begun = slots.filter(|slot| slot.begun.is_none()).count();
        let fits = (not_begun + 1).saturating_mul(self.limit.bytes) <= self.bytes_max / EARLY_PART;
        (is_wanted && fits).then(|| self.load(namespace, after, Vec::new()))
    }

    /// Makes the place for a page that is read from now on.
    fn load(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        waiting: Vec<(W, Sequence)>,
    ) -> Read {
        let log = self.logs.entry(namespace.clone()).or_default();
        let before = log.range(..after).next_back().map(|(_, slot)| &slot.state);
        let wanted = match before {
            Some(State::Loaded { piece, .. }) if piece.through == after => {
                (2 * piece.records.len()).max(FIRST_RECORDS)
            }
            _ => FIRST_RECORDS,
        };
        let next = log.range(after.next()..).next();
        let until_next = next.map_or(usize::MAX, |(next, _)| next.0.abs_diff(after.0) as usize);
        let records = wanted.min(self.limit.records).min(until_next);
        let slot = Slot {
            begun: None,
            pace: None,
            used: self.uses,
            state: State::Loading {
                through: Sequence(after.0.saturating_add_unsigned(records as u64)),
                waiting,
            },
        };
        self.put(namespace, after, slot);
        Read {
            after,
            limit: ReadLimit {
                records,
                bytes: self.limit.bytes,
            },
        }
    }

    fn put(&mut self, namespace: &Namespace, after: Sequence, slot: Slot<W>) -> Vec<(W, Sequence)> {
        let log = self.logs.entry(namespace.clone()).or_default();
        let before = log.insert(after, slot);
        self.taken_out(before)
    }

    /// A page is not kept any more. Says who waits for it.
    fn taken_out(&mut self, slot: Option<Slot<W>>) -> Vec<(W, Sequence)> {
        match slot.map(|slot| slot.state) {
            Some(State::Loading { waiting, .. }) => waiting,
            Some(State::Loaded { bytes, .. }) => {
                self.bytes -= bytes;
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Takes out a page, if it is there. Of a log without pages nothing is kept.
    fn remove(&mut self, namespace: &Namespace, after: Sequence) -> Option<Slot<W>> {
        let log = self.logs.get_mut(namespace)?;
        let slot = log.remove(&after);
        if log.is_empty() {
            self.logs.remove(namespace);
        }
        slot
    }
}

#[cfg(test)]
mod tests;

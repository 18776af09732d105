//! How do those who go through the same pages stay together?
//!
//! Pages that follow each other without a gap are a row. A row loses its first page first, so that whoever is in it finds
//! what comes next; and who is far ahead of the last one in its row waits a little with what it reads. Without
//! this, a hundred who are equally fast drift apart until the pages between them do not fit, and each reads for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use photinus_contract::{Namespace, Sequence};
use tokio::time::Instant;

use super::{Kept, Slot, State};

/// The part of all bytes by which one may be ahead of those who come behind it in its row.
const AHEAD_PART: usize = 2;
/// Who is further ahead takes this much longer for a page than it would: those who are about as fast stay together, and
/// who is slower costs the others no more than this, and only until it is left behind.
const SLOWER: f64 = 1.25;
/// The longest wait for those who are behind, with each page.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The part that the newest page has in the pace.
const NEWEST_PART: u32 = 4;

impl<W: Clone + PartialEq> Kept<W> {
    /// Somebody begins with a page; `held`: it had waited for those behind, so that its pace says nothing.
    pub(super) fn begin(
        &mut self,
        namespace: &Namespace,
        after: Sequence,
        now: Instant,
        held: bool,
    ) {
        let before = self.before(namespace, after);
        let pace = before.and_then(|before| {
            let taken = now.duration_since(before.begun?).min(WAIT_MAX);
            let newest = taken / u32::try_from(before.records()).ok()?.max(1);
            Some(match before.pace {
                Some(pace) if held => pace,
                Some(pace) => (pace * (NEWEST_PART - 1) + newest) / NEWEST_PART,
                None => newest,
            })
        });
        let log = self.logs.get_mut(namespace);
        if let Some(slot) = log.and_then(|log| log.get_mut(&after)) {
            slot.begun = Some(now);
            slot.pace = pace;
        }
    }

    /// Until when a read of what comes after `place` may wait for those who are behind, as long as it is far ahead.
    pub(in super::super) fn wait_until(
        &self,
        namespace: &Namespace,
        place: Sequence,
    ) -> Option<Instant> {
        let before = self.before(namespace, place)?;
        let page = before.pace? * u32::try_from(before.records()).ok()?;
        Some(before.begun? + page.mul_f64(SLOWER).min(WAIT_MAX))
    }

    /// The page that ends where this place begins.
    pub(super) fn before(&self, namespace: &Namespace, place: Sequence) -> Option<&Slot<W>> {
        let log = self.logs.get(namespace)?;
        let (_, slot) = log.range(..place).next_back()?;
        (slot.end() == Some(place)).then_some(slot)
    }

    /// Whether the row that ends at `place` is so long, from the first page on in which somebody is, that what is read after
    /// it would soon put out pages which others come to.
    pub(in super::super) fn is_far_ahead(&self, namespace: &Namespace, place: Sequence) -> bool {
        let log = self.logs.get(namespace);
        let behind = log.map_or(0, |log| bytes_behind(log, place));
        behind > self.bytes_max / AHEAD_PART
    }

    /// Drops the first page of a row, of those in which nobody is the one that was unused for longest; never the one that
    /// was just read.
    pub(super) fn drop_one(&mut self, namespace: &Namespace, newest: Sequence) -> bool {
        let mut chosen: Option<((bool, u64), Namespace, Sequence)> = None;
        for (name, log) in &self.logs {
            let mut end = None;
            for (after, slot) in log {
                let is_first = end != Some(*after);
                end = slot.end();
                if name == namespace && *after == newest {
                    end = None;
                } else if is_first && end.is_some() {
                    let rank = (slot.in_use(), slot.used);
                    if chosen.as_ref().is_none_or(|(least, ..)| rank < *least) {
                        chosen = Some((rank, name.clone(), *after));
                    }
                }
            }
        }
        let Some((_, name, after)) = chosen else {
            return false;
        };
        let slot = self.remove(&name, after);
        self.taken_out(slot);
        true
    }
}

/// The bytes of the row that ends at `place`, from the first page on in which somebody is who is not in the last one.
fn bytes_behind<W>(log: &BTreeMap<Sequence, Slot<W>>, place: Sequence) -> usize {
    let (mut start, mut row, mut behind) = (place, 0, 0);
    for (after, slot) in log.range(..place).rev() {
        let State::Loaded { piece, bytes } = &slot.state else {
            break;
        };
        if piece.through != start {
            break;
        }
        row += bytes;
        if slot.in_use() && start != place {
            behind = row;
        }
        start = *after;
    }
    behind
}

#[cfg(test)]
mod tests;

//! Which of the rows that come by are shown?

use std::collections::BinaryHeap;

use photinus_contract::CodedError;

use super::budget::ListBudget;
use super::order::Key;
use super::query::Query;

/// What a list shows.
#[derive(Debug)]
pub struct Listed<R> {
    /// The page, in order.
    pub items: Vec<R>,
    /// How many rows match, if that was asked for.
    pub total: Option<usize>,
}

/// Takes all rows of a collection in its own order and keeps those of the page, so that no more than that is in memory.
pub struct Collector<'q, R: 'static> {
    query: &'q Query<R>,
    /// The first rows of the order asked for, the last of them on top.
    kept: BinaryHeap<Kept<R>>,
    /// How many rows have matched.
    matched: usize,
    budget: ListBudget,
}

struct Kept<R> {
    /// The keys by which it is sorted, and its place among all that match: what is the same stays in its order.
    place: (Vec<Key>, usize),
    bytes: usize,
    row: R,
}

impl<R> PartialEq for Kept<R> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<R> Eq for Kept<R> {}

impl<R> PartialOrd for Kept<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Kept<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl<'q, R> Collector<'q, R> {
    /// Keeps at most `bytes_max` bytes of rows.
    pub fn new(query: &'q Query<R>, bytes_max: usize) -> Self {
        Self {
            query,
            kept: BinaryHeap::new(),
            matched: 0,
            budget: ListBudget::new(bytes_max),
        }
    }

    /// Whether no further row can change anything.
    pub fn is_done(&self) -> bool {
        let query = self.query;
        !query.count && query.sort.is_empty() && self.matched >= query.skip + query.limit
    }

    /// How many more rows of those that match are needed, if all do; at least one.
    pub fn needed(&self) -> usize {
        let query = self.query;
        match query.count || !query.sort.is_empty() || !query.matches_all() {
            true => usize::MAX,
            false => (query.skip + query.limit)
                .saturating_sub(self.matched)
                .max(1),
        }
    }

    /// The next row, which takes so many bytes if it is kept. `PH00414` if there is no room for it.
    pub fn offer(&mut self, row: R, bytes: usize) -> Result<(), CodedError> {
        if !self.query.matches(&row) {
            return Ok(());
        }
        let query = self.query;
        let number = self.matched;
        self.matched += 1;
        let last = query.skip + query.limit;
        if query.sort.is_empty() {
            if number >= query.skip && number < last {
                self.keep(Vec::new(), number, row, bytes)?;
            }
            return Ok(());
        }
        let place = (query.keys(&row), number);
        if self.kept.len() == last {
            let Some(worst) = self.kept.peek() else {
                return Ok(());
            };
            if worst.place < place {
                return Ok(());
            }
            let worst = self.kept.pop();
            self.budget.give_back(worst.map_or(0, |kept| kept.bytes));
        }
        self.keep(place.0, number, row, bytes)
    }

    fn keep(
        &mut self,
        keys: Vec<Key>,
        number: usize,
        row: R,
        bytes: usize,
    ) -> Result<(), CodedError> {
        let bytes = bytes + keys.iter().map(Key::bytes).sum::<usize>();
        self.budget.take_bytes(bytes)?;
        self.kept.push(Kept {
            place: (keys, number),
            bytes,
            row,
        });
        Ok(())
    }

    /// What the list shows of the rows that came by.
    pub fn finish(self) -> Listed<R> {
        self.finish_with_budget().0
    }

    /// The same, and how much more it may hold.
    pub(super) fn finish_with_budget(self) -> (Listed<R>, ListBudget) {
        let query = self.query;
        // Without a sort they were left out when they came.
        let skip = match query.sort.is_empty() {
            true => 0,
            false => query.skip,
        };
        let kept = self.kept.into_sorted_vec().into_iter();
        let listed = Listed {
            items: kept.skip(skip).map(|kept| kept.row).collect(),
            total: query.count.then_some(self.matched),
        };
        (listed, self.budget)
    }
}

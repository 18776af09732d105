//! What was found in a text before?
//!
//! A search costs much more than a look into a table, and the same topics and authors come again and again. So what
//! was searched for in a text is remembered with it, up to a limit; what was not asked for lately is forgotten
//! first. New searches are made up for when a text comes again, so that nothing has to be built anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::GroupId;
use crate::filter::Pattern;

/// Most memory for what is remembered of one attribute, in bytes; twice that with what is about to be forgotten.
/// One text always passes, with an answer for each search that there is. What many matchers remember together is for
/// their owner to bound.
const REMEMBERED_BYTES_MAX: usize = 128 << 10;
/// About what one text takes besides itself and its answers, in bytes.
const TEXT_BYTES: usize = 160;
/// About what one answer takes, in bytes.
const ANSWER_BYTES: usize = 24;

/// The searches of one attribute.
#[derive(Debug, Default)]
pub(super) struct Searches {
    /// Those by which members are found, in the order in which they came.
    finding: BTreeMap<Number, (Arc<Pattern>, GroupId)>,
    /// The numbers of all that are known, by the address of their pattern, which they keep.
    known: HashMap<usize, Known>,
    /// Given to each search that comes; never given again.
    next: Number,
    remembered: Remembered,
}

type Number = u64;

#[derive(Debug)]
struct Known {
    /// Keeps the address from being another's.
    _pattern: Arc<Pattern>,
    /// Its number as one by which members are found.
    finding: Option<Number>,
    /// Its number as one that is asked for members which were found otherwise, and how many those are.
    wanted: Option<(Number, usize)>,
}

/// What is known of texts: of those asked for lately, and of those before.
#[derive(Debug, Default)]
struct Remembered {
    lately: HashMap<Box<str>, Answers>,
    before: HashMap<Box<str>, Answers>,
    /// About how much `lately` takes.
    bytes: usize,
    /// The same of `before`.
    bytes_before: usize,
}

/// What is known of one text.
#[derive(Debug, Default)]
struct Answers {
    /// All searches before this one were made.
    made_to: Number,
    /// Those of them that were found.
    found: Vec<Number>,
    /// What was asked one by one.
    asked: HashMap<Number, bool>,
}

impl Searches {
    /// Whether members are found by any.
    pub(super) fn find_any(&self) -> bool {
        !self.finding.is_empty()
    }

    /// The group that is found by a pattern.
    pub(super) fn group(&self, pattern: &Arc<Pattern>) -> Option<GroupId> {
        let number = self.known.get(&address(pattern))?.finding?;
        self.finding.get(&number).map(|(_, group)| *group)
    }

    pub(super) fn insert(&mut self, pattern: &Arc<Pattern>, group: GroupId) {
        let number = self.number();
        self.known(pattern).finding = Some(number);
        self.finding.insert(number, (pattern.clone(), group));
    }

    pub(super) fn remove(&mut self, pattern: &Arc<Pattern>) {
        if let Some(number) = self.known(pattern).finding.take() {
            self.finding.remove(&number);
        }
        self.forget_unused(pattern);
    }

    /// One more member that is found otherwise has this pattern.
    pub(super) fn want(&mut self, pattern: &Arc<Pattern>) {
        let number = self.number();
        let (_, members) = self.known(pattern).wanted.get_or_insert((number, 0));
        *members += 1;
    }

    /// One member less.
    pub(super) fn unwant(&mut self, pattern: &Arc<Pattern>) {
        let wanted = &mut self.known(pattern).wanted;
        *wanted = wanted
            .map(|(number, members)| (number, members - 1))
            .filter(|(_, members)| *members > 0);
        self.forget_unused(pattern);
    }

    /// Adds the groups whose pattern is found in `value`. Searches only for those that came since the last time.
    pub(super) fn find(&mut self, value: &str, groups: &mut Vec<GroupId>) {
        if self.finding.is_empty() {
            return;
        }
        let answers = self.remembered.of(value);
        let before = answers.found.len();
        for (number, (pattern, _)) in self.finding.range(answers.made_to..) {
            if pattern.is_found(value) {
                answers.found.push(*number);
            }
        }
        answers.made_to = self.next;
        // A search that is gone does not come back under its number.
        let (finding, found) = (&self.finding, &mut answers.found);
        let added = found.len() - before;
        found.retain(|number| match finding.get(number) {
            Some((_, group)) => {
                groups.push(*group);
                true
            }
            None => false,
        });
        self.remembered.bytes += added * ANSWER_BYTES;
    }

    /// Whether a pattern that is wanted is found in `value`. Searches at most once.
    pub(super) fn is_found(&mut self, pattern: &Arc<Pattern>, value: &str) -> bool {
        let known = self.known.get(&address(pattern));
        let Some((number, _)) = known.and_then(|known| known.wanted) else {
            return pattern.is_found(value);
        };
        let answers = self.remembered.of(value);
        if let Some(answer) = answers.asked.get(&number) {
            return *answer;
        }
        let answer = pattern.is_found(value);
        answers.asked.insert(number, answer);
        if answers.asked.len() > 2 * self.known.len() + 64 {
            // More than half of them are of patterns that are gone.
            let wanted = self.known.values().filter_map(|known| known.wanted);
            let wanted: HashSet<Number> = wanted.map(|(number, _)| number).collect();
            answers.asked.retain(|number, _| wanted.contains(number));
        }
        self.remembered.bytes += ANSWER_BYTES;
        answer
    }

    /// About how many bytes take what is remembered.
    pub(super) fn remembered(&self) -> usize {
        self.remembered.bytes + self.remembered.bytes_before
    }

    /// Forgets what was found before.
    pub(super) fn forget(&mut self) {
        self.remembered = Remembered::default();
    }

    fn number(&mut self) -> Number {
        let number = self.next;
        self.next += 1;
        number
    }

    fn known(&mut self, pattern: &Arc<Pattern>) -> &mut Known {
        self.known.entry(address(pattern)).or_insert_with(|| Known {
            _pattern: pattern.clone(),
            finding: None,
            wanted: None,
        })
    }

    fn forget_unused(&mut self, pattern: &Arc<Pattern>) {
        let known = self.known.get(&address(pattern));
        if known.is_some_and(|known| known.finding.is_none() && known.wanted.is_none()) {
            self.known.remove(&address(pattern));
        }
        if self.known.is_empty() {
            self.forget();
        }
    }
}

impl Remembered {
    fn of(&mut self, value: &str) -> &mut Answers {
        if !self.lately.contains_key(value) {
            if self.bytes > REMEMBERED_BYTES_MAX {
                self.before = std::mem::take(&mut self.lately);
                self.bytes_before = std::mem::take(&mut self.bytes);
            }
            let (text, answers) = self
                .before
                .remove_entry(value)
                .unwrap_or_else(|| (value.into(), Answers::default()));
            let answered = answers.found.len() + answers.asked.len();
            self.bytes += TEXT_BYTES + value.len() + answered * ANSWER_BYTES;
            self.lately.insert(text, answers);
        }
        let answers = self.lately.get_mut(value);
        answers.unwrap_or_else(|| unreachable!("it was there, or was added"))
    }
}

fn address(pattern: &Arc<Pattern>) -> usize {
    Arc::as_ptr(pattern).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_is_kept() {
        let mut remembered = Remembered::default();
        remembered.of("kept").asked.insert(7, true);
        for n in 0..100_000 {
            remembered.of(&format!("text {n}"));
            assert_eq!(remembered.of("kept").asked.get(&7), Some(&true));
        }
        let texts = remembered.lately.len() + remembered.before.len();
        assert!(
            texts <= 2 * REMEMBERED_BYTES_MAX / TEXT_BYTES + 2,
            "{texts}"
        );
    }
}

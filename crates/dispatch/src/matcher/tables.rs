//! Which patterns of one attribute are found in a text?

#![allow(
    clippy::mutable_key_type,
    reason = "the text of a pattern, which is the key, does not change; only what a search has learnt does"
)]

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::GroupId;
use super::remembered::Searches;
use crate::filter::{Pattern, Test};

/// The patterns of one attribute by which members are found, and all its searches.
#[derive(Debug, Default)]
pub(super) struct Tables {
    exact: HashMap<ByText, GroupId>,
    /// By their length.
    prefixes: BTreeMap<usize, HashMap<ByText, GroupId>>,
    pub(super) searches: Searches,
}

/// A pattern, found by the text that it compares.
#[derive(Debug)]
struct ByText(Arc<Pattern>);

impl Tables {
    /// Whether no member is found by this attribute.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && !self.searches.find_any()
    }

    /// The group that is found by a pattern.
    pub(super) fn get(&self, pattern: &Arc<Pattern>) -> Option<GroupId> {
        match &pattern.test {
            Test::Exact(text) => self.exact.get(&**text).copied(),
            Test::Prefix(text) => self.prefixes.get(&text.len())?.get(&**text).copied(),
            _ => self.searches.group(pattern),
        }
    }

    pub(super) fn insert(&mut self, pattern: &Arc<Pattern>, group: GroupId) {
        let by_text = ByText(pattern.clone());
        match &pattern.test {
            Test::Exact(_) => {
                self.exact.insert(by_text, group);
            }
            Test::Prefix(text) => {
                let same_length = self.prefixes.entry(text.len()).or_default();
                same_length.insert(by_text, group);
            }
            _ => self.searches.insert(pattern, group),
        }
    }

    pub(super) fn remove(&mut self, pattern: &Arc<Pattern>) {
        match &pattern.test {
            Test::Exact(text) => {
                self.exact.remove(&**text);
                give_back(&mut self.exact);
            }
            Test::Prefix(text) => {
                if let Some(same_length) = self.prefixes.get_mut(&text.len()) {
                    same_length.remove(&**text);
                    give_back(same_length);
                    if same_length.is_empty() {
                        self.prefixes.remove(&text.len());
                    }
                }
            }
            _ => self.searches.remove(pattern),
        }
    }

    /// Adds the groups whose pattern is found in `value`.
    pub(super) fn find(&mut self, value: &str, groups: &mut Vec<GroupId>) {
        if !self.exact.is_empty() {
            groups.extend(self.exact.get(value));
        }
        for (length, same_length) in self.prefixes.range(..=value.len()) {
            let prefix = value.get(..*length);
            groups.extend(prefix.and_then(|prefix| same_length.get(prefix)));
        }
        self.searches.find(value, groups);
    }
}

/// What many needed once is not kept for few. Each removal pays for its share.
fn give_back(table: &mut HashMap<ByText, GroupId>) {
    if table.len() < table.capacity() / 8 {
        table.shrink_to(2 * table.len());
    }
}

impl ByText {
    fn text(&self) -> &str {
        match &self.0.test {
            Test::Exact(text) | Test::Prefix(text) => text,
            _ => "",
        }
    }
}

impl Borrow<str> for ByText {
    fn borrow(&self) -> &str {
        self.text()
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for ByText {}

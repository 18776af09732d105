//! Which subscriptions does an event match?
//!
//! Asked once for all of them: the cost of an event is in its matches, not in the subscriptions.
//!
//! ```text
//!             type        topic               tag                 …   an event's attributes
//!              │            │                  │
//!              ▼            ▼                  ▼
//!           exact texts · prefixes by length · searches               tables of each attribute
//!              │            │                  │
//!              └──────▶  groups  ◀─────────────┘                      members that one pattern finds
//!                           │
//!                           ▼
//!                 the other tests of each member                      then it matches
//! ```
//!
//! A member stands in one group: that of the test by which the fewest others are found, or that of those without
//! any test. Exact texts and prefixes are looked up. What has to be searched for is searched once for each text, and
//! remembered ([`remembered`]). Adding or removing one member touches its own patterns only.

mod remembered;
mod slots;
mod tables;

use std::sync::Arc;

use photinus_contract::Event;
use photinus_contract::filter::Attribute;

use self::slots::{Number, Slots};
use self::tables::Tables;
use crate::filter::{Filter, Pattern, Test};

/// About how many members a group may have before a new search, which has to be made for each new text, is the
/// cheaper way to find one.
const SEARCH_COST: usize = 64;

/// The filters of many members, each known to the caller by a `K`.
#[derive(Debug)]
pub struct EventMatcher<K> {
    attributes: Vec<(Attribute, Tables)>,
    groups: Slots<Group>,
    members: Slots<Member<K>>,
    /// The first member without a test.
    untested: Option<Place>,
    /// Groups that the event at hand finds.
    hits: Vec<GroupId>,
}

/// Where a member stands in its matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(Number);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupId(Number);

/// Members that are found by the same test.
#[derive(Debug)]
struct Group {
    attribute: Attribute,
    pattern: Arc<Pattern>,
    first: Option<Place>,
    len: usize,
}

#[derive(Debug)]
struct Member<K> {
    key: K,
    filter: Filter,
    group: Option<GroupId>,
    next: Option<Place>,
    previous: Option<Place>,
}

impl<K: Copy> EventMatcher<K> {
    /// A matcher without members.
    pub fn new() -> Self {
        Self {
            attributes: Vec::new(),
            groups: Slots::default(),
            members: Slots::default(),
            untested: None,
            hits: Vec::new(),
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.len() == 0
    }

    /// Adds a member: events that `filter` matches give `key` from now on.
    pub fn insert(&mut self, key: K, filter: &Filter) -> Place {
        let home = self.rarest(filter);
        for (index, (attribute, pattern)) in filter.tests().iter().enumerate() {
            if Some(index) != home && is_search(pattern) {
                self.tables(*attribute).searches.want(pattern);
            }
        }
        let group = home.map(|index| {
            let (attribute, pattern) = &filter.tests()[index];
            self.group(*attribute, pattern)
        });
        let first = *self.first_of(group);
        let place = Place(self.members.insert(Member {
            key,
            filter: filter.clone(),
            group,
            next: first,
            previous: None,
        }));
        if let Some(first) = first {
            self.members.get_mut(first.0).previous = Some(place);
        }
        *self.first_of(group) = Some(place);
        if let Some(group) = group {
            self.groups.get_mut(group.0).len += 1;
        }
        place
    }

    /// Removes the member that was added there.
    pub fn remove(&mut self, place: Place) {
        let member = self.members.remove(place.0);
        if let Some(next) = member.next {
            self.members.get_mut(next.0).previous = member.previous;
        }
        match member.previous {
            Some(previous) => self.members.get_mut(previous.0).next = member.next,
            None => *self.first_of(member.group) = member.next,
        }
        let home = member.group.map(|id| self.groups.get_mut(id.0).attribute);
        for (attribute, pattern) in member.filter.tests() {
            if Some(*attribute) != home && is_search(pattern) {
                self.tables(*attribute).searches.unwant(pattern);
            }
        }
        if let Some(id) = member.group {
            let group = self.groups.get_mut(id.0);
            group.len -= 1;
            if group.len == 0 {
                let group = self.groups.remove(id.0);
                self.tables(group.attribute).remove(&group.pattern);
            }
        }
        if self.is_empty() {
            // Nothing is kept for nobody.
            self.attributes = Vec::new();
        }
    }

    /// About how many bytes take what it remembers of texts.
    pub fn remembered(&self) -> usize {
        let attributes = self.attributes.iter();
        attributes
            .map(|(_, tables)| tables.searches.remembered())
            .sum()
    }

    /// Forgets what it remembers of texts. They are searched again when they come again.
    pub fn forget(&mut self) {
        for (_, tables) in &mut self.attributes {
            tables.searches.forget();
        }
    }

    /// Adds the keys of all members whose filter matches to `found`, each once.
    pub fn matches(&mut self, event: &Event, found: &mut Vec<K>) {
        for (attribute, tables) in &mut self.attributes {
            if !tables.is_empty() {
                tables.find(event.attribute(*attribute), &mut self.hits);
            }
        }
        let mut next = self.untested;
        while let Some(place) = next {
            let member = self.members.get(place.0);
            found.push(member.key);
            next = member.next;
        }
        for hit in self.hits.drain(..) {
            let group = self.groups.get(hit.0);
            let mut next = group.first;
            while let Some(place) = next {
                let member = self.members.get(place.0);
                let tests = member.filter.tests().iter();
                let others = tests.filter(|(at, _)| *at != group.attribute);
                if all_found(&mut self.attributes, others, event) {
                    found.push(member.key);
                }
                next = member.next;
            }
        }
    }

    /// The test of a filter by which the fewest members are found.
    fn rarest(&mut self, filter: &Filter) -> Option<usize> {
        let mut rarest = None;
        for (index, (attribute, pattern)) in filter.tests().iter().enumerate() {
            let group = self.tables(*attribute).get(pattern);
            let found = group.map_or(0, |group| self.groups.get(group.0).len);
            let cost = match &pattern.test {
                Test::Exact(_) => found,
                Test::Prefix(_) => found + 1,
                _ => found + SEARCH_COST,
            };
            if rarest.is_none_or(|(least, _)| cost < least) {
                rarest = Some((cost, index));
            }
        }
        rarest.map(|(_, index)| index)
    }

    /// The group of a pattern, known or new.
    fn group(&mut self, attribute: Attribute, pattern: &Arc<Pattern>) -> GroupId {
        if let Some(known) = self.tables(attribute).get(pattern) {
            return known;
        }
        let group = GroupId(self.groups.insert(Group {
            attribute,
            pattern: pattern.clone(),
            first: None,
            len: 0,
        }));
        self.tables(attribute).insert(pattern, group);
        group
    }

    fn tables(&mut self, attribute: Attribute) -> &mut Tables {
        let known = self.attributes.iter().position(|(at, _)| *at == attribute);
        let index = known.unwrap_or_else(|| {
            self.attributes.push((attribute, Tables::default()));
            self.attributes.len() - 1
        });
        &mut self.attributes[index].1
    }

    fn first_of(&mut self, group: Option<GroupId>) -> &mut Option<Place> {
        match group {
            Some(group) => &mut self.groups.get_mut(group.0).first,
            None => &mut self.untested,
        }
    }
}

impl<K: Copy> Default for EventMatcher<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether all these tests find what they look for.
fn all_found<'a>(
    attributes: &mut [(Attribute, Tables)],
    mut tests: impl Iterator<Item = &'a (Attribute, Arc<Pattern>)>,
    event: &Event,
) -> bool {
    tests.all(|(attribute, pattern)| {
        let value = event.attribute(*attribute);
        if !is_search(pattern) {
            return pattern.is_found(value);
        }
        let tables = attributes.iter_mut().find(|(at, _)| at == attribute);
        match tables {
            Some((_, tables)) => tables.searches.is_found(pattern, value),
            None => pattern.is_found(value),
        }
    })
}

/// Whether a pattern has to be searched for; others are compared.
fn is_search(pattern: &Pattern) -> bool {
    matches!(pattern.test, Test::Contains(_) | Test::Regex(_))
}

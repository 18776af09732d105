//! Which events does a subscription of a run want, in words that need no engine?
//!
//! Filters are taken from a small menu, each pattern beside a plain function that says the same.

use photinus_contract::SubscriptionFilter;

use crate::dice::Dice;

/// The tags of published messages. Replies have the last one.
pub(crate) const TAGS: [&str; 5] = ["a1", "a2", "b1", "c", REPLY_TAG];
/// The tag of replies.
pub(crate) const REPLY_TAG: &str = "re";
/// The topics of published messages.
pub(crate) const TOPICS: [&str; 4] = ["t1", "t2", "u1", "default"];

type Pattern = (&'static str, fn(&str) -> bool);

const TAG_PATTERNS: [Pattern; 6] = [
    ("", |_| true),
    ("^a", |tag| tag.starts_with('a')),
    ("1$", |tag| tag.ends_with('1')),
    ("^(a1|c|re)$", |tag| ["a1", "c", "re"].contains(&tag)),
    ("^b1$", |tag| tag == "b1"),
    ("[ace]", |tag| tag.contains(['a', 'c', 'e'])),
];
const TOPIC_PATTERNS: [Pattern; 4] = [
    ("", |_| true),
    ("^t", |topic| topic.starts_with('t')),
    ("1", |topic| topic.contains('1')),
    ("^(t2|default)$", |topic| ["t2", "default"].contains(&topic)),
];

/// A filter from the menu.
pub(crate) fn draw(dice: &mut Dice) -> SubscriptionFilter {
    let mut filter = SubscriptionFilter::default();
    if dice.percent(60) {
        filter.message.tag = dice.pick(&TAG_PATTERNS).0.into();
    }
    if dice.percent(30) {
        filter.topic = dice.pick(&TOPIC_PATTERNS).0.into();
    }
    filter
}

/// Whether an event with this tag and topic matches a filter of the menu.
pub(crate) fn matches(filter: &SubscriptionFilter, tag: &str, topic: &str) -> bool {
    let of = |menu: &[Pattern], pattern: &str, value: &str| {
        let found = menu.iter().find(|(known, _)| *known == pattern);
        found.is_some_and(|(_, matches)| matches(value))
    };
    of(&TAG_PATTERNS, &filter.message.tag, tag) && of(&TOPIC_PATTERNS, &filter.topic, topic)
}

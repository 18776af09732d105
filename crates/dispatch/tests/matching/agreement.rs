//! Does the matcher agree with each filter asked alone?

use std::collections::BTreeMap;

use photinus_dispatch::{EventMatcher, Filter, Patterns, Place};
use proptest::prelude::*;
use serde_json::json;

use crate::{compiled, event};

#[derive(Clone, Debug)]
enum Step {
    Add([&'static str; 4]),
    Remove(usize),
    Ask([&'static str; 3]),
}

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "", "", "", "", "^a$", "^ab$", "^$", "^abc$", "^a", "^ab", "^abc", "^é", "a", "b", "bc",
        "^a|c$", "[bc]$", "(?i)AB", ".", "b.", "^.$", "z",
    ])
}

fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "ab", "abc", "b", "cab", "é", "éa", "z", "A"])
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec!["", "", "^message_confirmed$", "message", "rejected"]);
    prop_oneof![
        4 => (kind, pattern(), pattern(), pattern())
            .prop_map(|(kind, topic, tag, author)| Step::Add([kind, topic, tag, author])),
        3 => any::<usize>().prop_map(Step::Remove),
        6 => [value(), value(), value()].prop_map(Step::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_finds_what_each_filter_alone_would_once(steps in prop::collection::vec(step(), 1..120)) {
        let patterns = Patterns::default();
        let mut matcher = EventMatcher::new();
        let mut members: BTreeMap<usize, (Filter, Place)> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Add([kind, topic, tag, author]) => {
                    let filter = json!({
                        "events": kind, "topic": topic, "message": {"tag": tag, "author": author}
                    });
                    let filter = compiled(&patterns, filter);
                    let place = matcher.insert(number, &filter);
                    members.insert(number, (filter, place));
                }
                Step::Remove(which) => {
                    let which = members.keys().copied().nth(which % members.len().max(1));
                    if let Some((_, place)) = which.and_then(|which| members.remove(&which)) {
                        matcher.remove(place);
                    }
                }
                Step::Ask([topic, tag, author]) => {
                    let event = event(topic, tag, author);
                    let mut found = Vec::new();
                    matcher.matches(&event, &mut found);
                    found.sort_unstable();
                    let alone = members.iter().filter(|(_, (filter, _))| filter.matches(&event));
                    let alone: Vec<usize> = alone.map(|(number, _)| *number).collect();
                    prop_assert_eq!(found, alone);
                }
            }
            prop_assert_eq!(matcher.len(), members.len());
        }
        for (_, place) in members.into_values() {
            matcher.remove(place);
        }
        prop_assert!(matcher.is_empty());
        prop_assert_eq!(patterns.memory(), 0, "it keeps no pattern");
    }
}

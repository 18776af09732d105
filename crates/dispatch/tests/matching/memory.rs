//! How much does a matcher remember?

use photinus_dispatch::{EventMatcher, Patterns};
use serde_json::json;

use crate::{compiled, event};

#[test]
fn what_a_matcher_remembers_is_told_bounded_and_forgotten() {
    let patterns = Patterns::default();
    let mut matcher = EventMatcher::new();
    let place = matcher.insert(1, &compiled(&patterns, json!({"topic": "or.*s"})));
    let mut found = Vec::new();
    let mut most = 0;
    for number in 0..10_000 {
        matcher.matches(&event(&format!("orders {number}"), "", ""), &mut found);
        assert_eq!(found, [1]);
        found.clear();
        assert!(matcher.remembered() > 0);
        most = most.max(matcher.remembered());
    }
    assert!((200_000..300_000).contains(&most), "{most} bytes");
    matcher.forget();
    assert_eq!(matcher.remembered(), 0);
    matcher.matches(&event("orders 1", "", ""), &mut found);
    assert_eq!(found, [1], "it is searched again");
    assert!(matcher.remembered() > 0);
    matcher.remove(place);
    assert_eq!(matcher.remembered(), 0, "nothing is kept for nobody");
}

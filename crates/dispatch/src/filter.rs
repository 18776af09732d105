//! Does an event match a subscription?
//!
//! FireFly's rule: every regular expression of the filter must be found somewhere in its attribute, which is
//! the empty text where the event has no such thing.

mod go_syntax;
mod pattern;
mod patterns;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use photinus_contract::filter::Attribute;
use photinus_contract::{CodedError, Event, SubscriptionFilter};

pub use self::pattern::PATTERN_BYTES_MAX;
pub(crate) use self::pattern::{Pattern, Test};
pub use self::patterns::Patterns;

/// The filter of a subscription, ready to be asked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Filter(Arc<Tests>);

/// What a filter tests, counted as long as it is there.
#[derive(Debug)]
struct Tests {
    tests: Box<[(Attribute, Arc<Pattern>)]>,
    /// What all filters take together, with this one.
    used: Arc<AtomicUsize>,
}

impl Filter {
    /// Compiles a filter that shares its patterns with no other. All its regular expressions are checked, in
    /// FireFly's order, also those that do not count: `FF10171` names the first one that does not compile.
    pub fn new(filter: &SubscriptionFilter) -> Result<Self, CodedError> {
        Patterns::default().compile(filter)
    }

    /// Whether the event matches.
    pub fn matches(&self, event: &Event) -> bool {
        self.tests()
            .iter()
            .all(|(attribute, pattern)| pattern.is_found(event.attribute(*attribute)))
    }

    /// About how many bytes of memory it takes, its patterns included, with what one thread's searches learn.
    pub fn memory(&self) -> usize {
        let patterns = self.tests().iter().map(|(_, pattern)| pattern.memory());
        self.0.memory() + patterns.sum::<usize>()
    }

    /// A filter that is counted in `used`, besides its patterns.
    fn counted(tests: Vec<(Attribute, Arc<Pattern>)>, used: Arc<AtomicUsize>) -> Self {
        let tests = Tests {
            tests: tests.into(),
            used,
        };
        tests.used.fetch_add(tests.memory(), Ordering::Relaxed);
        Self(Arc::new(tests))
    }

    /// What it tests, no attribute twice.
    pub(crate) fn tests(&self) -> &[(Attribute, Arc<Pattern>)] {
        &self.0.tests
    }
}

impl Tests {
    /// About how many bytes of memory they take besides their patterns.
    fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.tests)
    }
}

impl Drop for Tests {
    fn drop(&mut self) {
        self.used.fetch_sub(self.memory(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use photinus_contract::record::{RecordContent, RecordEvent};
    use photinus_contract::{EventType, MessageId, Namespace, Record, Sequence, Timestamp};

    use super::*;

    fn event(topic: &str, tag: &str, author: &str) -> Event {
        let id = MessageId::from_v7("01900000-0000-7000-8000-000000000000".parse().unwrap());
        let event = RecordEvent {
            topic: topic.into(),
            json: "{".into(),
        };
        let mut content = RecordContent::new(
            id,
            Namespace::new("ns"),
            EventType::MessageConfirmed,
            Timestamp::from_nanos(0),
            vec![event],
            0..0,
        );
        content.edit(|parts| {
            parts.tag = tag.to_owned();
            parts.author = author.to_owned();
        });
        Event::new(Arc::new(Record::new(Sequence(1), content)), 0).unwrap()
    }

    fn matches(filter: &str, event: &Event) -> bool {
        Filter::new(&serde_json::from_str(filter).unwrap())
            .unwrap()
            .matches(event)
    }

    #[test]
    fn all_tests_must_match_and_search_anywhere() {
        let event = event("orders", "blue-1", "did:x");
        for (filter, expected) in [
            (r#"{}"#, true),
            (r#"{"events":"confirmed"}"#, true),
            (r#"{"events":"^message_confirmed$"}"#, true),
            (r#"{"events":"rejected"}"#, false),
            (r#"{"topic":"rde"}"#, true),
            (r#"{"topic":"^rde"}"#, false),
            (r#"{"topic":"ORDERS"}"#, false),
            (r#"{"topic":"(?i)ORDERS"}"#, true),
            (r#"{"topic":"orders","message":{"tag":"^red"}}"#, false),
            (
                r#"{"topic":"orders","message":{"tag":"^blue","author":"x$"}}"#,
                true,
            ),
            (r#"{"tag":"^red","message":{"tag":"^blue"}}"#, true),
            (r#"{"message":{"group":"."}}"#, false),
            (r#"{"message":{"group":"^$"}}"#, true),
            (r#"{"message":{"group":".*"}}"#, true),
            (r#"{"transaction":{"type":"batch_pin"}}"#, false),
            (r#"{"blockchainevent":{"name":""}}"#, true),
            (r#"{"topic":"a|orders"}"#, true),
            (r#"{"topic":"$"}"#, true),
            (r#"{"topic":"ers$"}"#, true),
            (r#"{"topic":"order$"}"#, false),
        ] {
            assert_eq!(matches(filter, &event), expected, "{filter}");
        }
    }

    #[test]
    fn a_short_pattern_takes_little_memory() {
        // Its beginnings differ in case, in many ways, and are long.
        let long = |times| "\u{fffd}".repeat(times);
        let text = format!(
            "a|{}|{}(?i:a{}oldest{}|{}){}",
            long(9),
            long(3),
            long(4),
            long(4),
            long(9),
            long(5)
        );
        let filter = serde_json::json!({ "topic": text });
        let filter = Filter::new(&serde_json::from_value(filter).unwrap()).unwrap();
        assert!(filter.memory() < 1 << 20, "{} bytes", filter.memory());
        assert!(filter.matches(&event("a", "", "")));
    }

    #[test]
    fn a_bad_or_huge_pattern_is_refused_by_its_path() {
        for (filter, path) in [
            (r#"{"events":"("}"#, "filter.events"),
            (r#"{"message":{"tag":"[a"}}"#, "filter.message.tag"),
            (r#"{"tag":"[a","message":{"tag":"b"}}"#, "filter.tag"),
            (
                r#"{"blockchainevent":{"name":"*"}}"#,
                "filter.blockchain.name",
            ),
            (r#"{"topic":"(((a{100}){100}){100})"}"#, "filter.topic"),
            (r#"{"topic":"(?=a)"}"#, "filter.topic"),
        ] {
            let error = Filter::new(&serde_json::from_str(filter).unwrap()).unwrap_err();
            assert_eq!(error.code(), "FF10171");
            assert!(error.to_string().contains(&format!("{path} ")), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        let long = serde_json::json!({"topic": "a".repeat(PATTERN_BYTES_MAX + 1)});
        assert!(Filter::new(&serde_json::from_value(long).unwrap()).is_err());
    }
}

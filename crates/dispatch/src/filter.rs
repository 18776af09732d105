//! Does an event match a subscription?
//!
//! FireFly's rule: every regular expression of the filter must be found somewhere in its attribute, which is
//! the empty text where the event has no such thing. Most filters are plain texts or anchored prefixes; those
//! are compared as such and take next to no memory.

mod go_syntax;

use std::collections::BTreeMap;

use photinus_contract::filter::Attribute;
use photinus_contract::{CodedError, Event, SubscriptionFilter};
use regex_automata::meta::{self, Regex};
use regex_syntax::hir::{Hir, HirKind, Look};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Largest automaton that one pattern may need, in bytes.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;
/// Most memory that a search with one pattern may use for what it has learnt, in bytes, of each thread.
const SEARCH_CACHE_BYTES: usize = 64 << 10;
/// Deepest nesting of groups in a pattern.
const NESTING_MAX: u32 = 100;

/// The filter of a subscription, ready to be asked.
#[derive(Clone, Debug)]
pub struct Filter {
    tests: Vec<(Attribute, Pattern)>,
}

#[derive(Clone, Debug)]
enum Pattern {
    Everything,
    Exact(Box<str>),
    Prefix(Box<str>),
    Contains(Box<str>),
    Regex(Regex),
}

impl Filter {
    /// Compiles a filter. All its regular expressions are checked, in FireFly's order, also those that do not
    /// count: `FF10171` names the first one that does not compile.
    pub fn new(filter: &SubscriptionFilter) -> Result<Self, CodedError> {
        let mut compiled = BTreeMap::new();
        for (path, text) in filter.patterns() {
            let pattern = compile(text).map_err(|reason| refused(path, text, &reason))?;
            compiled.insert(text, pattern);
        }
        let mut tests = Vec::new();
        for (attribute, text) in filter.tests() {
            match compiled.get(text) {
                None | Some(Pattern::Everything) => {}
                Some(pattern) => tests.push((attribute, pattern.clone())),
            }
        }
        Ok(Self { tests })
    }

    /// Whether the event matches.
    pub fn matches(&self, event: &Event) -> bool {
        self.tests
            .iter()
            .all(|(attribute, pattern)| pattern.is_found(event.attribute(*attribute)))
    }

    /// About how many bytes of memory it takes, with what one thread's searches learn.
    pub fn memory(&self) -> usize {
        let patterns = self.tests.iter().map(|(_, pattern)| pattern.memory());
        size_of::<Self>() + patterns.sum::<usize>()
    }
}

fn refused(path: &str, pattern: &str, reason: &str) -> CodedError {
    let shown = shown(pattern);
    CodedError::bad_request(
        "FF10171",
        format!("Regular expression '{shown}' of {path} does not compile: {reason}"),
    )
}

impl Pattern {
    fn is_found(&self, value: &str) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::Exact(text) => value == &**text,
            Pattern::Prefix(text) => value.starts_with(&**text),
            Pattern::Contains(text) => value.contains(&**text),
            Pattern::Regex(regex) => regex.is_match(value),
        }
    }

    fn memory(&self) -> usize {
        match self {
            Pattern::Everything => 0,
            Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Contains(text) => text.len(),
            Pattern::Regex(regex) => 2 * regex.memory_usage() + SEARCH_CACHE_BYTES,
        }
    }
}

fn compile(pattern: &str) -> Result<Pattern, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let hir = regex_syntax::ParserBuilder::new()
        .nest_limit(NESTING_MAX)
        .build()
        .parse(&go_syntax::rewritten(pattern)?)
        .map_err(|error| one_line(&error.to_string()))?;
    if let Some(plain) = plain(&hir) {
        return Ok(plain);
    }
    let regex = automaton(&hir, true)?;
    Ok(Pattern::Regex(
        match regex.memory_usage() > AUTOMATON_BYTES_MAX {
            // What finds the beginnings of many long alternatives can take megabytes.
            true => automaton(&hir, false)?,
            false => regex,
        },
    ))
}

fn automaton(hir: &Hir, prefilter: bool) -> Result<meta::Regex, String> {
    let config = meta::Config::new()
        .nfa_size_limit(Some(AUTOMATON_BYTES_MAX))
        .hybrid_cache_capacity(SEARCH_CACHE_BYTES)
        .auto_prefilter(prefilter)
        .onepass(false)
        .dfa(false);
    let regex = meta::Builder::new().configure(config).build_from_hir(hir);
    regex.map_err(|error| match error.size_limit() {
        Some(_) => format!("it needs an automaton of more than {AUTOMATON_BYTES_MAX} bytes"),
        None => one_line(&error.to_string()),
    })
}

/// The pattern as a comparison of texts, if it is one.
fn plain(hir: &Hir) -> Option<Pattern> {
    let parts: &[Hir] = match hir.kind() {
        HirKind::Empty => return Some(Pattern::Everything),
        HirKind::Concat(parts) => parts,
        _ => std::slice::from_ref(hir),
    };
    let is =
        |part: Option<&Hir>, look| part.is_some_and(|part| *part.kind() == HirKind::Look(look));
    let (starts, parts) = match is(parts.first(), Look::Start) {
        true => (true, &parts[1..]),
        false => (false, parts),
    };
    let (ends, parts) = match parts.split_last() {
        Some((last, parts)) if is(Some(last), Look::End) => (true, parts),
        _ => (false, parts),
    };
    let text = match parts {
        [] => "",
        [only] => match only.kind() {
            HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok()?,
            _ => return None,
        },
        _ => return None,
    };
    match (starts, ends) {
        (true, true) => Some(Pattern::Exact(text.into())),
        (_, false) if text.is_empty() => Some(Pattern::Everything),
        (true, false) => Some(Pattern::Prefix(text.into())),
        (false, false) => Some(Pattern::Contains(text.into())),
        (false, true) => None,
    }
}

/// The last line of a regex error says what is wrong; those before draw it.
fn one_line(error: &str) -> String {
    error
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

fn shown(pattern: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match pattern.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &pattern[..end]),
        None => pattern.to_owned(),
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
    fn plain_patterns_mean_what_their_regex_means() {
        let values = ["", "a", "ab", "abc", "xabc", "abcx", "a.c", "a\nb"];
        for pattern in [
            "^$", "^", "$", "", "a", "abc", "^abc", "abc$", "^abc$", "a\\.c", "^a.c$", "\\Aab",
            "ab\\z", "(abc)", "(?i)ABC", "^a|b$",
        ] {
            let (ours, regex) = (
                compile(pattern).unwrap(),
                regex::Regex::new(pattern).unwrap(),
            );
            for value in values {
                assert_eq!(
                    ours.is_found(value),
                    regex.is_match(value),
                    "{pattern:?} on {value:?}"
                );
            }
        }
        assert!(matches!(compile("^abc$"), Ok(Pattern::Exact(_))));
        assert!(matches!(compile("^abc"), Ok(Pattern::Prefix(_))));
        assert!(matches!(compile("^ab[cd]"), Ok(Pattern::Regex(_))));
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

//! What does one regular expression ask of a text?
//!
//! Most patterns are plain texts or anchored prefixes. Those are compared as such, and take next to no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex_automata::meta::{self, Regex};
use regex_syntax::hir::{Hir, HirKind, Look};

use super::go_syntax;

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Largest automaton that one pattern may need, in bytes.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;
/// Most memory that a search with one pattern may use for what it has learnt, in bytes, of each thread.
const SEARCH_CACHE_BYTES: usize = 64 << 10;
/// Deepest nesting of groups in a pattern.
const NESTING_MAX: u32 = 100;

/// One pattern, ready to be searched. Filters that have the same share it.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) test: Test,
    /// What all patterns take together, with this one in it as long as it is there.
    used: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Everything,
    Exact(Box<str>),
    Prefix(Box<str>),
    Contains(Box<str>),
    Regex(Regex),
}

impl Pattern {
    /// A pattern that is counted in `used`.
    pub(super) fn new(test: Test, used: Arc<AtomicUsize>) -> Self {
        let pattern = Self { test, used };
        pattern.used.fetch_add(pattern.memory(), Ordering::Relaxed);
        pattern
    }

    pub(crate) fn is_found(&self, value: &str) -> bool {
        self.test.is_found(value)
    }

    /// About how many bytes of memory it takes, with its text and what one thread's searches learn.
    pub(super) fn memory(&self) -> usize {
        const FIXED: usize = size_of::<Pattern>() + 64;
        let test = match &self.test {
            Test::Everything => 0,
            Test::Exact(text) | Test::Prefix(text) | Test::Contains(text) => 2 * text.len(),
            Test::Regex(regex) => 2 * regex.memory_usage() + SEARCH_CACHE_BYTES,
        };
        FIXED + test
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        self.used.fetch_sub(self.memory(), Ordering::Relaxed);
    }
}

impl Test {
    pub(super) fn is_found(&self, value: &str) -> bool {
        match self {
            Test::Everything => true,
            Test::Exact(text) => value == &**text,
            Test::Prefix(text) => value.starts_with(&**text),
            Test::Contains(text) => value.contains(&**text),
            Test::Regex(regex) => regex.is_match(value),
        }
    }
}

/// What a pattern asks for; an error says why it does not compile.
pub(super) fn compile(pattern: &str) -> Result<Test, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    if let Some(plain) = plain_text(pattern) {
        return Ok(plain);
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
    Ok(Test::Regex(
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

/// The pattern as a comparison of texts, if it is written as one. Only saves the parser most of its work.
fn plain_text(pattern: &str) -> Option<Test> {
    let (starts, text) = match pattern.strip_prefix('^') {
        Some(text) => (true, text),
        None => (false, pattern),
    };
    let (ends, text) = match text.strip_suffix('$') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let is_plain = |c: char| c == '-' || !regex_syntax::is_meta_character(c);
    match text.chars().all(is_plain) {
        true => comparison(starts, text, ends),
        false => None,
    }
}

/// The pattern as a comparison of texts, if it means one.
fn plain(hir: &Hir) -> Option<Test> {
    let parts: &[Hir] = match hir.kind() {
        HirKind::Empty => return Some(Test::Everything),
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
    comparison(starts, text, ends)
}

fn comparison(starts: bool, text: &str, ends: bool) -> Option<Test> {
    match (starts, ends) {
        (true, true) => Some(Test::Exact(text.into())),
        (_, _) if text.is_empty() => Some(Test::Everything),
        (true, false) => Some(Test::Prefix(text.into())),
        (false, false) => Some(Test::Contains(text.into())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_mean_what_their_regex_means() {
        let values = ["", "a", "ab", "abc", "xabc", "abcx", "a.c", "a\nb"];
        for pattern in [
            "^$", "^", "$", "", "a", "abc", "b-c", "^é", "a#", "^$a", "^abc", "abc$", "^abc$",
            "a\\.c", "^a.c$", "\\Aab", "ab\\z", "(abc)", "(?i)ABC", "^a|b$",
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
        assert!(matches!(compile("^abc$"), Ok(Test::Exact(_))));
        assert!(matches!(compile("^abc"), Ok(Test::Prefix(_))));
        assert!(matches!(compile("^ab[cd]"), Ok(Test::Regex(_))));
    }
}

//! What does a query say?

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::percent::decode;

/// The keys and values of a query, in order. A pair with a broken escape is not there.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.filter_map(pair).collect())
    }

    /// Whether the switch `name` is on: there without a value, or `true`. The first value counts.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        let first = self.0.iter().find(|(key, _)| key == name);
        first.is_some_and(|(_, value)| is_true(value))
    }

    /// As [`is_on`](Self::is_on), the name in any case.
    pub(crate) fn is_on_any_case(&self, name: &str) -> bool {
        self.first_any_case(name).is_some_and(is_true)
    }

    /// The first value of the key `name`, written in any case.
    pub(crate) fn first_any_case(&self, name: &str) -> Option<&str> {
        let first = self
            .0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        first.map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(parts.uri.query().unwrap_or_default()))
    }
}

fn is_true(value: &str) -> bool {
    value.is_empty() || value.eq_ignore_ascii_case("true")
}

/// Only the first `=` divides, so that a value may begin with an operator such as `>=`.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let text = |part| Some(String::from_utf8_lossy(&decode(part, true)?).into_owned());
    Some((text(key)?, text(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_on_when_they_are_empty_or_true() {
        for (query, on) in [
            ("", false),
            ("confirm", true),
            ("confirm=", true),
            ("confirm=true", true),
            ("confirm=TRUE", true),
            ("confirm=1", false),
            ("confirm=yes", false),
            ("confirm=false&confirm=true", false),
            ("confirm=true&confirm=false", true),
            ("Confirm=true", false),
            ("confirm=%zz&confirm", true),
            ("a=b&&confirm", true),
        ] {
            assert_eq!(Query::new(query).is_on("confirm"), on, "{query}");
        }
        assert!(Query::new("Count").is_on_any_case("count"));
    }

    #[test]
    fn values_are_decoded_and_may_hold_operators() {
        let query = Query::new("created=>=1690000000&LIMIT=5&tag=a+b%26c");
        for (name, value) in [
            ("created", ">=1690000000"),
            ("limit", "5"),
            ("tag", "a b&c"),
        ] {
            assert_eq!(query.first_any_case(name), Some(value), "{name}");
        }
        assert_eq!(query.first_any_case("skip"), None);
    }
}

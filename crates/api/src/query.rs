//! What does a query say?

use axum::extract::FromRequestParts;
use http::request::Parts;
use photinus_contract::CodedError;
use photinus_engine::lists::{Field, Query as Asked};

use crate::errors::ApiError;
use crate::percent::decode;

/// The keys and values of a query, in order.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// `PH00400` for a broken escape or what is not UTF-8: without that pair, a list would show what was not asked for.
    pub(crate) fn new(text: &str) -> Result<Self, CodedError> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs: Option<_> = pairs.map(pair).collect();
        let pairs = pairs.ok_or_else(|| {
            let text = "The query has a broken percent escape or is not UTF-8";
            CodedError::bad_request("PH00400", text)
        })?;
        Ok(Self(pairs))
    }

    /// What it asks of a list whose rows have these fields.
    pub(crate) fn asks<R>(&self, fields: &'static [Field<R>]) -> Result<Asked<R>, CodedError> {
        let pairs = self.0.iter();
        Asked::new(
            fields,
            pairs.map(|(key, value)| (key.as_str(), value.as_str())),
        )
    }

    /// Whether the switch `name` is on: there without a value, or `true`. The first value counts.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.first(name)
            .is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case("true"))
    }

    /// The first value of the key `name`.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(key, _)| key == name);
        first.map(|(_, value)| value.as_str())
    }

    /// The first value of the key `name`, written in any case.
    pub(crate) fn first_any_case(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let first = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        first.map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self::new(parts.uri.query().unwrap_or_default())?)
    }
}

/// Only the first `=` divides, so that a value may begin with an operator such as `>=`.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let text = |part| String::from_utf8(decode(part, true)?).ok();
    Some((text(key)?, text(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use photinus_engine::lists::EVENTS;

    fn query(text: &str) -> Query {
        Query::new(text).unwrap()
    }

    #[test]
    fn switches_are_on_when_they_are_empty_or_true() {
        for (text, on) in [
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
            ("a=b&&confirm", true),
        ] {
            assert_eq!(query(text).is_on("confirm"), on, "{text}");
        }
    }

    #[test]
    fn values_are_decoded_and_may_hold_operators() {
        let query = query("created=>=1690000000&LIMIT=5&tag=a+b%26c");
        for (name, value) in [
            ("created", ">=1690000000"),
            ("limit", "5"),
            ("tag", "a b&c"),
        ] {
            assert_eq!(query.first_any_case(name), Some(value), "{name}");
        }
        assert_eq!(query.first_any_case("skip"), None);
        let asked = query.asks(&EVENTS).unwrap();
        assert_eq!(asked.limit, 5);
        assert!(asked.asks_for("created") && !asked.asks_for("type"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["a=%zz&confirm", "a=%", "%2=b", "a=%ff", "limit=1&topic=%C3"] {
            let error = Query::new(text).unwrap_err();
            assert_eq!((error.code(), error.status()), ("PH00400", 400), "{text}");
        }
    }
}

//! Which part of a list is asked for?

use axum::extract::FromRequestParts;
use http::request::Parts;
use photinus_contract::CodedError;

use crate::errors::ApiError;
use crate::query::Query;

/// Items of a list whose length is not asked for.
const LIMIT_DEFAULT: usize = 25;
/// Most items of a list.
const LIMIT_MAX: usize = 1000;
/// Most items that can be left out at the beginning.
const SKIP_MAX: usize = 1000;

/// A part of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) skip: usize,
    pub(crate) limit: usize,
    /// Whether the numbers of items are asked for, too.
    pub(crate) count: bool,
}

impl Page {
    fn new(query: &Query) -> Result<Self, CodedError> {
        let skip = query.first_any_case("skip").map_or(0, number);
        let limit = query.first_any_case("limit").map_or(LIMIT_DEFAULT, number);
        if skip > SKIP_MAX {
            return Err(CodedError::bad_request(
                "FF00191",
                format!("Parameter 'skip' is above the maximum of {SKIP_MAX}"),
            ));
        }
        if limit > LIMIT_MAX {
            return Err(CodedError::bad_request(
                "FF00192",
                format!("Parameter 'limit' is above the maximum of {LIMIT_MAX}"),
            ));
        }
        Ok(Self {
            skip,
            // FireFly means all rows; here a list is always bounded.
            limit: if limit == 0 { LIMIT_MAX } else { limit },
            count: query.is_on_any_case("count"),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = Query::new(parts.uri.query().unwrap_or_default());
        Ok(Self::new(&query)?)
    }
}

/// What is no number is 0, as in FireFly; what is too large for one is too large.
pub(crate) fn number(text: &str) -> usize {
    match text.parse() {
        Ok(number) => number,
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow => usize::MAX,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_firefly_reads_them() {
        for (query, skip, limit, count) in [
            ("", 0, 25, false),
            ("limit=5&skip=3&count", 3, 5, true),
            ("LIMIT=5&Skip=3&COUNT=true", 3, 5, true),
            ("limit=1000&skip=1000&count=false", 1000, 1000, false),
            ("limit=0", 0, 1000, false),
            ("limit=&skip=", 0, 1000, false),
            ("limit=-1&skip=-5", 0, 1000, false),
            ("limit=abc&skip=abc", 0, 1000, false),
            ("limit=5&limit=6", 0, 5, false),
        ] {
            let expected = Page { skip, limit, count };
            assert_eq!(Page::new(&Query::new(query)), Ok(expected), "{query}");
        }
        for (query, code) in [
            ("limit=1001", "FF00192"),
            ("skip=1001", "FF00191"),
            ("limit=99999999999999999999", "FF00192"),
        ] {
            assert_eq!(
                Page::new(&Query::new(query)).unwrap_err().code(),
                code,
                "{query}"
            );
        }
    }
}

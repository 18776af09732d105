//! Which web pages may use this server through a browser?
//!
//! A browser sends along where a page came from (`Origin`). Other clients send none, and nothing here concerns
//! them.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use photinus_contract::CodedError;

const ANY: &str = "*";
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// For how many seconds a browser may remember that it may.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The operator's list, ready to be asked.
pub(crate) struct Origins {
    any: bool,
    listed: Vec<String>,
}

/// A page of another origin that may use this server.
pub(crate) struct Page {
    origin: HeaderValue,
    listed: bool,
}

impl Origins {
    /// Says which entry of a list cannot be meant.
    pub(crate) fn check(list: &[String]) -> Result<(), String> {
        match list
            .iter()
            .find(|entry| *entry != ANY && canonical(entry).is_none())
        {
            None => Ok(()),
            Some(entry) => Err(format!(
                "origins: '{entry}' is no origin: expected scheme, host and port as in 'https://console.example.com' or 'http://localhost:3000', or '*'"
            )),
        }
    }

    /// The list; an entry that [`check`](Self::check) refuses allows nothing.
    pub(crate) fn new(list: &[String]) -> Self {
        Self {
            any: list.iter().any(|entry| entry == ANY),
            listed: list.iter().filter_map(|entry| canonical(entry)).collect(),
        }
    }

    /// Turns away a page that may not use this server. What is returned is a page of another origin that may;
    /// nothing for a page of our own and for what is no page.
    pub(crate) fn admit(&self, request: &Request) -> Result<Option<Page>, CodedError> {
        let host = request
            .headers()
            .get(HOST)
            .map(|host| host.to_str().unwrap_or_default());
        let mut page = None;
        for origin in request.headers().get_all(ORIGIN) {
            let text = origin.to_str().unwrap_or_default();
            let asked = canonical(text);
            let is_own = |host| {
                asked.is_some()
                    && ["http", "https"]
                        .into_iter()
                        .any(|scheme| canonical(&format!("{scheme}://{host}")) == asked)
            };
            let listed = asked
                .as_ref()
                .is_some_and(|asked| self.listed.contains(asked));
            if listed || self.any {
                page = Some(Page {
                    origin: origin.clone(),
                    listed,
                });
            } else if !host.is_some_and(is_own) {
                return Err(CodedError::new(
                    "PH00403",
                    403,
                    format!(
                        "Web pages of the origin '{text}' may not use this server; to allow them, list the origin in the configuration: [api] origins"
                    ),
                ));
            }
        }
        Ok(page)
    }

    /// Tells caches that answers differ by origin, where they do.
    pub(crate) fn vary(&self, headers: &mut HeaderMap) {
        if !self.listed.is_empty() {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

impl Page {
    /// The answer if the browser only asks whether the page may.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let allowed = response.headers_mut();
        allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        allowed.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Lets the page read the answer.
    pub(crate) fn allow(self, headers: &mut HeaderMap) {
        if self.listed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        } else {
            // Any page may, but not in the name of a user who is logged in somewhere on the way.
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(ANY));
        }
    }
}

/// An origin in the one form in which two of them can be compared; nothing if it is none.
fn canonical(origin: &str) -> Option<String> {
    let lower = origin.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    if scheme.is_empty() || authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return None;
    }
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Some(lower),
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of the refusal, or the origin that is allowed, or nothing.
    fn admitted(list: &[&str], headers: &[(&str, &str)]) -> String {
        let list: Vec<String> = list.iter().map(|&entry| entry.to_owned()).collect();
        assert_eq!(Origins::check(&list), Ok(()));
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        match Origins::new(&list).admit(&request) {
            Err(error) => error.code().to_owned(),
            Ok(None) => String::new(),
            Ok(Some(page)) => {
                let mut headers = HeaderMap::new();
                page.allow(&mut headers);
                let allowed = &headers[ACCESS_CONTROL_ALLOW_ORIGIN];
                allowed.to_str().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn only_own_and_listed_pages_are_admitted() {
        let own = ("host", "localhost:5000");
        for (origins, origin, expected) in [
            (&[][..], "http://localhost:5000", ""),
            (&[], "https://LOCALHOST:5000", ""),
            (&[], "http://localhost:3000", "PH00403"),
            (&[], "http://evil.example", "PH00403"),
            (&[], "null", "PH00403"),
            (&[], "", "PH00403"),
            (
                &["https://a.example"],
                "https://a.example",
                "https://a.example",
            ),
            (
                &["https://a.example:443"],
                "https://A.example",
                "https://A.example",
            ),
            (&["https://a.example"], "http://a.example", "PH00403"),
            (&["https://a.example"], "https://a.example:8443", "PH00403"),
            (&["https://a.example"], "http://localhost:5000", ""),
            (&["*"], "http://evil.example", "*"),
            (&["*"], "null", "*"),
        ] {
            let headers = [own, ("origin", origin)];
            assert_eq!(
                admitted(origins, &headers),
                expected,
                "{origins:?} {origin}"
            );
        }
        let foreign = ("origin", "http://evil.example");
        for (headers, expected) in [
            (&[own][..], ""),
            (&[("host", "a"), ("origin", "http://a")], ""),
            (&[("origin", "http://a")], "PH00403"),
            (
                &[own, ("origin", "http://localhost:5000"), foreign],
                "PH00403",
            ),
        ] {
            assert_eq!(admitted(&[], headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn entries_that_cannot_be_meant_are_refused() {
        for origin in [
            "console.example.com",
            "https://a.example/",
            "https://",
            "",
            "https://u@a",
        ] {
            assert!(Origins::check(&[origin.to_owned()]).is_err(), "{origin}");
        }
    }
}

//! Which web pages may use this server through a browser?
//!
//! A browser sends along where a page came from (`Origin`), and the name by which the page called the server
//! (`Host`). Other clients send no `Origin`, and nothing here concerns them.

use std::net::{IpAddr, SocketAddr};

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

/// The operator's lists, ready to be asked.
pub(crate) struct Origins {
    any_origin: bool,
    origins: Vec<String>,
    any_host: bool,
    hosts: Vec<String>,
}

/// A page of another origin that may use this server.
pub(crate) struct Page {
    origin: HeaderValue,
    listed: bool,
}

impl Origins {
    /// Says which entry of the lists cannot be meant.
    pub(crate) fn check(origins: &[String], hosts: &[String]) -> Result<(), String> {
        for origin in origins {
            if origin != ANY && canonical(origin).is_none() {
                return Err(format!(
                    "origins: '{origin}' is no origin: expected scheme, host and port as in 'https://console.example.com' or 'http://localhost:3000', or '*'"
                ));
            }
        }
        for host in hosts {
            let is_name = !host.is_empty() && !host.contains([':', '/', ' ']);
            if !is_name {
                return Err(format!(
                    "hosts: '{host}' is no host name: expected one without scheme and port, such as 'events.example.com', or '*'"
                ));
            }
        }
        Ok(())
    }

    /// The lists; an entry that [`check`](Self::check) refuses allows nothing.
    pub(crate) fn new(origins: &[String], hosts: &[String]) -> Self {
        let is_any = |entry: &String| entry == ANY;
        Self {
            any_origin: origins.iter().any(is_any),
            origins: origins
                .iter()
                .filter_map(|origin| canonical(origin))
                .collect(),
            any_host: hosts.iter().any(is_any),
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        }
    }

    /// Turns away a page that may not use this server. What is returned is a page of another origin that may;
    /// nothing for a page of our own and for what is no page.
    pub(crate) fn admit(&self, request: &Request) -> Result<Option<Page>, CodedError> {
        let host = match request.headers().get(HOST) {
            None => None,
            Some(host) => Some(host.to_str().unwrap_or_default()),
        };
        let peer = request.extensions().get::<SocketAddr>();
        if peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
            && let Some(host) = host
            && !self.is_called(host)
        {
            return Err(CodedError::new(
                "PH00421",
                421,
                format!(
                    "This server does not answer to the name '{host}' on this machine; use 'localhost' or an IP address, or list the name in the configuration: [api] hosts"
                ),
            ));
        }

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
                .is_some_and(|asked| self.origins.contains(asked));
            if listed || self.any_origin {
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
        if !self.origins.is_empty() {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }

    /// Whether a request from this machine may call the server so: a page whose own name was made to point
    /// here calls it by the page's name.
    fn is_called(&self, host: &str) -> bool {
        if self.any_host {
            return true;
        }
        let host = host.to_ascii_lowercase();
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split_once(':').map_or(host.as_str(), |(name, _)| name),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|listed| listed == name)
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
    fn admitted(origins: &[&str], hosts: &[&str], peer: &str, headers: &[(&str, &str)]) -> String {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let (origins, hosts) = (owned(origins), owned(hosts));
        assert_eq!(Origins::check(&origins, &hosts), Ok(()));
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(peer);
        match Origins::new(&origins, &hosts).admit(&request) {
            Err(error) => error.code().to_owned(),
            Ok(None) => String::new(),
            Ok(Some(page)) => {
                let mut headers = HeaderMap::new();
                page.allow(&mut headers);
                headers[ACCESS_CONTROL_ALLOW_ORIGIN]
                    .to_str()
                    .unwrap()
                    .to_owned()
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
                admitted(origins, &[], "10.0.0.9:1", &headers),
                expected,
                "{origins:?} {origin}"
            );
        }
        assert_eq!(admitted(&[], &[], "10.0.0.9:1", &[own]), "");
        assert_eq!(
            admitted(
                &[],
                &[],
                "10.0.0.9:1",
                &[("host", "a"), ("origin", "http://a")]
            ),
            ""
        );
        assert_eq!(
            admitted(&[], &[], "10.0.0.9:1", &[("origin", "http://a")]),
            "PH00403"
        );
        let twice = [
            own,
            ("origin", "http://localhost:5000"),
            ("origin", "http://evil.example"),
        ];
        assert_eq!(admitted(&[], &[], "10.0.0.9:1", &twice), "PH00403");
    }

    #[test]
    fn on_this_machine_only_names_that_cannot_be_borrowed_are_answered_to() {
        for (hosts, peer, host, expected) in [
            (&[][..], "127.0.0.1:1", "localhost:5000", ""),
            (&[], "127.0.0.1:1", "localhost.", ""),
            (&[], "127.0.0.1:1", "app.localhost:5000", ""),
            (&[], "[::ffff:127.0.0.1]:1", "127.0.0.1:5000", ""),
            (&[], "[::1]:1", "[::1]:5000", ""),
            (&[], "127.0.0.1:1", "evil.example:5000", "PH00421"),
            (&[], "[::1]:1", "evil.example", "PH00421"),
            (&[], "[::ffff:127.0.0.1]:1", "evil.example", "PH00421"),
            (&[], "127.0.0.1:1", "127.0.0.1.evil.example", "PH00421"),
            (&[], "10.0.0.9:1", "events.example", ""),
            (
                &["events.example"],
                "127.0.0.1:1",
                "Events.Example:5000",
                "",
            ),
            (&["*"], "127.0.0.1:1", "evil.example", ""),
        ] {
            assert_eq!(
                admitted(&[], hosts, peer, &[("host", host)]),
                expected,
                "{hosts:?} {peer} {host}"
            );
        }
        assert_eq!(admitted(&[], &[], "127.0.0.1:1", &[]), "");
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
            assert!(
                Origins::check(&[origin.to_owned()], &[]).is_err(),
                "{origin}"
            );
        }
        for host in ["http://a", "a:5000", "", "a b"] {
            assert!(Origins::check(&[], &[host.to_owned()]).is_err(), "{host}");
        }
    }
}

//! By which names may this server be called?
//!
//! A web page can have its own name point at this machine after it was loaded (DNS rebinding). Its requests
//! then look like those of a page of ours, but for the name by which they call the server (`Host`). On this
//! machine, where a browser may run next to a server that only this machine can reach, that name has to be one
//! that no page can take.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use http::header::HOST;
use photinus_contract::CodedError;

const ANY: &str = "*";

/// The operator's list, ready to be asked.
pub(crate) struct Hosts {
    any: bool,
    listed: Vec<String>,
}

impl Hosts {
    /// Says which entry of a list cannot be meant.
    pub(crate) fn check(list: &[String]) -> Result<(), String> {
        match list
            .iter()
            .find(|entry| entry.is_empty() || entry.contains([':', '/', ' ']))
        {
            None => Ok(()),
            Some(entry) => Err(format!(
                "hosts: '{entry}' is no host name: expected one without scheme and port, such as 'events.example.com', or '*'"
            )),
        }
    }

    /// The list.
    pub(crate) fn new(list: &[String]) -> Self {
        Self {
            any: list.iter().any(|entry| entry == ANY),
            listed: list
                .iter()
                .map(|entry| entry.to_ascii_lowercase())
                .collect(),
        }
    }

    /// Turns away a request from this machine that calls the server by a name which it does not have. Requests
    /// from elsewhere, and without a name, pass.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), CodedError> {
        let peer = request.extensions().get::<SocketAddr>();
        let is_here = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
        let named = request.headers().get_all(HOST).iter();
        let mut named = named.map(|host| host.to_str().unwrap_or_default());
        let Some(host) = named.find(|host| is_here && !self.any && !self.has(host)) else {
            return Ok(());
        };
        Err(CodedError::new(
            "PH00421",
            421,
            format!(
                "This server does not answer to the name '{host}' on this machine; use 'localhost' or an IP address, or list the name in the configuration: [api] hosts"
            ),
        ))
    }

    fn has(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split_once(':').map_or(host.as_str(), |(name, _)| name),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.listed.iter().any(|listed| listed == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn on_this_machine_only_names_that_cannot_be_taken_are_answered_to() {
        for (list, peer, host, expected) in [
            (&[][..], "127.0.0.1:1", "localhost:5000", true),
            (&[], "127.0.0.1:1", "localhost.", true),
            (&[], "127.0.0.1:1", "app.localhost:5000", true),
            (&[], "[::ffff:127.0.0.1]:1", "127.0.0.1:5000", true),
            (&[], "[::1]:1", "[::1]:5000", true),
            (&[], "127.0.0.1:1", "evil.example:5000", false),
            (&[], "[::1]:1", "evil.example", false),
            (&[], "[::ffff:127.0.0.1]:1", "evil.example", false),
            (&[], "127.0.0.1:1", "127.0.0.1.evil.example", false),
            (&[], "127.0.0.1:1", "", false),
            (&[], "10.0.0.9:1", "events.example", true),
            (
                &["events.example"],
                "127.0.0.1:1",
                "Events.Example:5000",
                true,
            ),
            (&["*"], "127.0.0.1:1", "evil.example", true),
        ] {
            let list: Vec<String> = list.iter().map(|&entry: &&str| entry.to_owned()).collect();
            assert_eq!(Hosts::check(&list), Ok(()));
            let mut request = Request::get("/")
                .header("host", host)
                .body(Body::empty())
                .unwrap();
            let peer: SocketAddr = peer.parse().unwrap();
            request.extensions_mut().insert(peer);
            let admitted = Hosts::new(&list).admit(&request);
            assert_eq!(admitted.is_ok(), expected, "{list:?} {peer} {host}");

            // A second name does not hide the first, nor the first the second.
            request
                .headers_mut()
                .append(HOST, "localhost".parse().unwrap());
            let admitted = Hosts::new(&list).admit(&request);
            assert_eq!(admitted.is_ok(), expected, "{list:?} {peer} {host}");

            request.headers_mut().remove(HOST);
            assert_eq!(Hosts::new(&list).admit(&request), Ok(()));
        }
    }

    #[test]
    fn entries_that_cannot_be_meant_are_refused() {
        for host in ["http://a", "a:5000", "", "a b"] {
            assert!(Hosts::check(&[host.to_owned()]).is_err(), "{host}");
        }
    }
}

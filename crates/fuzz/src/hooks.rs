//! Where can the options of a webhook and the data of an event send a request?

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use photinus_contract::SubscriptionOptions;
use photinus_transport_webhooks::fuzzing::{request, wish};
use serde_json::value::RawValue;

use crate::errors::check;
use crate::in_time;

/// The options of a subscription, the value of a message, and the headers of an answer, a line each.
pub fn hooks(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        let mut lines = text.lines();
        let options = lines.next().unwrap_or_default();
        let value = lines.next().unwrap_or_default();
        answered(lines);
        let Ok(options) = serde_json::from_str::<SubscriptionOptions>(options) else {
            return;
        };
        let value = RawValue::from_string(value.to_owned()).ok();
        match request(options, value) {
            Err(error) => check(&error),
            Ok((url, Err(_))) => assert!(url.has_host()),
            Ok((url, Ok(made))) => {
                // Data says what is asked, and never whom.
                let uri = made.uri();
                assert_eq!(uri.scheme_str(), Some(url.scheme()));
                assert_eq!(uri.host(), url.host_str());
                assert_eq!(uri.port_u16(), url.port());
                assert!(uri.path().starts_with(url.path().trim_end_matches('/')));
                // How a request is read is said by the client alone.
                for name in ["content-length", "transfer-encoding", "connection", "host"] {
                    assert!(!made.headers().contains_key(name));
                }
                let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(made.method());
                assert!(has_body || made.body().is_empty());
            }
        }
    });
}

fn answered<'a>(lines: impl Iterator<Item = &'a str>) {
    let mut headers = HeaderMap::new();
    for line in lines.take(100) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let name = name.parse::<HeaderName>();
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    wish(&headers);
}

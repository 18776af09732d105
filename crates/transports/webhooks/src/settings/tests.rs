use serde_json::{Value, json};

use super::*;

fn options(json: Value) -> SubscriptionOptions {
    serde_json::from_value(json).unwrap()
}

fn read_with(config: Value, json: Value) -> Result<Settings, CodedError> {
    let config = Config::from_section(&config).unwrap();
    let understood = config.understood().unwrap();
    let reader = Reader {
        config: &config,
        understood: &understood,
    };
    reader.read(&options(json))
}

fn read(json: Value) -> Result<Settings, CodedError> {
    read_with(json!({}), json)
}

#[test]
fn what_is_wrong_is_told_by_its_code() {
    for (options, code) in [
        (json!({}), "FF10242"),
        (json!({"url": "/x"}), "FF10242"),
        (json!({"url": "ftp://x/"}), "FF10242"),
        (json!({"url": "http://"}), "FF10242"),
        (
            json!({"url": "http://x", "headers": {"a b": "c"}}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "headers": {"a": "c\n"}}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "headers": {"Content-Length": "1"}}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "headers": {"webhook-id": "1"}}),
            "PH00447",
        ),
        (json!({"url": "http://x", "method": "A B"}), "PH00447"),
        (json!({"url": "http://x", "tlsConfigName": "t"}), "FF10455"),
        (
            json!({"url": "http://x", "fastack": true, "confirmationMode": "assured"}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "httpOptions": {"requestTimeout": "soon"}}),
            "FF00137",
        ),
        (
            json!({"url": "http://x", "httpOptions": {"proxyURL": "https://p"}}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "retry": {"enabled": true, "maxDelay": "soon"}}),
            "FF00137",
        ),
        (
            json!({"url": "http://x", "retry": {"enabled": true}, "retryPolicy": {"maxAttempts": 1}}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "secret": "whsec_short"}),
            "PH00447",
        ),
        (
            json!({"url": "http://x", "batch": true, "cloudEvents": "binary"}),
            "PH00447",
        ),
    ] {
        let error = read(options.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{options}: {error}");
    }
    // Delays are looked at only if they are used, as in FireFly.
    read(json!({"url": "http://x", "retry": {"enabled": false, "maxDelay": "soon"}})).unwrap();
}

#[test]
fn a_relative_address_goes_to_the_end_of_the_base() {
    for (base, url, expected) in [
        ("https://h/a", "b?c=d", "https://h/a/b?c=d"),
        ("https://h/a/", "/b", "https://h/a/b"),
        ("https://h", "b", "https://h/b"),
        ("https://h", "http://other/b", "http://other/b"),
    ] {
        let settings = read_with(json!({"base_url": base}), json!({"url": url})).unwrap();
        assert_eq!(settings.url.as_str(), expected);
    }
}

#[test]
fn a_user_in_the_address_is_a_header_and_not_shown() {
    let settings = read(json!({"url": "https://us%20er:pa%3Ass@h/x?q=1#f"})).unwrap();
    assert_eq!(settings.url.as_str(), "https://h/x?q=1");
    assert_eq!(settings.receiver(), "https://h/x");
    let value = &settings.headers[AUTHORIZATION];
    assert!(value.is_sensitive());
    assert_eq!(*value, format!("Basic {}", BASE64.encode(b"us er:pa:ss")));
}

#[test]
fn the_mode_is_that_of_the_subscription_or_of_the_server() {
    use ConfirmationMode::{Assured, Besteffort, Fastack};
    for (config, options, expected) in [
        (json!({}), json!({}), Assured),
        (json!({}), json!({"fastack": true}), Fastack),
        (
            json!({}),
            json!({"fastack": true, "confirmationMode": "fastack"}),
            Fastack,
        ),
        (json!({}), json!({"fastack": true, "reply": true}), Assured),
        (
            json!({"confirmationMode": "besteffort"}),
            json!({}),
            Besteffort,
        ),
        (
            json!({"confirmationMode": "besteffort"}),
            json!({"confirmationMode": "assured"}),
            Assured,
        ),
        (
            json!({"confirmationMode": "besteffort"}),
            json!({"fastack": true}),
            Fastack,
        ),
        (
            json!({"confirmationMode": "fastack"}),
            json!({"reply": true}),
            Besteffort,
        ),
    ] {
        let mut options = options;
        options["url"] = "http://x".into();
        let settings = read_with(config, options.clone()).unwrap();
        assert_eq!(settings.mode, expected, "{options}");
        let http1_only = expected == Fastack;
        assert_eq!(settings.client.http1_only, http1_only);
    }
}

#[test]
fn firefly_s_retry_is_a_policy() {
    let policy_of = |json: Value| {
        let options = options(json);
        policy(&options, &Options::read(&options.other).unwrap().retry).unwrap()
    };
    assert_eq!(policy_of(json!({"retry": {"count": 3}})), Policy::default());
    let retried = policy_of(
        json!({"retry": {"enabled": true, "count": 3, "initialDelay": "1s", "maxDelay": "1m"}}),
    );
    assert_eq!(retried.attempts_max, Some(4));
    let Delays::Growing { initial, max, .. } = retried.delays else {
        panic!("{retried:?}");
    };
    let seconds = Duration::from_secs;
    assert_eq!((initial, max), (seconds(1), seconds(60)));
    assert_eq!(
        policy_of(json!({"retry": {"enabled": true}})).attempts_max,
        Some(6)
    );
    // What counts anyway is tried once, unless that is asked for.
    for (options, expected) in [
        (json!({}), u32::MAX),
        (json!({"reply": true}), 1),
        (json!({"confirmationMode": "besteffort"}), 1),
        (
            json!({"reply": true, "retry": {"enabled": true, "count": 2}}),
            3,
        ),
        (
            json!({"confirmationMode": "besteffort", "retryPolicy": {"maxAttempts": 7}}),
            7,
        ),
    ] {
        let mut options = options;
        options["url"] = "http://x".into();
        assert_eq!(read(options).unwrap().attempts_max, expected);
    }
}

#[test]
fn a_server_s_proxy_is_trusted_and_a_subscription_s_is_not() {
    let server = json!({"proxy": "http://p:1"});
    let key = |config: &Value, options: Value| read_with(config.clone(), options).unwrap().client;
    let own = key(&server, json!({"url": "http://x"}));
    assert!(own.is_proxy_trusted && own.proxy.is_some());
    let given = key(
        &server,
        json!({"url": "http://x", "httpOptions": {"proxyURL": "http://q:2"}}),
    );
    assert!(!given.is_proxy_trusted);
    assert_eq!(given.proxy.unwrap().as_str(), "http://q:2/");
}

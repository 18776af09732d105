//! Is nothing within the server's network reached that its operator has not allowed?

use photinus_e2e::{Launch, Reaction, Receiver};
use serde_json::json;

use super::{Hook, publish, start, start_as};

/// The reason that an operator reads.
const REFUSED: &str = "is not on the public internet";
/// An address of the public internet. Nothing is sent there.
const OUTSIDE: &str = "8.8.8.8";

#[test]
fn no_spelling_of_this_machine_is_reached() {
    let server = start_as("", Launch::default());
    let rest = server.rest();
    let receiver = Receiver::start();
    // The same port of all other addresses of this machine.
    let port = receiver.address().port();
    let others = ["127.0.0.2", "::1"].map(|address| Receiver::start_at(address, port));
    let hooks: Vec<Hook> = [
        "127.0.0.1",
        "127.0.0.2",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "0",
        "[::]",
    ]
    .iter()
    .enumerate()
    .map(|(number, host)| {
        let url = format!("http://{host}:{port}/");
        let options = json!({"retryPolicy": {"delays": ["24h"]}});
        Hook::at(&rest, &format!("app{number}"), &url, options)
    })
    .collect();
    publish(&rest, &["t1"]);
    for hook in &hooks {
        hook.wait_for_reason(&rest, REFUSED);
        // Also who looks at it on purpose learns nothing else.
        let trial = rest.post(&format!("{}/test", hook.path), &json!({}));
        let trial = trial.expect(200);
        let outcome = trial["outcome"].as_str().unwrap();
        assert!(
            outcome.contains(REFUSED) && outcome.contains("[transports.webhooks] allow"),
            "{trial}"
        );
        assert_eq!(
            (&trial["settled"], &trial["response"]),
            (&json!(false), &json!(null))
        );
    }
    for receiver in others.iter().chain([&receiver]) {
        assert_eq!(receiver.connections(), 0);
    }
}

#[test]
fn what_an_operator_allows_is_reached_by_address_and_by_name() {
    let launch = Launch::default().variable(
        "PHOTINUS__TRANSPORTS__WEBHOOKS__ALLOW",
        "127.0.0.2,localhost",
    );
    let server = start_as("", launch);
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let port = receiver.address().port();
    let mut second = Receiver::start_at("127.0.0.2", port);
    let options = || json!({"retryPolicy": {"delays": ["24h"]}});
    let at = |host: &str| format!("http://{host}:{port}/{host}");
    Hook::at(&rest, "address", &at("127.0.0.2"), options());
    Hook::at(&rest, "name", &at("localhost"), options());
    let refused = Hook::at(&rest, "other", &at("127.0.0.1"), options());
    publish(&rest, &["t1"]);
    refused.wait_for_reason(&rest, REFUSED);
    assert_eq!(second.receive().line, "POST /127.0.0.2 HTTP/1.1");
    assert_eq!(receiver.receive().line, "POST /localhost HTTP/1.1");
    assert_eq!(receiver.connections(), 1);
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let server = start();
    let rest = server.rest();
    let inside = Receiver::start();
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::start();
        let location = inside.url("/secret");
        receiver.answers(move |_| Reaction::status(status).with("location", &location));
        let policy = json!({"delays": ["1ms"], "maxAttempts": 2, "then": "park"});
        let options = json!({"retryPolicy": policy, "firstEvent": "newest"});
        let hook = Hook::to(&rest, &format!("app{status}"), &receiver, options);
        publish(&rest, &["t1"]);
        let parked = hook.wait_for_parked(&rest, 1);
        assert_eq!(parked[0]["attempts"], 2);
        let error = parked[0]["error"].as_str().unwrap();
        let expected = format!("the receiver answered {status}");
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(receiver.count(), 2);
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn what_the_environment_says_about_proxies_is_not_looked_at() {
    let proxy = Receiver::start();
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let launch = names.iter().fold(Launch::default(), |launch, name| {
        launch.variable(name, proxy.url(""))
    });
    let server = start_as(super::THIS_MACHINE, launch);
    let rest = server.rest();
    let mut receiver = Receiver::start();
    Hook::to(&rest, "app", &receiver, json!({}));
    publish(&rest, &["t1"]);
    assert_eq!(receiver.receive().topic(), "t1");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_proxy_of_a_subscription_may_be_where_a_receiver_may() {
    let outside = format!("http://{OUTSIDE}/hook?a=b");
    let options = |proxy: &Receiver| {
        let mut url = proxy.url("");
        url.insert_str("http://".len(), "me:hush@");
        json!({"httpOptions": {"proxyURL": url}, "retryPolicy": {"delays": ["24h"]}})
    };

    let server = start_as("", Launch::default());
    let rest = server.rest();
    let mut proxy = Receiver::start();
    let hook = Hook::at(&rest, "app", &outside, options(&proxy));
    publish(&rest, &["t1"]);
    let reason = hook.wait_for_reason(&rest, REFUSED);
    assert!(!reason.contains("hush"), "{reason}");
    assert_eq!(proxy.connections(), 0);
    assert!(!rest.get(&hook.path).text().contains("hush"));

    let server = start();
    let rest = server.rest();
    Hook::at(&rest, "app", &outside, options(&proxy));
    publish(&rest, &["t1"]);
    let request = proxy.receive();
    assert_eq!(request.line, format!("POST {outside} HTTP/1.1"));
    assert_eq!(request.header("host"), Some(OUTSIDE));
    // me:hush
    assert_eq!(
        request.header("proxy-authorization"),
        Some("Basic bWU6aHVzaA==")
    );
}

#[test]
fn the_operators_proxy_is_used_and_opens_no_way_inside() {
    let mut proxy = Receiver::start();
    let server = start_as(&format!("proxy = '{}'", proxy.url("")), Launch::default());
    let rest = server.rest();
    let patient = || json!({"retryPolicy": {"delays": ["24h"]}});
    Hook::at(
        &rest,
        "outside",
        &format!("http://{OUTSIDE}/hook"),
        patient(),
    );
    publish(&rest, &["t1"]);
    let request = proxy.receive();
    assert_eq!(request.line, format!("POST http://{OUTSIDE}/hook HTTP/1.1"));
    let connections = proxy.connections();

    let inside = Receiver::start();
    for (name, url) in [
        ("http", inside.url("/")),
        ("https", inside.url("/").replace("http:", "https:")),
        (
            "name",
            format!("http://localhost:{}/", inside.address().port()),
        ),
        (
            "metadata",
            "http://169.254.169.254/latest/meta-data".to_owned(),
        ),
    ] {
        let hook = Hook::at(&rest, name, &url, patient());
        hook.wait_for_reason(&rest, REFUSED);
    }
    assert_eq!(inside.connections(), 0);
    assert_eq!(proxy.connections(), connections);
}

#[test]
fn what_cannot_be_a_receiver_or_a_proxy_is_refused_when_it_is_said() {
    let server = start();
    let rest = server.rest();
    for (options, code) in [
        (json!({}), "FF10242: "),
        (json!({"url": "file:///etc/passwd"}), "FF10242: "),
        (json!({"url": "gopher://127.0.0.1/"}), "FF10242: "),
        (json!({"url": "http://"}), "FF10242: "),
        (json!({"url": "http://a b/"}), "FF10242: "),
        (
            json!({"url": "http://x", "httpOptions": {"proxyURL": "socks5://me:hush@x"}}),
            "PH00447: ",
        ),
        (
            json!({"url": "http://x", "headers": {"host": "y"}}),
            "PH00447: ",
        ),
    ] {
        let body = json!({"name": "app", "transport": "webhooks", "options": options});
        let reply = rest.post("/api/v1/subscriptions", &body);
        assert_eq!(reply.status, 400, "{}", reply.text());
        let error = reply.error();
        assert!(
            error.starts_with(code) && !error.contains("hush"),
            "{error}"
        );
    }
}

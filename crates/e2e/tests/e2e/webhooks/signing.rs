//! Do receivers that use the official libraries of Standard Webhooks know our requests from others'?

use photinus_e2e::{Receiver, Request, Verifiers, wait_for};
use serde_json::{Value, json};

use super::{Hook, publish, start};

const OWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Holds both libraries to what is expected of each of these: content or not.
#[track_caller]
fn assert_verified(cases: &[(&str, &Request, bool)]) {
    let verifiers = cases
        .iter()
        .fold(Verifiers::default(), |all, (secret, request, _)| {
            all.and(secret, request)
        });
    for (library, verdicts) in verifiers.verdicts() {
        for ((secret, request, is_good), verdict) in cases.iter().zip(&verdicts) {
            assert_eq!(
                verdict.is_none(),
                *is_good,
                "{library}, {secret}: {verdict:?} of {:?}",
                request.headers
            );
        }
    }
}

fn tampered(request: &Request) -> Request {
    let mut tampered = request.clone();
    tampered.body[0] = b'[';
    tampered
}

fn with_header(request: &Request, name: &str, value: &str) -> Request {
    let mut changed = request.clone();
    changed.headers.retain(|(known, _)| known != name);
    changed.headers.push((name.to_owned(), value.to_owned()));
    changed
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

#[test]
fn official_libraries_verify_what_is_sent_and_nothing_else() {
    let server = start();
    let rest = server.rest();
    let mut receivers = [Receiver::start(), Receiver::start(), Receiver::start()];
    let [made, own, batch] = [
        ("made", json!({})),
        ("own", json!({"secret": OWN, "withData": false})),
        (
            "batch",
            json!({"batch": true, "readAhead": 3, "batchTimeout": "60s"}),
        ),
    ]
    .map(|(name, options)| {
        let receiver = match name {
            "made" => &receivers[0],
            "own" => &receivers[1],
            _ => &receivers[2],
        };
        Hook::to(&rest, name, receiver, options)
    });
    // It is shown once, where it was made.
    let secret = text(&made.created["options"], "secret").to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    for shown in [
        rest.get(&made.path),
        rest.get("/api/v1/subscriptions"),
        rest.get(&format!("{}?fetchstatus", made.path)),
    ] {
        let shown = shown.text();
        assert!(
            shown.contains("\"secret\":\"***\"") && !shown.contains(&secret),
            "{shown}"
        );
    }
    assert!(!own.created.to_string().contains(OWN), "{}", own.created);
    let batched = text(&batch.created["options"], "secret").to_owned();
    assert_ne!(secret, batched);

    publish(&rest, &["t1", "t2", "t3"]);
    let [first, second, third] = [0, 1, 2].map(|number| receivers[number].receive());
    let others = with_header(&first, "webhook-id", "another");
    let old = with_header(&first, "webhook-timestamp", "1600000000");
    assert_verified(&[
        (&secret, &first, true),
        (OWN, &second, true),
        (&batched, &third, true),
        (OWN, &first, false),
        (&secret, &second, false),
        (&secret, &tampered(&first), false),
        (&secret, &others, false),
        (&secret, &old, false),
    ]);
    assert_eq!(third.json().as_array().map(Vec::len), Some(3));
    assert!(!server.log().contains(&secret));
}

#[test]
fn while_a_secret_is_replaced_either_one_verifies() {
    let mut server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let hook = Hook::to(&rest, "app", &receiver, json!({}));
    let old = text(&hook.created["options"], "secret").to_owned();
    let rotate = format!("{}/secret/rotate", hook.path);
    let rotated = rest.post(&rotate, &json!({"overlap": "1h"})).expect(200);
    let new = text(&rotated, "secret").to_owned();
    assert_ne!(new, old);
    publish(&rest, &["t1"]);
    let both = receiver.receive();
    // It goes on so after a crash.
    server.kill();
    server.start_again();
    let rest = server.rest();
    let shown = rest.get(&hook.path).text();
    assert!(!shown.contains(&new) && !shown.contains(&old), "{shown}");
    publish(&rest, &["t2"]);
    let later = loop {
        let request = receiver.receive();
        // What was answered just before the crash may come again.
        if request.topic() == "t2" {
            break request;
        }
    };
    // One that has leaked is used no more.
    let at_once = json!({"secret": OWN, "overlap": "0s"});
    let rotated = rest.post(&rotate, &at_once).expect(200);
    assert_eq!(rotated["secret"], OWN);
    publish(&rest, &["t3"]);
    let last = receiver.receive();
    assert_eq!(last.topic(), "t3");
    assert_verified(&[
        (&old, &both, true),
        (&new, &both, true),
        (&old, &later, true),
        (&new, &later, true),
        (&new, &tampered(&both), false),
        (&old, &tampered(&both), false),
        (OWN, &last, true),
        (&old, &last, false),
        (&new, &last, false),
    ]);
}

#[test]
fn a_trial_is_signed_and_says_that_it_is_one() {
    let server = start();
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let hook = Hook::to(&rest, "app", &receiver, json!({"secret": OWN}));
    publish(&rest, &["t1"]);
    let real = receiver.receive();
    let before = wait_for("its position to be written", || {
        let status = hook.status(&rest);
        let offset = status["currentOffset"].clone();
        (offset == status["tail"]).then_some(offset)
    });
    let sample = rest.post(&format!("{}/test", hook.path), &json!({}));
    let sample = sample.expect(200);
    assert_eq!(
        (&sample["test"], &sample["settled"]),
        (&json!(true), &json!(true))
    );
    assert!(!sample.to_string().contains(OWN), "{sample}");
    let event = real.header("webhook-id");
    let past = rest.post(&format!("{}/test", hook.path), &json!({"event": event}));
    past.expect(200);
    let [sent, again] = [receiver.receive(), receiver.receive()];
    assert_eq!(sent.json(), json!({"test": true}));
    assert_eq!(
        (again.header("webhook-id"), &again.body),
        (event, &real.body)
    );
    for request in [&sent, &again] {
        assert_eq!(request.header("photinus-test"), Some("true"));
    }
    assert_eq!(real.header("photinus-test"), None);
    assert_verified(&[(OWN, &real, true), (OWN, &sent, true), (OWN, &again, true)]);
    assert_eq!(hook.status(&rest)["currentOffset"], before);
}

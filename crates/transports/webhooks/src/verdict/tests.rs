use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use photinus_contract::SubscriptionOptions;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::settings::Reader;

fn settings(mut options: Value) -> Settings {
    options["url"] = "http://x".into();
    let options: SubscriptionOptions = serde_json::from_value(options).unwrap();
    let config = Config::default();
    let understood = config.understood().unwrap();
    let reader = Reader {
        config: &config,
        understood: &understood,
    };
    reader.read(&options).unwrap()
}

fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Result<Answer, NoAnswer> {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    Ok(Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.collect::<HeaderMap>(),
        body: Bytes::new(),
        is_cut: false,
    })
}

fn none() -> Result<Answer, NoAnswer> {
    Err(NoAnswer::Failed("refused".into()))
}

fn decided(options: Value, attempt: u32, result: Result<Answer, NoAnswer>) -> String {
    let judged = judge(
        &settings(options),
        attempt,
        &result,
        Timestamp::from_nanos(0),
    );
    match judged.decision {
        Decision::Settle(Outcome::Acknowledge { .. }) => "ack".into(),
        Decision::Settle(Outcome::Retry {
            delay,
            counted: true,
            ..
        }) => match delay {
            Some(delay) => format!("retry after {delay:?}"),
            None => "retry".into(),
        },
        Decision::Settle(Outcome::Park { .. }) => "park".into(),
        Decision::Settle(Outcome::Pause { .. }) => "pause".into(),
        Decision::Reply(value) => {
            let value: Value = serde_json::from_str(value.get()).unwrap();
            format!("reply {}", value["status"])
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_is_assured_is_acknowledged_by_2xx_alone() {
    for (attempt, result, expected) in [
        (1, answer(200, &[]), "ack"),
        (1, answer(204, &[]), "ack"),
        (9, answer(301, &[("location", "http://y")]), "retry"),
        (9, answer(400, &[]), "retry"),
        (9, answer(404, &[("retry-after", "5")]), "retry after 5s"),
        (9, answer(503, &[("retry-after", "5")]), "retry after 5s"),
        (1, answer(410, &[]), "pause"),
        (9, none(), "retry"),
        (1, answer(200, &[("photinus-nack", "park")]), "park"),
        (
            1,
            answer(
                500,
                &[("photinus-nack", "retry"), ("photinus-nack-delay", "1s")],
            ),
            "retry after 1s",
        ),
    ] {
        let shown = format!("{result:?}");
        assert_eq!(decided(json!({}), attempt, result), expected, "{shown}");
    }
}

#[test]
fn what_is_besteffort_is_acknowledged_whatever_came() {
    let besteffort = json!({"confirmationMode": "besteffort"});
    assert_eq!(decided(besteffort.clone(), 1, answer(500, &[])), "ack");
    assert_eq!(decided(besteffort.clone(), 1, none()), "ack");
    assert_eq!(decided(besteffort, 1, answer(410, &[])), "pause");
    let twice = json!({"confirmationMode": "besteffort", "retry": {"enabled": true, "count": 1}});
    assert_eq!(decided(twice.clone(), 1, answer(500, &[])), "retry");
    assert_eq!(decided(twice.clone(), 1, none()), "retry");
    assert_eq!(decided(twice.clone(), 2, none()), "ack");
    assert_eq!(decided(twice, 2, answer(500, &[])), "ack");
}

#[test]
fn the_last_answer_of_any_status_is_the_reply() {
    let reply = json!({"reply": true});
    assert_eq!(decided(reply.clone(), 1, answer(201, &[])), "reply 201");
    assert_eq!(decided(reply.clone(), 1, answer(500, &[])), "reply 500");
    assert_eq!(decided(reply.clone(), 1, answer(410, &[])), "reply 410");
    assert_eq!(decided(reply.clone(), 1, none()), "reply 502");
    let twice = json!({"reply": true, "retry": {"enabled": true, "count": 1}});
    assert_eq!(decided(twice.clone(), 1, answer(500, &[])), "retry");
    assert_eq!(decided(twice.clone(), 1, answer(200, &[])), "reply 200");
    assert_eq!(decided(twice.clone(), 1, none()), "retry");
    assert_eq!(decided(twice.clone(), 2, none()), "reply 502");
    // It is not the JSON that it says it is.
    let json = &[("content-type", "application/json")];
    assert_eq!(decided(twice, 1, answer(200, json)), "reply 502");
}

#[test]
fn only_what_the_receiver_has_to_do_with_says_something_about_it() {
    let word = |options: Value, result| {
        let now = Timestamp::from_nanos(0);
        judge(&settings(options), 1, &result, now).word
    };
    for status in [200, 301, 400, 404, 410] {
        assert_eq!(word(json!({}), answer(status, &[])), Word::Well, "{status}");
    }
    for status in [408, 500, 502, 504] {
        assert!(matches!(
            word(json!({}), answer(status, &[])),
            Word::Failing(_)
        ));
        assert_eq!(
            word(json!({"reply": true}), answer(status, &[])),
            Word::Well
        );
    }
    for status in [429, 503] {
        let word = word(
            json!({"reply": true}),
            answer(status, &[("retry-after", "7")]),
        );
        let Word::Overloaded { retry_after, .. } = word else {
            panic!("{word:?}");
        };
        assert_eq!(retry_after, Some(std::time::Duration::from_secs(7)));
    }
    assert!(matches!(word(json!({}), none()), Word::Failing(_)));
    let not_sent = Err(NoAnswer::NotSent("x".into()));
    assert_eq!(word(json!({}), not_sent), Word::Nothing);
}

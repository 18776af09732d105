use photinus_contract::{Namespace, SubscriptionFilter, SubscriptionId};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::config::Config;
use crate::fuzzing::{datum, event};
use crate::settings::Reader;

fn data(values: &[&str]) -> Vec<Data> {
    let value = |json: &&str| datum(RawValue::from_string(json.to_string()).unwrap());
    values.iter().map(value).collect()
}

struct Sent {
    line: String,
    headers: HeaderMap,
    body: String,
}

fn composed(mut options: Value, values: &[&str]) -> Result<Sent, String> {
    if options.get("url").is_none() {
        options["url"] = "http://h/a".into();
    }
    let (id, filter) = (SubscriptionId(Uuid::nil()), SubscriptionFilter::default());
    let options: photinus_contract::SubscriptionOptions = serde_json::from_value(options).unwrap();
    let config = Config::default();
    let understood = config.understood().unwrap();
    let reader = Reader {
        config: &config,
        understood: &understood,
    };
    let settings = reader.read(&options).unwrap();
    let (ns, now) = (Namespace::new("ns"), Timestamp::from_nanos(0));
    let is_batch = options.is_batch();
    let subscription = Subscription::new(id, ns, "s", "webhooks", filter, options, now);
    let composer = Composer {
        subscription: &subscription,
        settings: &settings,
        now,
        is_test: false,
    };
    let (event, data) = (event(), data(values));
    let sample = Sample {
        event: &event,
        data: Some(&data),
    };
    let prepared = match is_batch {
        true => composer.batch(&[sample, sample])?,
        false => composer.one(sample)?,
    };
    let (head, body) = prepared.request.into_parts();
    Ok(Sent {
        line: format!("{} {}", head.method, head.uri),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}

fn line(options: Value, values: &[&str]) -> String {
    composed(options, values).unwrap().line
}

#[test]
fn the_path_and_the_query_come_from_options_and_data() {
    for (options, value, expected) in [
        (json!({}), "{}", "POST http://h/a"),
        (
            json!({"method": "PUT", "url": "http://h"}),
            "{}",
            "PUT http://h/",
        ),
        (
            json!({"input": {"path": "p"}}),
            r#"{"p":"/x/y?z"}"#,
            "POST http://h/a/x/y%3Fz",
        ),
        (
            json!({"input": {"path": "p"}, "url": "http://h/a/?q=1"}),
            r#"{"p":"x"}"#,
            "POST http://h/a/x?q=1",
        ),
        (
            json!({"input": {"path": "p"}}),
            r#"{"p":"..//../%2e%2e/b#c"}"#,
            "POST http://h/a/%252e%252e/b%23c",
        ),
        (
            json!({"input": {"path": "p"}}),
            r#"{"p":5}"#,
            "POST http://h/a",
        ),
        (
            json!({"query": {"b": "x y", "a": "1"}}),
            "{}",
            "POST http://h/a?a=1&b=x+y",
        ),
        (
            json!({"query": {"b": "1"}, "url": "http://h/a?q=%41"}),
            "{}",
            "POST http://h/a?q=%41&b=1",
        ),
        (
            json!({"query": {"b": "1", "c": "2"}, "input": {"query": "q"}}),
            r#"{"q":{"c":true,"d":[1],"a":1.5}}"#,
            "POST http://h/a?a=1.5&b=1&c=true&d=",
        ),
    ] {
        assert_eq!(
            line(options.clone(), &[value]),
            expected,
            "{options} {value}"
        );
    }
}

#[test]
fn headers_come_from_options_and_data_and_none_of_them_frames_the_request() {
    let sent = composed(json!({}), &["{}"]).unwrap();
    assert_eq!(sent.headers["content-type"], "application/json");
    assert_eq!(sent.headers["accept"], "application/json");
    assert_eq!(sent.headers["accept-encoding"], "gzip");
    let options = json!({"headers": {"x-a": "1", "x-b": "1", "Content-Type": "text/plain"}, "input": {"headers": "h"}});
    let sent = composed(options.clone(), &[r#"{"h":{"X-B":2}}"#]).unwrap();
    assert_eq!(
        (&sent.headers["x-a"], &sent.headers["x-b"]),
        (&"1".parse().unwrap(), &"2".parse().unwrap())
    );
    assert_eq!(sent.headers["content-type"], "text/plain");
    assert_eq!(sent.headers.get("accept"), None);
    for bad in [
        r#"{"h":{"a b":"1"}}"#,
        r#"{"h":{"a":"1\r\nb: 2"}}"#,
        r#"{"h":{"Content-Length":"0"}}"#,
        r#"{"h":{"Transfer-Encoding":"chunked"}}"#,
        r#"{"h":{"Host":"other"}}"#,
        r#"{"h":{"webhook-signature":"v1,x"}}"#,
        r#"{"h":{"photinus-test":"true"}}"#,
    ] {
        assert!(composed(options.clone(), &[bad]).is_err(), "{bad}");
    }
}

#[test]
fn only_some_methods_have_a_body() {
    for method in ["POST", "PUT", "PATCH"] {
        let sent = composed(json!({"method": method}), &["[1]"]).unwrap();
        assert_eq!(sent.body, r#"{"value":[1]}"#);
    }
    for method in ["GET", "DELETE", "HEAD", "post", "PURGE"] {
        assert_eq!(
            composed(json!({"method": method}), &["[1]"]).unwrap().body,
            ""
        );
    }
}

#[test]
fn without_values_the_event_itself_is_the_body() {
    let body: Value = serde_json::from_str(&composed(json!({}), &[]).unwrap().body).unwrap();
    assert_eq!(body["subscription"]["name"], "s");
    assert_eq!(
        (&body["topic"], &body["sequence"]),
        (&json!("t"), &json!(7))
    );
}

#[test]
fn a_batch_is_a_list_and_identified_by_its_events() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let options = json!({"batch": true, "secret": secret, "input": {"body": "b", "query": "q"}});
    let sent = composed(options, &[r#"{"b":{"c":1},"q":{"d":1}}"#]).unwrap();
    assert_eq!(sent.body, r#"[{"c":1},{"c":1}]"#);
    assert_eq!(sent.line, "POST http://h/a");
    assert!(
        sent.headers["webhook-id"]
            .to_str()
            .unwrap()
            .starts_with("batch_")
    );
    let (event, other) = (event(), event());
    let sample = |event| Sample { event, data: None };
    assert_eq!(batch_id(&[sample(&event)]), batch_id(&[sample(&other)]));
    assert_ne!(
        batch_id(&[sample(&event)]),
        batch_id(&[sample(&event), sample(&other)])
    );
}

#[test]
fn a_cloud_event_is_one_object_or_headers() {
    let sent = composed(json!({"cloudEvents": "structured"}), &["5"]).unwrap();
    assert_eq!(sent.headers["content-type"], "application/cloudevents+json");
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    let id = event().id().to_string();
    assert_eq!(
        body,
        json!({
            "specversion": "1.0", "id": id, "source": "/namespaces/ns", "subject": "t",
            "type": "photinus.message_confirmed", "time": "1970-01-01T00:00:00Z",
            "datacontenttype": "application/json", "data": 5,
        })
    );
    let sent = composed(json!({"cloudEvents": "binary"}), &[r#"{"a":1}"#]).unwrap();
    assert_eq!(
        (sent.headers["ce-id"].to_str().unwrap(), &*sent.body),
        (&*id, r#"{"a":1}"#)
    );
    assert_eq!(sent.headers["content-type"], "application/json");
    let batch = json!({"cloudEvents": "structured", "batch": true});
    let sent = composed(batch, &["5"]).unwrap();
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(
        (body[0]["data"].clone(), body[1]["id"].clone()),
        (json!(5), json!(id))
    );
}

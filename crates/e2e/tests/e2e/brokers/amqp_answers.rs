//! Does an application of RabbitMQ have the last word, if that is asked for?

use std::time::Duration;

use photinus_e2e::{Rabbit, now, wait_for};
use serde_json::{Value, json};

use super::{Feed, messages, publish, rabbit, with_rabbit};

struct Asked {
    feed: Feed,
    app: Rabbit,
    queue: &'static str,
}

impl Asked {
    fn new(rest: &photinus_e2e::Rest, queue: &'static str, mut more: Value) -> Self {
        let mut app = Rabbit::at(&rabbit().url());
        app.does("queue", json!({"name": queue}));
        more["routingKey"] = queue.into();
        more["ack"] = "application".into();
        more["content"] = "data".into();
        let feed = Feed::new(rest, "amqp091", queue, more);
        Self { feed, app, queue }
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        self.app.next(self.queue)
    }

    #[track_caller]
    fn answer(&mut self, to: &Value, headers: Value) {
        self.app
            .does("answer", json!({"to": to, "headers": headers}));
    }
}

#[test]
fn nothing_is_settled_before_it_answers() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut asked = Asked::new(&rest, "asked-ack", json!({}));
    assert_eq!(asked.feed.created["options"]["ackTimeout"], "60s");
    publish(&rest, "t", json!(1));
    publish(&rest, "t", json!(2));
    let first = asked.next();
    asked.feed.assert_unsettled(&rest);
    // An answer to nothing, and one to something else, change nothing.
    let mut wrong = first.clone();
    wrong["properties"]["correlation_id"] = "nonsense".into();
    asked.answer(&wrong, json!({}));
    asked.answer(&first, json!({}));
    asked.feed.wait_for_offset(&rest, 1);
    let second = asked.next();
    assert_eq!(second["body"], "2");
    asked.answer(&second, json!({"photinus-outcome": "ack"}));
    asked.feed.wait_for_offset(&rest, 2);
    // Twice is once.
    asked.answer(&second, json!({}));
}

#[test]
fn it_can_ask_for_an_event_again_set_it_aside_or_do_without_it() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut asked = Asked::new(&rest, "asked-nack", json!({}));
    for number in 1..=4 {
        publish(&rest, "t", json!(number));
    }
    let first = asked.next();
    let begun = now();
    asked.answer(
        &first,
        json!({"photinus-outcome": "nack", "photinus-delay": "300ms", "photinus-reason": "not yet"}),
    );
    let again = asked.next();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(
        (&again["body"], &again["headers"]["photinus-attempt"]),
        (&json!("1"), &json!(2))
    );
    assert_eq!(
        again["properties"]["message_id"],
        first["properties"]["message_id"]
    );
    asked.answer(
        &again,
        json!({"photinus-outcome": "nack", "photinus-action": "park", "photinus-reason": "broken"}),
    );
    let second = asked.next();
    asked.answer(
        &second,
        json!({"photinus-outcome": "nack", "photinus-action": "skip"}),
    );
    // Words that mean nothing acknowledge nothing.
    let third = asked.next();
    asked.answer(&third, json!({"photinus-outcome": "perhaps"}));
    let third = asked.next();
    assert_eq!(
        (&third["body"], &third["headers"]["photinus-attempt"]),
        (&json!("3"), &json!(2))
    );
    asked.answer(&third, json!({}));
    let fourth = asked.next();
    asked.answer(
        &fourth,
        json!({"photinus-outcome": "nack", "photinus-action": "pause", "photinus-delay": "400ms", "photinus-reason": "lunch"}),
    );
    asked.feed.wait_for_reason(&rest, "lunch");
    let fourth = asked.next();
    assert_eq!(fourth["body"], "4");
    asked.answer(&fourth, json!({}));
    asked.feed.wait_for_offset(&rest, 4);
    let parked = asked.feed.parked(&rest);
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["reason"], "broken");
}

#[test]
fn who_does_not_answer_gets_it_again() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut asked = Asked::new(
        &rest,
        "asked-late",
        json!({"ackTimeout": "300ms", "retryPolicy": {"delays": ["10ms"]}}),
    );
    publish(&rest, "t", json!(1));
    let first = asked.next();
    let second = asked.next();
    assert_eq!(second["headers"]["photinus-attempt"], 2);
    assert_ne!(
        first["properties"]["correlation_id"],
        second["properties"]["correlation_id"]
    );
    asked.answer(&second, json!({}));
    asked.feed.wait_for_offset(&rest, 1);
}

#[test]
fn the_body_of_an_answer_is_a_reply() {
    let server = with_rabbit();
    let rest = server.rest();
    let mut asked = Asked::new(&rest, "asked-reply", json!({}));
    let question = publish(&rest, "questions", json!(1));
    let first = asked.next();
    asked.app.does(
        "answer",
        json!({"to": first, "headers": {"photinus-topic": "answers", "photinus-tag": "done"}, "body": "{\"sum\":7}", "content_type": "application/json"}),
    );
    asked.feed.wait_for_offset(&rest, 1);
    let replies = wait_for("the reply", || {
        let replies = messages(&rest, "answers");
        (!replies.is_empty()).then_some(replies)
    });
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0]["header"]["cid"], question["header"]["id"]);
    assert_eq!(replies[0]["header"]["tag"], "done");
    assert_eq!(replies[0]["data"][0]["value"], json!({"sum": 7}));
}

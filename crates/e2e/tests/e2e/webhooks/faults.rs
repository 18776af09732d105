//! Is everything received, once well and in order, by a receiver that does all that receivers do?

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use photinus_e2e::{
    Dice, PATIENCE, Reaction, Receiver, Request, Rest, StopSignal, now, wait_until,
};
use serde_json::{Value, json};

use super::{Hook, SOON, publish, start_with, topics};
use crate::raw_memory::resident_kib;

const LARGE: usize = 10 << 20;

/// An event is tried again soon, for as long as it takes; those behind it are there already.
fn impatient() -> Value {
    json!({"retryPolicy": {"delays": ["5ms"]}, "readAhead": 10})
}

/// Bad receptions of an event, so many as it has attempts here, before it is received well.
fn badly(dice: &mut Dice) -> Vec<Reaction> {
    let count = dice.between(0, 2);
    (0..count)
        .map(|_| match dice.between(0, 7) {
            0 => Reaction::reset(),
            1 => Reaction::truncated(),
            2 => Reaction::garbage(),
            3 => Reaction::bytes("HTTP/1.1 20"),
            4 => Reaction::bytes(""),
            5 => Reaction::status(500).body("out of order"),
            6 => Reaction::bytes(format!("HTTP/1.1 200 OK\r\nlong: {}", "a".repeat(LARGE))),
            _ => Reaction::status(400).body(vec![b'a'; LARGE]),
        })
        .collect()
}

fn well(dice: &mut Dice) -> Reaction {
    match dice.between(0, 9) {
        0 => Reaction::status(200).body(vec![b'a'; LARGE]),
        1 => Reaction::status(202).after(Duration::from_millis(50)),
        2 => Reaction::status(200).with("connection", "close"),
        _ => Reaction::status(204),
    }
}

/// All events are received badly a few times, and then well.
fn misbehave(receiver: &Receiver) {
    let plans = Mutex::new((Dice::new(), HashMap::<String, Vec<Reaction>>::new()));
    receiver.answers(move |request| {
        let mut plans = plans.lock().unwrap();
        let (dice, bad) = &mut *plans;
        let bad = bad
            .entry(request.topic())
            .or_insert_with(|| badly(dice))
            .pop();
        bad.unwrap_or_else(|| well(dice))
    });
}

/// All was delivered, and nothing is left.
#[track_caller]
fn assert_done(hook: &Hook, rest: &Rest) {
    hook.wait_for_state(rest, "idle");
    let status = hook.status(rest);
    assert_eq!(
        (&status["inFlight"], &status["parked"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
}

#[test]
fn a_receiver_that_breaks_every_rule_receives_everything_in_order() {
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    misbehave(&receiver);
    let hook = Hook::to(&rest, "app", &receiver, impatient());
    let topics = topics(50);
    publish(&rest, &topics);
    receiver.wait_for_well(topics.len());
    assert_done(&hook, &rest);
    assert_eq!(receiver.well(), topics);
}

#[test]
fn what_is_not_answered_in_time_comes_again() {
    const LIMIT: Duration = Duration::from_secs(2);
    let server = start_with(SOON);
    let rest = server.rest();
    let receiver = Receiver::start();
    let late = HashMap::from([("t2", Reaction::silence()), ("t3", Reaction::stuck())]);
    let late = Mutex::new(late);
    receiver.answers(move |request| {
        let late = late.lock().unwrap().remove(request.topic().as_str());
        late.unwrap_or_else(|| Reaction::status(204))
    });
    let mut options = impatient();
    options["httpOptions"] = json!({"requestTimeout": format!("{LIMIT:?}")});
    let hook = Hook::to(&rest, "app", &receiver, options);
    // Before the receiver sees it: that may be late.
    let begun = now();
    publish(&rest, &topics(3));
    receiver.wait_for_well(3);
    assert_done(&hook, &rest);
    assert_eq!(receiver.well(), topics(3));
    let requests = receiver.requests();
    let came: Vec<String> = requests.iter().map(Request::topic).collect();
    assert_eq!(came, ["t1", "t2", "t2", "t3", "t3"]);
    let waited = requests[4].at - begun;
    assert!(waited >= 2 * LIMIT, "{waited:?}");
}

#[test]
fn a_receiver_that_dies_gets_what_it_missed_when_it_comes_back() {
    let server = start_with(SOON);
    let rest = server.rest();
    let mut receiver = Receiver::start();
    let hook = Hook::to(&rest, "app", &receiver, impatient());
    let topics = topics(50);
    for (number, some) in topics.chunks(10).enumerate() {
        publish(&rest, some);
        let received = number * 10 + 5;
        receiver.wait_for_well(received);
        receiver.stop();
        if receiver.well().len() < (number + 1) * 10 {
            hook.wait_for_reason(&rest, "no connection");
        }
        receiver.start_again();
    }
    receiver.wait_for_well(topics.len());
    assert_done(&hook, &rest);
    // What was answered when it died may not have been heard.
    let mut well = receiver.well();
    well.dedup();
    assert_eq!(well, topics);
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing() {
    let mut server = start_with(SOON);
    let receiver = Receiver::start();
    misbehave(&receiver);
    let hook = Hook::to(&server.rest(), "app", &receiver, impatient());
    let topics = topics(50);
    publish(&server.rest(), &topics);
    for received in [7, 20, 33] {
        receiver.wait_for_well(received);
        server.kill();
        server.start_again();
    }
    wait_until("the last to be received well", || {
        receiver.well().last() == topics.last()
    });
    assert_done(&hook, &server.rest());
    let well = receiver.well();
    let first: Vec<&String> = well
        .iter()
        .enumerate()
        .filter(|(place, topic)| !well[..*place].contains(topic))
        .map(|(_, topic)| topic)
        .collect();
    assert_eq!(first, topics.iter().collect::<Vec<_>>());
    // What comes again after a start is in order, too.
    let number = |topic: &String| topic[1..].parse::<usize>().unwrap();
    let steps_back = well
        .windows(2)
        .filter(|pair| number(&pair[1]) <= number(&pair[0]))
        .count();
    assert!(steps_back <= 3, "{well:?}");
}

#[test]
fn a_server_that_is_stopped_waits_for_an_answer_and_not_for_ever() {
    let mut server = start_with(SOON);
    let receiver = Receiver::start();
    receiver.answers(|request| match request.topic().as_str() {
        "t1" => Reaction::status(204).after(Duration::from_millis(500)),
        _ => Reaction::silence(),
    });
    let hook = Hook::to(&server.rest(), "app", &receiver, impatient());
    for topic in ["t1", "t2"] {
        publish(&server.rest(), &[topic]);
        wait_until("it to be asked", || {
            receiver.requests().last().map(Request::topic).as_deref() == Some(topic)
        });
        server.stop(StopSignal::Term);
        server.start_again();
    }
    // The first was heard and is not repeated, and the second is.
    wait_until("the second to come again", || receiver.count() >= 3);
    receiver.answers(|_| Reaction::status(204));
    server.stop(StopSignal::Int);
    server.start_again();
    assert_eq!(receiver.wait_for_well(2), ["t1", "t2"]);
    assert_done(&hook, &server.rest());
    let requests = receiver.requests();
    let topics: Vec<String> = requests.iter().map(Request::topic).collect();
    assert_eq!(topics, ["t1", "t2", "t2", "t2"]);
}

#[test]
fn answers_without_end_take_no_memory() {
    const RECEIVERS: usize = 16;
    const EVENTS: usize = 20;
    const GROWTH_KIB_MAX: u64 = 96 << 10;
    let server = start_with(SOON);
    let rest = server.rest();
    let receivers: Vec<Receiver> = (0..RECEIVERS).map(|_| Receiver::start()).collect();
    for (number, receiver) in receivers.iter().enumerate() {
        let body = vec![b'a'; LARGE];
        receiver.answers(move |_| Reaction::status(200).body(body.clone()));
        // What is published as a reply is all that is kept.
        let options = json!({"reply": number == 0, "replytag": "r", "firstEvent": "newest"});
        Hook::to(&rest, &format!("app{number}"), receiver, options);
    }
    let before = resident_kib(&server);
    publish(&rest, &topics(EVENTS));
    let deadline = photinus_e2e::Deadline::after(PATIENCE);
    while receivers.iter().any(|receiver| receiver.count() < EVENTS) {
        assert!(deadline.remaining().is_some(), "not all is received");
        let grown = resident_kib(&server).saturating_sub(before);
        assert!(grown < GROWTH_KIB_MAX, "it grew by {grown} KiB");
    }
    let path = "/api/v1/messages?tag=r";
    wait_until("all to be replied to", || {
        rest.get(path).json().as_array().map(Vec::len) == Some(EVENTS)
    });
    let replies = rest.get(&format!("{path}&fetchdata")).expect(200);
    let value = &replies[0]["data"][0]["value"];
    assert_eq!(value["status"], 502, "{value}");
    let error = value["body"]["error"].as_str().unwrap();
    assert!(error.contains("response_bytes_max"), "{error}");
}

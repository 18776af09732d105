//! What is in the log, and is it what publishers were told?

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::ledger::{Answer, Ledger, value};
use crate::publisher::holder_of_key;
use crate::rest::Rest;
use crate::socket::Socket;

/// Events that are on their way at once when the log is read.
const READ_AHEAD: usize = 500;

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Its topic.
    pub topic: String,
    /// The id of its message.
    pub message: String,
    /// The message that its message answers.
    pub answers: Option<String>,
}

/// A copy of the log of the default namespace, which may only grow.
#[derive(Default)]
pub struct LogCopy {
    events: BTreeMap<i64, LogEvent>,
    by_topic: HashMap<String, i64>,
    /// The newest message of each publisher.
    newest: BTreeMap<usize, u64>,
    /// How many of the ledger's stored messages were looked for.
    checked: usize,
    /// Messages that were refused and are there.
    refused: usize,
    may_hold_refused: bool,
}

impl LogCopy {
    /// A copy of a log whose disk failed in the very act of making a message durable: it may come back after a
    /// crash although it was refused.
    pub fn of_a_failing_disk() -> Self {
        Self {
            may_hold_refused: true,
            ..Self::default()
        }
    }

    /// Reads what is new, and holds it against the ledger: every message that was answered before is there,
    /// once, under its id, each publisher's in its order; and nothing is there that was not sent.
    #[track_caller]
    pub fn read_on(&mut self, rest: &Rest, ledger: &Ledger) {
        let stored = ledger.stored_since(self.checked);
        let after = self.events.keys().next_back().copied().unwrap_or(-1);
        for (sequence, event) in read(rest, after) {
            self.add(sequence, event, ledger);
        }
        for (topic, entry) in &stored {
            let Some(sequence) = self.by_topic.get(topic) else {
                panic!("{topic} was answered ({:?}) and is lost", entry.answer);
            };
            let message = &self.events[sequence].message;
            assert_eq!(
                entry.answer,
                Answer::Stored(message.clone()),
                "{topic} is another message than the one that was answered"
            );
        }
        self.checked += stored.len();
    }

    fn add(&mut self, sequence: i64, event: LogEvent, ledger: &Ledger) {
        let topic = event.topic.clone();
        let entry = ledger
            .entry(&topic)
            .unwrap_or_else(|| panic!("{topic} ({sequence}) was never sent"));
        if let Answer::Refused(error) = &entry.answer {
            assert!(
                self.may_hold_refused,
                "{topic} ({sequence}) is in the log, and was refused: {error}"
            );
            self.refused += 1;
        }
        if let Some((publisher, number)) = entry.place {
            let newest = self.newest.insert(publisher, number);
            assert!(
                newest < Some(number),
                "{topic} ({sequence}) comes after number {newest:?} of its publisher"
            );
        }
        let before = self.by_topic.insert(topic.clone(), sequence);
        assert!(
            before.is_none(),
            "{topic} is twice in the log: {before:?} and {sequence}"
        );
        self.events.insert(sequence, event);
    }

    /// Reads the newest events of the copy again: all that was ever read is still there, at its sequence, and
    /// nothing has come up in between. What is newer is not looked at.
    #[track_caller]
    pub fn assert_unchanged(&self, rest: &Rest, newest: usize) {
        let Some(last) = self.events.keys().next_back() else {
            return;
        };
        let first = self
            .events
            .keys()
            .rev()
            .take(newest)
            .next_back()
            .unwrap_or(last);
        let again: BTreeMap<_, _> = read(rest, first - 1)
            .into_iter()
            .filter(|(sequence, _)| sequence <= last)
            .collect();
        let before = self.events.range(first..);
        for (sequence, event) in before.clone() {
            assert_eq!(
                again.get(sequence),
                Some(event),
                "what was read at {sequence} has changed"
            );
        }
        assert_eq!(
            again.len(),
            before.count(),
            "events came up in between that were not there before"
        );
    }

    /// Reads the newest stored messages one by one, with their values and groups, and sends each that has
    /// an idempotency key once more: it must be refused.
    #[track_caller]
    pub fn assert_messages(&self, rest: &Rest, ledger: &Ledger, newest: usize) {
        let stored = ledger.stored_since(self.checked.saturating_sub(newest));
        for (topic, entry) in stored {
            let Answer::Stored(id) = &entry.answer else {
                unreachable!("it is stored")
            };
            let message = rest.get(&format!("/api/v1/messages/{id}?fetchdata"));
            let message = message.expect(200);
            assert_eq!(message["header"]["topics"][0], topic.as_str());
            assert_eq!(
                message["data"][0]["value"],
                value(&topic, entry.bytes),
                "the value of {topic}"
            );
            let Some(key) = &entry.key else { continue };
            // A group is looked up before the key: one that is not there would be another error.
            let group = &message["header"]["group"];
            let (path, header) = match group.is_string() {
                true => ("private", json!({"group": group})),
                false => ("broadcast", json!({})),
            };
            let again = json!({"header": header, "idempotencyKey": key, "data": [{"value": 1}]});
            let reply = rest.post(&format!("/api/v1/messages/{path}"), &again);
            assert_eq!(reply.status, 409, "{topic}: {}", reply.text());
            assert_eq!(holder_of_key(&reply.error()), *id, "{topic}");
        }
    }

    /// How many messages that were refused are there.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// All events, by sequence.
    pub fn events(&self) -> &BTreeMap<i64, LogEvent> {
        &self.events
    }

    /// The event of this topic.
    pub fn event(&self, topic: &str) -> Option<&LogEvent> {
        self.events.get(self.by_topic.get(topic)?)
    }
}

/// The events after a sequence, up to the newest of now, in order.
fn read(rest: &Rest, mut after: i64) -> Vec<(i64, LogEvent)> {
    let mut events = Vec::new();
    let newest = rest.get("/api/v1/events?limit=1").expect(200);
    let Some(head) = newest[0]["sequence"].as_i64() else {
        return events;
    };
    let mut socket = Socket::open(rest.address(), "/ws").expect("the upgrade is accepted");
    socket.send(json!({
        "type": "start", "namespace": "default", "ephemeral": true, "autoack": true,
        "options": {"firstEvent": after.to_string(), "readAhead": READ_AHEAD},
    }));
    while after < head {
        let event = socket.receive();
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        let sequence = event["sequence"].as_i64().expect("a sequence");
        assert!(sequence > after, "{sequence} comes after {after}");
        after = sequence;
        let event = LogEvent {
            topic: text("topic").unwrap_or_default(),
            message: text("reference").unwrap_or_default(),
            answers: text("correlator"),
        };
        events.push((sequence, event));
    }
    events
}

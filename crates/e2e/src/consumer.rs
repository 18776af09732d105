//! Who receives while the server comes and goes, and answers as applications do?

use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::ledger::{Answer, Entry, Ledger, value};
use crate::passes::{Kills, Passes};
use crate::publisher::{group, send};
use crate::rest::Rest;
use crate::server::Whereabouts;
use crate::socket::{Frame, Socket};
use crate::waiting::{now, wait_for, wait_until};

/// The event that ends every consumer: all filters have to accept its tag.
pub const END: &str = "end";
/// How long a consumer waits for more before it answers what it holds.
const QUIET: Duration = Duration::from_millis(20);

/// How an application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Each event at once.
    InOrder,
    /// Holds up to ten and acknowledges any of them.
    Shuffled,
    /// Asks for some again, parks some, skips some.
    Picky,
    /// Each batch at once.
    Batches,
    /// Publishes a reply first.
    Replying,
}

/// An application with one durable subscription.
#[derive(Clone, Copy, Debug)]
pub struct Consumer {
    /// The name of the subscription.
    pub name: &'static str,
    /// What it does with events.
    pub habit: Habit,
    /// The tags it wants; `None` for all.
    pub tag: Option<&'static str>,
    /// How many events more than one it has in flight.
    pub read_ahead: usize,
    /// Which topics it gets.
    pub matches: fn(&str) -> bool,
}

impl Consumer {
    /// Creates its subscription and returns its id.
    #[track_caller]
    pub fn subscribe(&self, rest: &Rest) -> String {
        let mut filter = json!({});
        if let Some(tag) = self.tag {
            filter["message"] = json!({"tag": format!("^({tag}|{END})$")});
        }
        let mut options = json!({"readAhead": self.read_ahead});
        if self.habit == Habit::Batches {
            options["batch"] = true.into();
            options["batchTimeout"] = "20ms".into();
        }
        let created = rest.subscribe(self.name, filter, options);
        created["id"].as_str().expect("an id").to_owned()
    }

    /// Receives over all lives of the server until the end has come and all is answered.
    pub fn run(
        &self,
        mut dice: Dice,
        place: &Whereabouts,
        kills: &Kills,
        ledger: &Ledger,
    ) -> Passes {
        let mut passes = Passes::new(self.name, self.matches);
        loop {
            let (address, life) = wait_for("the server to be up", || place.get());
            let Ok(mut socket) = Socket::open(address, "/ws") else {
                continue;
            };
            passes.connected(life, kills);
            socket.start(self.name);
            let rest = Rest::new(address);
            let mut session = Session {
                consumer: self,
                socket,
                rest,
                held: Vec::new(),
                ended: false,
            };
            if session.run(&mut passes, &mut dice, ledger) {
                return passes;
            }
            // A server that goes on has no reason to end a connection.
            wait_until("the server to have gone", || {
                place.get().is_none_or(|(_, now_in)| now_in > life)
            });
        }
    }
}

/// Publishes what ends all consumers: whatever was published before has come when this comes.
#[track_caller]
pub fn publish_end(rest: &Rest, ledger: &Ledger) {
    let body = json!({
        "header": {"topics": [END], "tag": END},
        "data": [{"value": value(END, 16)}],
    });
    ledger.sending(END, Entry::new(None, None, 16));
    let answer = send(rest, false, END, &body, ledger);
    assert!(matches!(answer, Answer::Stored(_)), "{answer:?}");
}

/// One connection.
struct Session<'a> {
    consumer: &'a Consumer,
    socket: Socket,
    rest: Rest,
    /// Received and not answered.
    held: Vec<Value>,
    /// The end has come.
    ended: bool,
}

impl Session<'_> {
    /// False when the connection is gone, true when everything is done.
    fn run(&mut self, passes: &mut Passes, dice: &mut Dice, ledger: &Ledger) -> bool {
        loop {
            if self.ended && self.held.is_empty() && !passes.is_rewinding() {
                return true;
            }
            let frame = if self.held.is_empty() {
                Some(self.socket.next_frame())
            } else {
                self.socket.next_within(QUIET)
            };
            match frame {
                None => self.answer_held(passes, dice, 0),
                Some(Frame::Closed) => return false,
                Some(Frame::Pong(_)) => {}
                Some(Frame::Json(event)) => self.received(event, passes, dice, ledger),
            }
        }
    }

    fn received(&mut self, event: Value, passes: &mut Passes, dice: &mut Dice, ledger: &Ledger) {
        assert_eq!(event["subscription"]["name"], self.consumer.name, "{event}");
        if self.consumer.habit == Habit::Batches {
            let events = event["events"].as_array().expect("a batch");
            let sequences: Vec<i64> = events
                .iter()
                .map(|event| {
                    let (sequence, topic) = told(event);
                    passes.delivered(sequence, topic);
                    self.ended |= topic == END;
                    sequence
                })
                .collect();
            if self.socket.ack(&event) {
                for sequence in sequences {
                    passes.settled(sequence, now(), false);
                }
            }
            return;
        }
        let (sequence, topic) = told(&event);
        passes.delivered(sequence, topic);
        self.ended |= topic == END;
        match self.consumer.habit {
            Habit::Shuffled => {
                self.held.push(event);
                let keep = dice.between(0, 10) as usize;
                self.answer_held(passes, dice, keep);
            }
            Habit::Picky => self.pick(&event, sequence, topic, passes, dice),
            Habit::Replying if topic != END => {
                if self.reply(&event, topic, ledger) {
                    self.acknowledge(&event, passes);
                }
            }
            _ => self.acknowledge(&event, passes),
        }
    }

    fn answer_held(&mut self, passes: &mut Passes, dice: &mut Dice, keep: usize) {
        while self.held.len() > keep {
            let last = self.held.len() as u64 - 1;
            let event = self.held.swap_remove(dice.between(0, last) as usize);
            self.acknowledge(&event, passes);
        }
    }

    fn acknowledge(&mut self, event: &Value, passes: &mut Passes) {
        let sent = self.socket.send(json!({
            "type": "ack",
            "id": event["id"],
            "delivery": event["delivery"],
            "subscription": event["subscription"],
        }));
        if sent {
            passes.settled(told(event).0, now(), false);
        }
    }

    fn pick(
        &mut self,
        event: &Value,
        sequence: i64,
        topic: &str,
        passes: &mut Passes,
        dice: &mut Dice,
    ) {
        let action = match dice.between(0, 59) {
            _ if topic == END => return self.acknowledge(event, passes),
            0 => "retry",
            1 => "park",
            2 => "skip",
            _ => return self.acknowledge(event, passes),
        };
        let sent = self.socket.send(json!({
            "type": "nack",
            "id": event["id"],
            "delivery": event["delivery"],
            "subscription": event["subscription"],
            "action": action,
            "delay": "5ms",
            "reason": "a test",
        }));
        match action {
            _ if !sent => {}
            "retry" => passes.retried(sequence),
            _ => passes.settled(sequence, now(), true),
        }
    }

    /// Publishes a reply with a key, so that there is one however often the request comes. False if the
    /// connection is gone.
    fn reply(&mut self, event: &Value, request: &str, ledger: &Ledger) -> bool {
        let topic = format!("reply-{request}");
        let key = format!("key-{topic}");
        let body = json!({
            "header": {
                "topics": [topic],
                "tag": "answer",
                "cid": event["message"]["header"]["id"],
            },
            "group": group("repliers"),
            "data": [{"value": value(&topic, 16)}],
            "idempotencyKey": key,
        });
        let is_stored = ledger
            .entry(&topic)
            .is_some_and(|entry| matches!(entry.answer, Answer::Stored(_)));
        if !is_stored {
            ledger.sending(&topic, Entry::new(None, Some(key), 16));
        }
        match is_stored {
            // The request was repeated. So is the reply; the first one stays the only one.
            true => self
                .rest
                .try_json("POST", "/api/v1/messages/private", &body)
                .map(|reply| assert_eq!(reply.status, 409, "{}", reply.text()))
                .is_ok(),
            false => matches!(
                send(&self.rest, true, &topic, &body, ledger),
                Answer::Stored(_)
            ),
        }
    }
}

/// The sequence and the topic of an event.
fn told(event: &Value) -> (i64, &str) {
    let sequence = event["sequence"].as_i64();
    let topic = event["topic"].as_str();
    match (sequence, topic) {
        (Some(sequence), Some(topic)) => (sequence, topic),
        _ => panic!("no event: {event}"),
    }
}

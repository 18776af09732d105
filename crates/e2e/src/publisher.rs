//! Who publishes while the server comes and goes?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ledger::{Answer, Entry, Ledger, value};
use crate::rest::Rest;
use crate::server::Whereabouts;
use crate::waiting::{now, wait_for};

/// How long a publisher waits after it was refused.
const REFUSED_PAUSE: Duration = Duration::from_millis(5);

/// Publishes one message after the other. The topic of each tells publisher, number and tag: `p3-17-blue`.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// Which one.
    pub number: usize,
    /// With idempotency keys: each message is sent again until it is answered. Without, what was left
    /// unanswered or was refused is given up.
    pub keys: bool,
    /// To a group instead of everybody.
    pub private: bool,
    /// Every how many messages one has a large value.
    pub large_every: u64,
    /// How large that is, in bytes.
    pub large_bytes: usize,
}

impl Publisher {
    /// One with small messages to everybody.
    pub fn new(number: usize, keys: bool) -> Self {
        Self {
            number,
            keys,
            private: false,
            large_every: u64::MAX,
            large_bytes: 0,
        }
    }

    /// The tag of the message of this number.
    fn tag(number: u64) -> &'static str {
        match number {
            number if number % 3 == 0 => "blue",
            number if number % 7 == 0 => "question",
            _ => "red",
        }
    }

    /// Publishes from this number on until it is told to stop; returns the next number.
    pub fn run(
        &self,
        mut number: u64,
        place: &Whereabouts,
        stop: &AtomicBool,
        ledger: &Ledger,
    ) -> u64 {
        let mut connection: Option<(Rest, usize)> = None;
        while !stop.load(Ordering::SeqCst) {
            let tag = Self::tag(number);
            let topic = format!("p{}-{number}-{tag}", self.number);
            let bytes = match number % self.large_every == self.large_every - 1 {
                true => self.large_bytes,
                false => 16,
            };
            let key = self.keys.then(|| format!("key-{topic}"));
            let mut body = json!({
                "header": {"topics": [topic], "tag": tag},
                "data": [{"value": value(&topic, bytes)}],
            });
            if let Some(key) = &key {
                body["idempotencyKey"] = key.as_str().into();
            }
            if self.private {
                body["group"] = group(&format!("group-{}", number % 5));
            }
            let entry = Entry::new(Some((self.number, number)), key, bytes);
            loop {
                ledger.sending(&topic, entry.clone());
                let Some((address, life)) = place.get() else {
                    if stop.load(Ordering::SeqCst) {
                        return number + 1;
                    }
                    wait_for("the server to be up", || {
                        (stop.load(Ordering::SeqCst) || place.get().is_some()).then_some(())
                    });
                    continue;
                };
                let (rest, _) = match connection.take() {
                    Some(current) if current.1 == life => connection.insert(current),
                    _ => connection.insert((Rest::new(address), life)),
                };
                let answer = send(rest, self.private, &topic, &body, ledger);
                match answer {
                    Answer::Stored(_) => break,
                    Answer::Open => connection = None,
                    Answer::Refused(_) => std::thread::sleep(REFUSED_PAUSE),
                }
                if !self.keys || stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            number += 1;
        }
        number
    }
}

/// Sends one message and notes what came back.
#[track_caller]
pub(crate) fn send(
    rest: &Rest,
    private: bool,
    topic: &str,
    body: &Value,
    ledger: &Ledger,
) -> Answer {
    let path = match private {
        true => "/api/v1/namespaces/default/messages/private",
        false => "/api/v1/namespaces/default/messages/broadcast",
    };
    let began = now();
    let answer = match rest.try_json("POST", path, body) {
        Ok(reply) if reply.status == 202 => {
            let id = &reply.json()["header"]["id"];
            Answer::Stored(id.as_str().expect("a message has an id").to_owned())
        }
        Ok(reply) if reply.status == 409 && body.get("idempotencyKey").is_some() => {
            Answer::Stored(holder_of_key(&reply.error()))
        }
        Ok(reply) if reply.status == 503 => {
            let error = reply.error();
            assert!(error.starts_with("PH00503: "), "{error}");
            Answer::Refused(error)
        }
        Ok(reply) => panic!("{topic}: {}: {}", reply.status, reply.text()),
        Err(_) => return Answer::Open,
    };
    ledger.answered(topic, answer.clone(), began.elapsed());
    answer
}

/// The message that holds the idempotency key, by the text of the error.
pub(crate) fn holder_of_key(error: &str) -> String {
    assert!(error.starts_with("FF10430: "), "{error}");
    let holder = error.rsplit('\'').nth(1);
    holder.unwrap_or_else(|| panic!("{error}")).to_owned()
}

/// A group of this name with two members.
pub(crate) fn group(name: &str) -> Value {
    json!({"name": name, "members": [{"identity": "did:firefly:org/a"}, {"identity": "did:firefly:org/b"}]})
}

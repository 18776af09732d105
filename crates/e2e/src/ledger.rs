//! What were publishers told, and how long did it take?
//!
//! Every message has a topic of its own, by which it is found again in the log and among deliveries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server went away before it answered: the message may be stored or not.
    Open,
    /// It is stored, under this id.
    Stored(String),
    /// The server refused it with this text.
    Refused(String),
}

/// A message that was sent.
#[derive(Clone, Debug)]
pub struct Entry {
    /// By whom and as which of his, if his messages have an order.
    pub place: Option<(usize, u64)>,
    /// Its idempotency key.
    pub key: Option<String>,
    /// The length of the text in its value.
    pub bytes: usize,
    /// What came back.
    pub answer: Answer,
}

impl Entry {
    /// A message about to be sent.
    pub fn new(place: Option<(usize, u64)>, key: Option<String>, bytes: usize) -> Self {
        Self {
            place,
            key,
            bytes,
            answer: Answer::Open,
        }
    }
}

/// All messages of a test, shared by its publishers.
#[derive(Default)]
pub struct Ledger {
    book: Mutex<Book>,
    stored: AtomicU64,
    refusals: AtomicU64,
}

#[derive(Default)]
struct Book {
    entries: BTreeMap<String, Entry>,
    /// The topics of stored messages, in the order of the answers.
    stored: Vec<String>,
    slowest: Duration,
    refusal: Option<String>,
}

impl Ledger {
    /// Before it is sent, or sent again.
    pub fn sending(&self, topic: &str, entry: Entry) {
        self.book().entries.insert(topic.to_owned(), entry);
    }

    /// It was answered, after that time.
    pub fn answered(&self, topic: &str, answer: Answer, after: Duration) {
        let mut book = self.book();
        book.slowest = book.slowest.max(after);
        if let Answer::Refused(error) = &answer {
            book.refusal = Some(error.clone());
            self.refusals.fetch_add(1, Ordering::SeqCst);
        }
        let is_stored = matches!(answer, Answer::Stored(_));
        book.entries.get_mut(topic).expect("it was sent").answer = answer;
        if is_stored {
            book.stored.push(topic.to_owned());
            self.stored.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many messages are stored, by what was answered.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::SeqCst)
    }

    /// How often a publisher was refused.
    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::SeqCst)
    }

    /// With which words it was refused last.
    pub fn a_refusal(&self) -> Option<String> {
        self.book().refusal.clone()
    }

    /// The stored messages from that one on, in the order of the answers.
    pub fn stored_since(&self, first: usize) -> Vec<(String, Entry)> {
        let book = self.book();
        let since = book.stored.iter().skip(first);
        since
            .map(|topic| (topic.clone(), book.entries[topic].clone()))
            .collect()
    }

    /// The message of that topic.
    pub fn entry(&self, topic: &str) -> Option<Entry> {
        self.book().entries.get(topic).cloned()
    }

    /// How many messages the server refused, or left without an answer.
    pub fn unstored(&self) -> (usize, usize) {
        let book = self.book();
        let count = |is: fn(&Answer) -> bool| {
            let entries = book.entries.values();
            entries.filter(|entry| is(&entry.answer)).count()
        };
        (
            count(|answer| matches!(answer, Answer::Refused(_))),
            count(|answer| *answer == Answer::Open),
        )
    }

    /// The longest time that an answer took since this was asked last: how far the machine is behind.
    pub fn take_slowest(&self) -> Duration {
        std::mem::take(&mut self.book().slowest)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nobody panics while it holds this")
    }
}

/// The value that a message of this topic carries.
pub(crate) fn value(topic: &str, bytes: usize) -> Value {
    let mut text = topic.repeat(bytes / topic.len() + 1);
    text.truncate(bytes);
    json!({"topic": topic, "text": text})
}

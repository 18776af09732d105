//! What is listed of a message?

use std::sync::{Arc, OnceLock};

use photinus_contract::record::RecordContent;
use photinus_contract::{Record, Timestamp};
use serde::Deserialize;

/// A message among others: its record, and what stands only in its JSON, which is read when it is asked for.
#[derive(Debug)]
pub struct ListedMessage {
    record: Arc<Record>,
    shown: OnceLock<Shown>,
}

/// What only the JSON of a message says.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) kind: String,
    pub(super) txtype: String,
    pub(super) key: String,
    pub(super) created: Option<Timestamp>,
    pub(super) datahash: String,
    pub(super) hash: String,
    pub(super) state: String,
}

#[derive(Deserialize)]
struct MessageJson {
    header: HeaderJson,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
struct HeaderJson {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    txtype: String,
    #[serde(default)]
    key: String,
    created: Option<Timestamp>,
    #[serde(default)]
    datahash: String,
}

impl ListedMessage {
    /// The message of a record.
    pub fn new(record: Arc<Record>) -> Self {
        let shown = OnceLock::new();
        Self { record, shown }
    }

    /// The record that it is in.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(super) fn content(&self) -> &RecordContent {
        &self.record.content
    }

    /// Its topics: there is an event for each.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        let content = &self.record.content;
        (0..content.events_len()).map(|index| content.topic(index))
    }

    /// Its type, of those that messages have.
    pub(super) fn kind(&self) -> &'static str {
        let kinds = ["broadcast", "private", "definition"];
        let shown = &self.shown().kind;
        let mut known = kinds.into_iter();
        known.find(|kind| kind == shown).unwrap_or("groupinit")
    }

    pub(super) fn shown(&self) -> &Shown {
        self.shown.get_or_init(|| {
            let message = serde_json::from_slice(self.record.content.message_json());
            message.map_or_else(
                |_| Shown::default(),
                |MessageJson {
                     header,
                     hash,
                     state,
                 }| Shown {
                    kind: header.kind,
                    txtype: header.txtype,
                    key: header.key,
                    created: header.created,
                    datahash: header.datahash,
                    hash,
                    state,
                },
            )
        })
    }
}

//! Which events are wanted, and how are they wanted?

use clap::Args;
use serde_json::{Map, Value};

use crate::target::duration;

/// Regular expressions that an event must match, all of them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filter (regular expressions; all must match)")]
pub(crate) struct FilterArguments {
    /// The type of the event, such as ^message_confirmed$
    #[arg(long, value_name = "REGEX")]
    events: Option<String>,
    /// The topic
    #[arg(long, value_name = "REGEX")]
    topic: Option<String>,
    /// The tag of the message
    #[arg(long, value_name = "REGEX")]
    tag: Option<String>,
    /// The author of the message
    #[arg(long, value_name = "REGEX")]
    author: Option<String>,
    /// The group of the message, a hash
    #[arg(long, value_name = "REGEX")]
    group: Option<String>,
    /// The type of the transaction, on events about transactions
    #[arg(long, value_name = "REGEX")]
    transaction_type: Option<String>,
    /// The name of the blockchain event
    #[arg(long, value_name = "REGEX")]
    blockchainevent_name: Option<String>,
    /// The listener of the blockchain event
    #[arg(long, value_name = "REGEX")]
    blockchainevent_listener: Option<String>,
}

/// Where each test stands in the filter of a subscription.
type Places<'a> = [(&'static [&'static str], &'a Option<String>); 8];

impl FilterArguments {
    fn places(&self) -> Places<'_> {
        [
            (&["events"], &self.events),
            (&["topic"], &self.topic),
            (&["message", "tag"], &self.tag),
            (&["message", "author"], &self.author),
            (&["message", "group"], &self.group),
            (&["transaction", "type"], &self.transaction_type),
            (&["blockchainevent", "name"], &self.blockchainevent_name),
            (
                &["blockchainevent", "listener"],
                &self.blockchainevent_listener,
            ),
        ]
    }

    /// Whether any test was given.
    pub(crate) fn is_given(&self) -> bool {
        self.places().iter().any(|(_, regex)| regex.is_some())
    }

    /// The filter as the API has it.
    pub(crate) fn to_json(&self) -> Value {
        let mut filter = Value::Object(Map::new());
        self.change(&mut filter);
        filter
    }

    /// Puts what was given into a filter; an empty text takes a test away.
    pub(crate) fn change(&self, filter: &mut Value) {
        for (place, regex) in self.places() {
            let Some(regex) = regex else { continue };
            let mut at = &mut *filter;
            for key in place {
                at = &mut at[*key];
            }
            *at = Value::from(regex.as_str());
        }
    }
}

/// The tests of a filter as the API has it, for people: `topic ~ ^orders, tag ~ x`.
pub(crate) fn described(filter: &Value) -> String {
    const KEYS: [(&str, &str, &str); 12] = [
        ("", "events", "events"),
        ("", "topic", "topic"),
        ("", "topics", "topic"),
        ("message", "tag", "tag"),
        ("message", "author", "author"),
        ("message", "group", "group"),
        ("", "tag", "tag"),
        ("", "author", "author"),
        ("", "group", "group"),
        ("transaction", "type", "transaction type"),
        ("blockchainevent", "name", "blockchainevent name"),
        ("blockchainevent", "listener", "blockchainevent listener"),
    ];
    let tests: Vec<String> = KEYS
        .iter()
        .filter_map(|(object, key, name)| {
            let holder = if object.is_empty() {
                filter
            } else {
                filter.get(object)?
            };
            let regex = holder.get(key)?.as_str()?;
            (!regex.is_empty()).then(|| format!("{name} ~ {regex}"))
        })
        .collect();
    if tests.is_empty() {
        "everything".to_owned()
    } else {
        tests.join(", ")
    }
}

/// How events are delivered.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Delivery")]
pub(crate) struct DeliveryArguments {
    /// Where to begin: newest, oldest, or after the event of this sequence [default: newest]
    #[arg(long, value_name = "WHERE", value_parser = first_event, allow_hyphen_values = true)]
    pub(crate) first_event: Option<String>,
    /// How many events may be on their way before the first is acknowledged, less one; with --batch, the size of a batch
    #[arg(long, value_name = "N")]
    pub(crate) read_ahead: Option<u16>,
    /// Delivers in batches, acknowledged as one
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    pub(crate) batch: Option<bool>,
    /// How long a batch waits to fill, such as 100ms
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) batch_timeout: Option<String>,
    /// An event that is not acknowledged within this time comes again, such as 30s
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) ack_timeout: Option<String>,
}

impl DeliveryArguments {
    /// The names of the arguments that were given.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--first-event", self.first_event.is_some()),
            ("--read-ahead", self.read_ahead.is_some()),
            ("--batch", self.batch.is_some()),
            ("--batch-timeout", self.batch_timeout.is_some()),
            ("--ack-timeout", self.ack_timeout.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(name, _)| name).collect()
    }

    /// Puts what was given into the options of a subscription; an empty text takes an option away.
    pub(crate) fn change(&self, options: &mut Map<String, Value>) {
        put(
            options,
            "firstEvent",
            self.first_event.clone().map(Value::from),
        );
        put(options, "readAhead", self.read_ahead.map(Value::from));
        put(options, "batch", self.batch.map(Value::from));
        put(
            options,
            "batchTimeout",
            self.batch_timeout.clone().map(Value::from),
        );
        put(
            options,
            "ackTimeout",
            self.ack_timeout.clone().map(Value::from),
        );
    }
}

fn put(options: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        None => {}
        Some(Value::String(text)) if text.is_empty() => {
            options.remove(key);
        }
        Some(value) => {
            options.insert(key.to_owned(), value);
        }
    }
}

/// A time as everywhere on the command line; the server takes a bare number for milliseconds. An empty text takes it away.
fn time(text: &str) -> Result<String, String> {
    if !text.is_empty() {
        duration(text)?;
    }
    let is_bare = text.parse::<u32>().is_ok();
    Ok(format!("{text}{}", if is_bare { "s" } else { "" }))
}

fn first_event(text: &str) -> Result<String, String> {
    if matches!(text, "newest" | "oldest") || text.parse::<i64>().is_ok_and(|at| at >= -1) {
        return Ok(text.to_owned());
    }
    Err("expected newest, oldest, or the sequence of the last event that is not wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        delivery: DeliveryArguments,
    }

    fn line(words: &[&str]) -> Line {
        Line::try_parse_from([&["x"], words].concat()).unwrap()
    }

    #[test]
    fn every_filter_of_fireflys_has_its_place() {
        let words = [
            "--events=e",
            "--topic=t",
            "--tag=a",
            "--author=b",
            "--group=c",
            "--transaction-type=d",
            "--blockchainevent-name=f",
            "--blockchainevent-listener=g",
        ];
        let filter = line(&words).filter.to_json();
        assert_eq!(
            filter,
            json!({
                "events": "e", "topic": "t", "message": {"tag": "a", "author": "b", "group": "c"},
                "transaction": {"type": "d"}, "blockchainevent": {"name": "f", "listener": "g"},
            })
        );
        assert_eq!(
            described(&filter),
            "events ~ e, topic ~ t, tag ~ a, author ~ b, group ~ c, transaction type ~ d, blockchainevent name ~ f, blockchainevent listener ~ g"
        );
        assert_eq!(line(&[]).filter.to_json(), json!({}));
        assert_eq!(described(&json!({"message": {}})), "everything");
    }

    #[test]
    fn what_is_not_given_stays_and_an_empty_text_takes_away() {
        let mut filter = json!({"topic": "t", "message": {"tag": "a"}});
        line(&["--tag="]).filter.change(&mut filter);
        assert_eq!(filter, json!({"topic": "t", "message": {"tag": ""}}));

        let mut options = Map::from_iter([
            ("ackTimeout".to_owned(), json!("1s")),
            ("readAhead".to_owned(), json!(5)),
            ("url".to_owned(), json!("x")),
        ]);
        line(&["--ack-timeout=", "--batch"])
            .delivery
            .change(&mut options);
        assert_eq!(
            Value::from(options),
            json!({"readAhead": 5, "url": "x", "batch": true})
        );
    }

    #[test]
    fn a_bare_number_is_seconds_for_every_time() {
        for (text, expected) in [("30", "30s"), ("100ms", "100ms"), ("", "")] {
            let words = ["--ack-timeout", text, "--batch-timeout", text];
            let delivery = line(&words).delivery;
            assert_eq!(delivery.ack_timeout.as_deref(), Some(expected));
            assert_eq!(delivery.batch_timeout.as_deref(), Some(expected));
        }
        assert!(Line::try_parse_from(["x", "--ack-timeout", "soon"]).is_err());
    }

    #[test]
    fn a_beginning_is_a_word_or_a_sequence() {
        for text in ["newest", "oldest", "0", "17", "-1"] {
            let words = ["--first-event", text];
            assert_eq!(line(&words).delivery.first_event.as_deref(), Some(text));
        }
        for text in ["new", "-2", "1.5", ""] {
            assert!(
                Line::try_parse_from(["x", "--first-event", text]).is_err(),
                "{text}"
            );
        }
    }
}

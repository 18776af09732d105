//! How does a value, or a line, become the body of a message?

use std::borrow::Cow;
use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::failure::Failure;

/// What a value, or a line, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// JSON if it can be read as JSON, else text
    Auto,
    /// A value in JSON
    Json,
    /// Text
    Text,
    /// A whole message, as the API takes it
    Message,
}

/// What is said about a message besides its value.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct Header {
    /// A topic; may be repeated, and each makes an event [default: default]
    #[arg(short, long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// The tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The id of the message that this one answers
    #[arg(long, value_name = "ID")]
    cid: Option<String>,
    /// Who says it
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// The key that signs for the author
    #[arg(long, value_name = "KEY")]
    signing_key: Option<String>,
    /// Publishes it privately to a group with this member; may be repeated
    #[arg(long = "to", value_name = "IDENTITY")]
    members: Vec<String>,
    /// Publishes it privately to the group with this hash
    #[arg(long, value_name = "HASH", conflicts_with = "members")]
    group: Option<String>,
    /// A second message with the same key is not published
    #[arg(long, visible_alias = "key", value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

impl Header {
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.idempotency_key {
            Some(key) if key.is_empty() => {
                Err(Failure::usage("--idempotency-key must not be empty"))
            }
            _ => Ok(()),
        }
    }

    fn is_private(&self) -> bool {
        self.group.is_some() || !self.members.is_empty()
    }
}

type Object<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Makes bodies.
pub(crate) struct MessageInput {
    form: Form,
    is_private: bool,
    /// The fields of a header that the command line gives.
    header: Vec<(&'static str, Box<RawValue>)>,
    /// The other fields of a message.
    fields: Vec<(&'static str, Box<RawValue>)>,
    key_prefix: Option<String>,
}

/// The body of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) json: String,
    pub(crate) is_private: bool,
    /// Whether it has an idempotency key: then it can be sent again.
    pub(crate) is_keyed: bool,
}

/// What has to be known of a message that is passed on as it is.
#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow, default, rename = "idempotencyKey")]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    group: Option<&'a RawValue>,
    #[serde(borrow, default)]
    header: Option<GivenHeader<'a>>,
}

#[derive(Deserialize)]
struct GivenHeader<'a> {
    #[serde(borrow, default)]
    group: Option<Cow<'a, str>>,
}

impl MessageInput {
    pub(crate) fn new(form: Form, given: Header, key_prefix: Option<String>) -> Self {
        #[derive(Serialize)]
        struct Member<'a> {
            identity: &'a str,
        }
        let is_private = given.is_private();
        let mut header = Vec::new();
        let texts = [
            ("tag", given.tag),
            ("cid", given.cid),
            ("author", given.author),
            ("key", given.signing_key),
            ("group", given.group),
        ];
        if !given.topics.is_empty() {
            header.push(("topics", raw(&given.topics)));
        }
        header.extend(
            texts
                .iter()
                .filter_map(|(key, text)| Some((*key, raw(text.as_ref()?)))),
        );
        let mut fields = Vec::new();
        if !given.members.is_empty() {
            let members: Vec<_> = given
                .members
                .iter()
                .map(|identity| Member { identity })
                .collect();
            fields.push(("group", raw(&BTreeMap::from([("members", members)]))));
        }
        if let Some(key) = &given.idempotency_key {
            fields.push(("idempotencyKey", raw(key)));
        }
        Self {
            form,
            is_private,
            header,
            fields,
            key_prefix,
        }
    }

    /// The body for this value or line; the error says what is wrong with it.
    pub(crate) fn body(&self, number: u64, text: &str) -> Result<Body, String> {
        match self.form {
            Form::Message => self.message(number, text),
            Form::Text => self.value(number, raw(text)),
            Form::Json => match serde_json::from_str(text) {
                Ok(value) => self.value(number, value),
                Err(error) => Err(format!(
                    "not JSON: {error}; --as text publishes it as text, --as auto what is no JSON"
                )),
            },
            Form::Auto => {
                let value = serde_json::from_str(text).unwrap_or_else(|_| raw(text));
                self.value(number, value)
            }
        }
    }

    fn value(&self, number: u64, value: Box<RawValue>) -> Result<Body, String> {
        let data = raw(&[BTreeMap::from([("value", value)])]);
        let message = Object::from([(Cow::Borrowed("data"), Cow::Owned(data))]);
        self.filled(number, message)
    }

    fn message(&self, number: u64, text: &str) -> Result<Body, String> {
        let wrong = |error: serde_json::Error| {
            format!(
                "no message: {error}; expected {{\"header\":{{…}},\"data\":[{{\"value\":…}}]}}. If each line is a value: --as json, or --lines for text"
            )
        };
        if !text.trim_start().starts_with('{') {
            // The decoder would speak of a map.
            return Err(wrong(<serde_json::Error as serde::de::Error>::custom(
                "no object",
            )));
        }
        if self.header.is_empty() && self.fields.is_empty() && self.key_prefix.is_none() {
            let given: Given<'_> = serde_json::from_str(text).map_err(wrong)?;
            return Ok(Body {
                json: text.to_owned(),
                is_keyed: given.key.is_some_and(|key| !key.is_empty()),
                is_private: given.group.is_some()
                    || given
                        .header
                        .is_some_and(|header| header.group.is_some_and(|group| !group.is_empty())),
            });
        }
        let message: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
        let message = message
            .into_iter()
            .map(|(key, value)| (Cow::Owned(key), Cow::Borrowed(value)))
            .collect();
        self.filled(number, message)
            .map_err(|error| format!("no message: {error}"))
    }

    /// The message with what the command line says and it does not.
    fn filled<'a>(&'a self, number: u64, mut message: Object<'a>) -> Result<Body, String> {
        let given = message.remove("header");
        let mut header: Object<'_> = match &given {
            None => Object::new(),
            Some(json) => serde_json::from_str::<BTreeMap<String, &RawValue>>(json.get())
                .map_err(|error| format!("header: {error}"))?
                .into_iter()
                .map(|(key, value)| (Cow::Owned(key), Cow::Borrowed(value)))
                .collect(),
        };
        // A message that names its group is not given another one.
        let names_group = header.contains_key("group") || message.contains_key("group");
        for (key, value) in &self.header {
            if *key != "group" || !names_group {
                let key = Cow::Borrowed(*key);
                header.entry(key).or_insert(Cow::Borrowed(&**value));
            }
        }
        for (key, value) in &self.fields {
            if *key != "group" || !names_group {
                let key = Cow::Borrowed(*key);
                message.entry(key).or_insert(Cow::Borrowed(&**value));
            }
        }
        if let Some(prefix) = &self.key_prefix {
            message
                .entry(Cow::Borrowed("idempotencyKey"))
                .or_insert_with(|| Cow::Owned(raw(&format!("{prefix}-{number}"))));
        }
        let is_keyed = message
            .get("idempotencyKey")
            .is_some_and(|key| !matches!(key.get(), "\"\"" | "null"));
        if !header.is_empty() {
            message.insert(Cow::Borrowed("header"), Cow::Owned(raw(&header)));
        }
        Ok(Body {
            json: serde_json::to_string(&message).map_err(|error| error.to_string())?,
            is_private: self.is_private || names_group,
            is_keyed,
        })
    }
}

/// As JSON. Texts, lists and maps with keys that are texts always are.
fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::{Value, json};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        header: Header,
    }

    fn input(form: Form, words: &[&str], prefix: Option<&str>) -> MessageInput {
        let header = Line::try_parse_from([&["x"], words].concat())
            .unwrap()
            .header;
        MessageInput::new(form, header, prefix.map(str::to_owned))
    }

    #[test]
    fn a_value_is_json_or_text_by_a_clear_rule() {
        for (form, text, expected) in [
            (Form::Auto, "hello", json!("hello")),
            (Form::Auto, "hello world", json!("hello world")),
            (Form::Auto, "42", json!(42)),
            (Form::Auto, "true", json!(true)),
            (Form::Auto, "\"42\"", json!("42")),
            (Form::Auto, "{\"a\":1}", json!({"a": 1})),
            (Form::Auto, "{\"a\":1", json!("{\"a\":1")),
            (Form::Auto, "", json!("")),
            (Form::Text, "42", json!("42")),
            (Form::Text, "say \"hi\"\u{1b}", json!("say \"hi\"\u{1b}")),
            (Form::Json, "[1, 2]", json!([1, 2])),
        ] {
            let body = input(form, &[], None).body(1, text).unwrap();
            let found: Value = serde_json::from_str(&body.json).unwrap();
            assert_eq!(found, json!({"data": [{"value": expected}]}), "{text}");
            assert!(!body.is_private && !body.is_keyed);
        }
        let error = input(Form::Json, &[], None).body(1, "hello").unwrap_err();
        assert!(error.contains("--as text"), "{error}");
    }

    #[test]
    fn numbers_are_published_as_they_were_written() {
        for number in ["12345678901234567890123", "1.0", "1E+05"] {
            for form in [Form::Auto, Form::Json] {
                let body = input(form, &["--tag", "t"], None).body(1, number).unwrap();
                assert!(
                    body.json.contains(&format!("\"value\":{number}}}")),
                    "{}",
                    body.json
                );
            }
            let line = format!("{{\"data\":[{{\"value\":{number}}}]}}");
            let body = input(Form::Message, &["--tag", "t"], None)
                .body(1, &line)
                .unwrap();
            assert!(
                body.json.contains(&line[1..line.len() - 1]),
                "{}",
                body.json
            );
        }
    }

    #[test]
    fn options_fill_in_what_a_message_does_not_say() {
        let words = [
            "--topic",
            "a",
            "--topic",
            "b",
            "--tag",
            "t",
            "--cid",
            "c",
            "--author",
            "me",
            "--signing-key",
            "k",
            "--to",
            "x",
            "--to",
            "y",
        ];
        let filling = input(Form::Message, &words, Some("p"));
        for (line, expected) in [
            (
                "{}",
                json!({
                    "header": {"topics": ["a", "b"], "tag": "t", "cid": "c", "author": "me", "key": "k"},
                    "group": {"members": [{"identity": "x"}, {"identity": "y"}]},
                    "idempotencyKey": "p-7",
                }),
            ),
            (
                r#"{"header":{"tag":"own","topics":["z"],"group":"g"},"data":[{"id":"d"}],"idempotencyKey":"own"}"#,
                json!({
                    "header": {"topics": ["z"], "tag": "own", "cid": "c", "author": "me", "key": "k", "group": "g"},
                    "data": [{"id": "d"}],
                    "idempotencyKey": "own",
                }),
            ),
        ] {
            let body = filling.body(7, line).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&body.json).unwrap(), expected);
            assert!(body.is_private && body.is_keyed);
        }
    }

    #[test]
    fn a_whole_message_is_passed_on_as_it_is() {
        let passing = input(Form::Message, &[], None);
        for (line, is_private, is_keyed) in [
            (r#" {"data" : [ {"value":1.0} ] } "#, false, false),
            (r#"{"group":{"members":[]}}"#, true, false),
            (
                r#"{"header":{"group":"g"},"idempotencyKey":"\u006b"}"#,
                true,
                true,
            ),
            (
                r#"{"header":{"group":""},"idempotencyKey":""}"#,
                false,
                false,
            ),
        ] {
            let expected = Body {
                json: line.to_owned(),
                is_private,
                is_keyed,
            };
            assert_eq!(passing.body(1, line), Ok(expected));
        }
        for line in ["hello", "[1]", "42", "{", r#"{"a":1} x"#] {
            let error = passing.body(1, line).unwrap_err();
            assert!(error.contains("--lines"), "{line}: {error}");
        }
    }
}

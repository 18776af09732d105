//! What does a client of the change feed say?

use photinus_contract::object::{Object, null_as_default, object_or_default};
use photinus_contract::{ChangeEvent, ChangeKind};
use serde::Deserialize;

/// What a client sends. FireFly's rules: keys that are not known are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Frame {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    collections: Vec<String>,
    #[serde(deserialize_with = "object_or_default")]
    filter: Filter,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    #[serde(deserialize_with = "null_as_default")]
    types: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    namespaces: Vec<String>,
}

/// Which changes a client wants, from its newest start.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// None if empty.
    collections: Vec<String>,
    /// All if empty.
    types: Vec<String>,
    /// All if empty.
    namespaces: Vec<String>,
}

/// Reads a frame. `None` is one of another type, which says nothing; an error is what is no such JSON.
pub(crate) fn read(frame: &[u8]) -> Result<Option<Wanted>, serde_json::Error> {
    let frame: Object<Frame> = serde_json::from_slice(frame)?;
    let frame = frame.0.unwrap_or_default();
    if !frame.kind.eq_ignore_ascii_case("start") {
        let kind: String = frame.kind.chars().take(64).collect();
        tracing::debug!(kind, "a client of the SPI sent a frame of an unknown type");
        return Ok(None);
    }
    Ok(Some(Wanted {
        collections: frame.collections,
        types: frame.filter.types,
        namespaces: frame.filter.namespaces,
    }))
}

impl Wanted {
    /// Whether a change is sent. What was dropped always is.
    pub(super) fn matches(&self, change: &ChangeEvent) -> bool {
        let has = |list: &[String], name: &str| list.iter().any(|it| it == name);
        let namespace = || change.namespace.as_ref().map_or("", |it| it.as_str());
        change.kind == ChangeKind::Dropped
            || has(&self.collections, change.collection)
                && (self.types.is_empty() || has(&self.types, change.kind.as_str()))
                && (self.namespaces.is_empty() || has(&self.namespaces, namespace()))
    }
}

#[cfg(test)]
mod tests {
    use photinus_contract::{Namespace, Timestamp};

    use super::*;

    #[test]
    fn a_start_wants_what_it_names() {
        let change = ChangeEvent::new("events", ChangeKind::Created, Namespace::new("default"));
        let dropped = ChangeEvent::dropped(Timestamp::from_nanos(0), 1);
        for (frame, expected) in [
            (
                r#"{"type":"start","collections":["messages","events"]}"#,
                true,
            ),
            (
                r#"{"type":"START","collections":["events"],"filter":null,"more":1}"#,
                true,
            ),
            (
                r#"{"type":"start","collections":["events"],"filter":{"types":["created"],"namespaces":["default"]}}"#,
                true,
            ),
            (r#"{"type":"start"}"#, false),
            (r#"{"type":"start","collections":[]}"#, false),
            (r#"{"type":"start","collections":["Events","x"]}"#, false),
            (
                r#"{"type":"start","collections":["events"],"filter":{"types":["Created"]}}"#,
                false,
            ),
            (
                r#"{"type":"start","collections":["events"],"filter":{"namespaces":["other"]}}"#,
                false,
            ),
        ] {
            let wanted = read(frame.as_bytes()).unwrap().unwrap();
            assert_eq!(wanted.matches(&change), expected, "{frame}");
            assert!(wanted.matches(&dropped), "{frame}");
        }
    }

    #[test]
    fn another_type_says_nothing_and_what_is_no_object_is_an_error() {
        for frame in ["{}", "null", r#"{"type":"stop","collections":["events"]}"#] {
            assert!(read(frame.as_bytes()).unwrap().is_none(), "{frame}");
        }
        for frame in [
            "",
            "start",
            "[]",
            r#"["start"]"#,
            r#"{"type":5}"#,
            r#"{"type":"start","collections":"events"}"#,
            r#"{"type":"start","filter":[]}"#,
            r#"{"type":"start"} x"#,
        ] {
            assert!(read(frame.as_bytes()).is_err(), "{frame}");
        }
    }
}

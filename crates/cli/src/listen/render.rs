//! How is an event shown to a person?

use super::events::Event;
use crate::notes::{BOLD, COOL, DIM, WARM};
use crate::out::Paint;
use crate::shown::{padded, plain, shortened, time};

/// Values are cut to this many columns; `--json` has all of them.
const VALUES_COLUMNS_MAX: usize = 120;
/// Columns grow with what is in them up to here.
const TOPIC_COLUMNS: usize = 12;
const TAG_COLUMNS: usize = 10;
const SEQUENCE_COLUMNS: usize = 6;

/// One line: time, sequence, type, topic, tag, id, values.
pub(crate) fn line(event: &Event, values: Option<&str>, paint: Paint) -> String {
    let tag = event
        .message
        .as_ref()
        .map(|message| message.header.tag.as_str());
    let column = |text: &str, columns| match plain(text) {
        text if text.is_empty() => padded("-", columns),
        text => padded(&text, columns),
    };
    let mut line = [
        paint.dress(DIM, &time(&event.created)),
        paint.dress(BOLD, &format!("{:>SEQUENCE_COLUMNS$}", event.sequence)),
        plain(&event.kind),
        paint.dress(COOL, &column(&event.topic, TOPIC_COLUMNS)),
        paint.dress(COOL, &column(tag.unwrap_or_default(), TAG_COLUMNS)),
        paint.dress(DIM, &plain(&event.id)),
    ]
    .join("  ");
    if let Some(values) = values {
        line.push_str("  ");
        line.push_str(&shortened(&plain(inner(values)), VALUES_COLUMNS_MAX));
    }
    if let Some(attempt) = event.attempt.filter(|attempt| *attempt > 1) {
        line.push_str(&paint.dress(WARM, &format!("  (attempt {attempt})")));
    }
    line
}

/// The list of a message's values; a single one stands for itself.
fn inner(values: &str) -> &str {
    values
        .strip_prefix('[')
        .and_then(|values| values.strip_suffix(']'))
        .unwrap_or(values)
}

#[cfg(test)]
mod tests {
    use super::super::events::{Frame, frame};
    use super::*;

    #[test]
    fn an_event_is_a_line_that_can_be_scanned() {
        let text = r#"{"id":"e1","sequence":7,"type":"message_confirmed","topic":"orders","created":"2026-11-22T10:44:38.5Z","message":{"header":{"id":"m1","tag":"\u001b[2J"}},"attempt":2}"#;
        let Ok(Frame::Event(event)) = frame(text) else {
            panic!()
        };
        assert_eq!(
            line(&event, Some(r#"["Hello, 世界"]"#), Paint(false)),
            "2026-11-22T10:44:38.500Z       7  message_confirmed  orders        \\u{1b}[2J   e1  \"Hello, 世界\"  (attempt 2)"
        );
        let long = format!("[\"{}\"]", "x".repeat(500));
        assert!(line(&event, Some(&long), Paint(false)).contains("xx…"));
        let dressed = line(&event, None, Paint(true));
        assert!(dressed.contains("\u{1b}[36morders"), "{dressed:?}");
    }
}

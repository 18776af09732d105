//! What does the query of an upgrade start?

use photinus_contract::{ChangeFilter, RetryPolicy, SubscriptionFilter};

use crate::frames::Start;

/// The start that a query asks for: it runs if `ephemeral` is true or `name` is present. Nothing in it is
/// checked here.
pub(crate) fn auto_start(query: &str) -> Option<Start> {
    let pairs = pairs(query);
    let value = |key: &str| {
        pairs
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    };
    let flag = |key: &str| value(key).is_some_and(|value| value != "false");
    let text = |key: &str| value(key).unwrap_or_default().to_owned();
    let has_filter = pairs.iter().any(|(name, _)| name.starts_with("filter."));

    if !flag("ephemeral") && value("name").is_none() {
        return None;
    }
    let mut start = Start {
        autoack: Some(flag("autoack")),
        namespace: text("namespace"),
        name: text("name"),
        ephemeral: flag("ephemeral"),
        filter: has_filter.then(|| filter(|key| text(key).into())),
        change_events: change_events(&flag, &value),
        ..Start::default()
    };
    start.options.batch = flag("batch").then_some(true);
    start.options.read_ahead = value("readahead").and_then(|value| value.parse().ok());
    // What cannot be read is zero: see `Session::start`.
    start.options.batch_timeout = value("batchtimeout").map(|value| match value {
        "" => "0".to_owned(),
        value => value.to_owned(),
    });
    // Ours are refused by the engine if they make no sense.
    start.options.ack_timeout = value("acktimeout").map(str::to_owned);
    start.options.ordering_key = value("orderingkey").map(Box::from);
    start.options.retry_policy = value("retrypolicy")
        .filter(|policy| !policy.is_empty())
        .map(RetryPolicy::from_text);
    Some(start)
}

/// `changeevents` asks for all changes; its lists, with commas, for some.
fn change_events<'a>(
    flag: &impl Fn(&str) -> bool,
    value: &impl Fn(&str) -> Option<&'a str>,
) -> Option<ChangeFilter> {
    let list = |key: &str| -> Option<Vec<String>> {
        let names = value(key)?.split(',').filter(|name| !name.is_empty());
        Some(names.map(str::to_owned).collect())
    };
    let collections = list("changeevents.collections");
    let types = list("changeevents.types");
    let asked = flag("changeevents") || collections.is_some() || types.is_some();
    asked.then(|| ChangeFilter::new(collections.unwrap_or_default(), types.unwrap_or_default()))
}

fn filter(text: impl Fn(&str) -> Box<str>) -> SubscriptionFilter {
    let mut filter = SubscriptionFilter::default();
    filter.events = text("filter.events");
    filter.message.tag = text("filter.message.tag");
    filter.message.group = text("filter.message.group");
    filter.message.author = text("filter.message.author");
    filter.transaction.kind = text("filter.transaction.type");
    filter.blockchainevent.name = text("filter.blockchain.name");
    filter.blockchainevent.listener = text("filter.blockchain.listener");
    filter.topic = text("filter.topic");
    filter.topics = text("filter.topics");
    filter.tag = text("filter.tag");
    filter.group = text("filter.group");
    filter.author = text("filter.author");
    filter
}

/// The pairs of a query, decoded. One with a broken escape is dropped.
fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || (bytes.next()? as char).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            other => other,
        });
    }
    Some(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_starts_only_by_ephemeral_or_name() {
        for (query, starts) in [
            ("", false),
            ("namespace=ns&autoack", false),
            ("ephemeral=false", false),
            ("ephemeral", true),
            ("ephemeral=FALSE", true),
            ("name=", true),
            ("ephemeral=false&name=a", true),
            ("Name=a", false),
        ] {
            assert_eq!(auto_start(query).is_some(), starts, "{query}");
        }
    }

    #[test]
    fn flags_are_true_unless_literally_false() {
        for (query, autoack) in [
            ("name=a", false),
            ("name=a&autoack", true),
            ("name=a&autoack=FALSE", true),
            ("name=a&autoack=false", false),
            ("name=a&autoack=0", true),
        ] {
            assert_eq!(auto_start(query).unwrap().autoack, Some(autoack), "{query}");
        }
    }

    #[test]
    fn options_that_cannot_be_read_are_left_out_or_zero() {
        for (query, read_ahead, timeout) in [
            ("ephemeral", None, None),
            (
                "ephemeral&readahead=65535&batchtimeout=50ms",
                Some(65_535),
                Some("50ms"),
            ),
            ("ephemeral&readahead=65536&batchtimeout=", None, Some("0")),
            ("ephemeral&readahead=-1&batchtimeout=x", None, Some("x")),
        ] {
            let options = auto_start(query).unwrap().options;
            assert_eq!(options.read_ahead, read_ahead, "{query}");
            assert_eq!(options.batch_timeout.as_deref(), timeout, "{query}");
        }
    }

    #[test]
    fn what_is_ours_is_as_in_a_frame() {
        let options = |query: &str| {
            let options = auto_start(query).unwrap().options;
            serde_json::to_string(&options).unwrap()
        };
        assert_eq!(
            options(
                "ephemeral&acktimeout=30s&orderingkey=data.a&retrypolicy=%7B%22then%22:%22park%22,%22factor%22:3%7D"
            ),
            r#"{"ackTimeout":"30s","orderingKey":"data.a","retryPolicy":{"factor":3,"then":"park"}}"#
        );
        assert_eq!(
            options("ephemeral&orderingkey&retrypolicy=park"),
            r#"{"orderingKey":"","retryPolicy":"park"}"#
        );
        assert_eq!(
            options("ephemeral&retrypolicy&acktimeout="),
            r#"{"ackTimeout":""}"#
        );
    }

    #[test]
    fn filters_are_decoded_and_their_keys_exact() {
        let start = auto_start(
            "ephemeral&filter.events=%5Ea+b%3D=c&filter.blockchain.name=n&filter.blockchainevent.listener=x&filter.topic=%zz&filter.topic=t&filter.topic=u&filter.author=%C3%A4%",
        )
        .unwrap();
        let filter = start.filter.unwrap();
        assert_eq!(&*filter.events, "^a b==c");
        assert_eq!(&*filter.blockchainevent.name, "n");
        assert_eq!(&*filter.blockchainevent.listener, "");
        assert_eq!(&*filter.topic, "t");
        assert_eq!(&*filter.author, "");
    }

    #[test]
    fn changes_are_asked_for_by_a_flag_or_by_lists() {
        let lists = |collections: &[&str], types: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
            Some(ChangeFilter::new(owned(collections), owned(types)))
        };
        for (query, expected, events) in [
            ("ephemeral", None, true),
            ("ephemeral&changeevents=false", None, true),
            ("ephemeral&changeevents", lists(&[], &[]), false),
            (
                "ephemeral&changeevents.collections=events,data&changeevents.types=created",
                lists(&["events", "data"], &["created"]),
                false,
            ),
            ("ephemeral&changeevents.types=", lists(&[], &[]), false),
            ("ephemeral&changeevents&filter.tag=", lists(&[], &[]), true),
            ("name=a&changeevents", None, true),
        ] {
            let start = auto_start(query).unwrap();
            assert_eq!(start.changes().cloned(), expected, "{query}");
            assert_eq!(start.wants_events(), events, "{query}");
        }
    }
}

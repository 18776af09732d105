//! What does the query of a WebSocket upgrade start?

use photinus_transport_websockets::fuzzing::query;

use crate::in_time;

/// The part of the address after the `?`.
pub fn queries(input: &[u8]) {
    in_time(input, || {
        let text = String::from_utf8_lossy(input);
        let Some((namespace, name, filter, options)) = query(&text) else {
            return;
        };
        // What was understood can be asked for again.
        let mut again = format!(
            "ephemeral&namespace={}&name={}",
            encoded(&namespace),
            encoded(&name)
        );
        let tests = [
            ("filter.events", &filter.events),
            ("filter.message.tag", &filter.message.tag),
            ("filter.message.group", &filter.message.group),
            ("filter.message.author", &filter.message.author),
            ("filter.transaction.type", &filter.transaction.kind),
            ("filter.blockchain.name", &filter.blockchainevent.name),
            (
                "filter.blockchain.listener",
                &filter.blockchainevent.listener,
            ),
            ("filter.topic", &filter.topic),
            ("filter.topics", &filter.topics),
            ("filter.tag", &filter.tag),
            ("filter.group", &filter.group),
            ("filter.author", &filter.author),
        ];
        for (key, value) in tests {
            again += &format!("&{key}={}", encoded(value));
        }
        if let Some(number) = options.read_ahead {
            again += &format!("&readahead={number}");
        }
        if let Some(timeout) = &options.batch_timeout {
            again += &format!("&batchtimeout={}", encoded(timeout));
        }
        if let Some(timeout) = &options.ack_timeout {
            again += &format!("&acktimeout={}", encoded(timeout));
        }
        if let Some(key) = &options.ordering_key {
            again += &format!("&orderingkey={}", encoded(key));
        }
        if let Some(policy) = &options.retry_policy {
            let policy = serde_json::to_string(policy).unwrap();
            again += &format!("&retrypolicy={}", encoded(&policy));
        }
        if options.is_batch() {
            again += "&batch=true";
        }
        let (same_namespace, same_name, same_filter, same_options) = query(&again).unwrap();
        assert_eq!((same_namespace, same_name), (namespace, name));
        assert_eq!(same_filter, filter);
        assert_eq!(same_options, options);
    });
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

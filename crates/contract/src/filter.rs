//! Which events does a subscription want?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::{null_as_default, object_or_default};

/// The filter of a subscription, as FireFly has it: regular expressions (RE2 syntax, searched anywhere in
/// the value, case-sensitive), all of which must match. An empty text tests nothing. The top-level
/// `topics`, `tag`, `group` and `author` are deprecated and count only where the newer key is empty; see
/// [`tests`](Self::tests) for the rule in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct SubscriptionFilter {
    /// Tests the event's type.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub events: Box<str>,
    /// Tests on the event's message.
    #[serde(deserialize_with = "object_or_default")]
    pub message: MessageFilter,
    /// Tests on the event's transaction.
    #[serde(deserialize_with = "object_or_default")]
    pub transaction: TransactionFilter,
    /// Tests on the event's blockchain event.
    #[serde(deserialize_with = "object_or_default")]
    pub blockchainevent: BlockchainEventFilter,
    /// Tests the event's topic.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub topic: Box<str>,
    /// Deprecated: use `topic`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub topics: Box<str>,
    /// Deprecated: use `message.tag`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub tag: Box<str>,
    /// Deprecated: use `message.group`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub group: Box<str>,
    /// Deprecated: use `message.author`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub author: Box<str>,
}

/// Tests on the header of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct MessageFilter {
    /// Tests `header.tag`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub tag: Box<str>,
    /// Tests `header.group`, in hex.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub group: Box<str>,
    /// Tests `header.author`.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub author: Box<str>,
}

/// Tests on a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct TransactionFilter {
    /// Tests the transaction's type.
    #[serde(
        rename = "type",
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub kind: Box<str>,
}

/// Tests on a blockchain event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct BlockchainEventFilter {
    /// Tests the name.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub name: Box<str>,
    /// Tests the id of the listener, as text.
    #[serde(
        skip_serializing_if = "str::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub listener: Box<str>,
}

/// What one test of a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Attribute {
    /// The event's type.
    Type,
    /// The event's topic.
    Topic,
    /// `message.header.tag`.
    Tag,
    /// `message.header.author`.
    Author,
    /// `message.header.group`.
    Group,
    /// `transaction.type`.
    TransactionType,
    /// `blockchainEvent.name`.
    BlockchainName,
    /// `blockchainEvent.listener`.
    BlockchainListener,
}

impl SubscriptionFilter {
    /// Every regular expression that has to compile, with the path by which errors name it, in the order
    /// in which they are checked.
    pub fn patterns(&self) -> [(&'static str, &str); 12] {
        [
            ("filter.events", &self.events),
            ("filter.tag", &self.tag),
            ("filter.message.tag", &self.message.tag),
            ("filter.group", &self.group),
            ("filter.message.group", &self.message.group),
            ("filter.topics", &self.topics),
            ("filter.topic", &self.topic),
            ("filter.author", &self.author),
            ("filter.message.author", &self.message.author),
            ("filter.blockchain.name", &self.blockchainevent.name),
            ("filter.blockchain.listener", &self.blockchainevent.listener),
            ("filter.transaction.type", &self.transaction.kind),
        ]
    }

    /// The tests that this filter makes: the pattern for each attribute that has one.
    pub fn tests(&self) -> impl Iterator<Item = (Attribute, &str)> {
        fn pick<'a>(newer: &'a str, deprecated: &'a str) -> &'a str {
            if newer.is_empty() { deprecated } else { newer }
        }
        [
            (Attribute::Type, &*self.events),
            (Attribute::Topic, pick(&self.topic, &self.topics)),
            (Attribute::Tag, pick(&self.message.tag, &self.tag)),
            (Attribute::Author, pick(&self.message.author, &self.author)),
            (Attribute::Group, pick(&self.message.group, &self.group)),
            (Attribute::TransactionType, &self.transaction.kind),
            (Attribute::BlockchainName, &self.blockchainevent.name),
            (
                Attribute::BlockchainListener,
                &self.blockchainevent.listener,
            ),
        ]
        .into_iter()
        .filter(|(_, pattern)| !pattern.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_are_always_written_and_empty_texts_never() {
        let written = |filter: &SubscriptionFilter| serde_json::to_string(filter).unwrap();
        assert_eq!(
            written(&SubscriptionFilter::default()),
            r#"{"message":{},"transaction":{},"blockchainevent":{}}"#
        );
        let json = r#"{"events":"a","message":{"tag":"b","group":"c","author":"d"},"transaction":{"type":"e"},"blockchainevent":{"name":"f","listener":"g"},"topic":"h","topics":"i","tag":"j","group":"k","author":"l"}"#;
        let filter: SubscriptionFilter = serde_json::from_str(json).unwrap();
        assert_eq!(written(&filter), json);
        let nulls: SubscriptionFilter =
            serde_json::from_str(r#"{"events":null,"message":null,"topic":""}"#).unwrap();
        assert_eq!(nulls, SubscriptionFilter::default());
    }

    #[test]
    fn a_deprecated_key_counts_only_where_the_newer_one_is_empty() {
        let tests = |json: &str| {
            let filter: SubscriptionFilter = serde_json::from_str(json).unwrap();
            filter
                .tests()
                .map(|(a, p)| (a, p.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(tests("{}"), []);
        assert_eq!(
            tests(r#"{"tag":"old"}"#),
            [(Attribute::Tag, "old".to_owned())]
        );
        assert_eq!(
            tests(r#"{"tag":"old","message":{"tag":"new"},"topics":"t"}"#),
            [
                (Attribute::Topic, "t".to_owned()),
                (Attribute::Tag, "new".to_owned())
            ]
        );
    }
}

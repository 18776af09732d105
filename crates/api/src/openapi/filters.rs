//! What can the lists be filtered by?

use photinus_engine::lists::{
    DATA, DATATYPES, EVENTS, Field, GROUPS, Kind, MESSAGES, PARKED, SUBSCRIPTIONS,
};
use serde_json::{Map, Value, json};

use crate::absent;
use crate::network::IDENTITIES;

/// The fields of the collection that an operation names with `x-list`.
fn fields(collection: &str) -> Vec<(&'static str, Kind)> {
    match collection {
        "events" => of(&EVENTS),
        "data" => of(&DATA),
        "datatypes" => of(&DATATYPES),
        "groups" => of(&GROUPS),
        "messages" => of(&MESSAGES),
        "parked" => of(&PARKED),
        "subscriptions" => of(&SUBSCRIPTIONS),
        "identities" => of(&IDENTITIES),
        absent => of(absent::fields(absent)),
    }
}

/// The collections that there can be something of.
const COLLECTIONS: [&str; 8] = [
    "data",
    "datatypes",
    "events",
    "groups",
    "identities",
    "messages",
    "parked",
    "subscriptions",
];

fn of<R>(fields: &[Field<R>]) -> Vec<(&'static str, Kind)> {
    let pairs = fields.iter().map(|field| (field.name, field.kind));
    pairs.collect()
}

/// The names, among all parameters, of those that a list of this collection takes.
pub(super) fn names(collection: &str) -> impl Iterator<Item = String> {
    let fields = fields(collection).into_iter();
    fields.map(move |(name, _)| format!("{collection}.{name}"))
}

/// The parameters by these names.
pub(super) fn parameters() -> Map<String, Value> {
    let mut parameters = Map::new();
    for collection in COLLECTIONS.into_iter().chain(absent::COLLECTIONS) {
        for (name, kind) in fields(collection) {
            let parameter = json!({
                "name": name,
                "in": "query",
                "required": false,
                "schema": {"type": "array", "items": {"type": "string"}},
                "description": format!("{}. What is asked of it is written as docs/guide/lists.md says, such as `{}`.", described(kind), example(kind)),
            });
            parameters.insert(format!("{collection}.{name}"), parameter);
        }
    }
    parameters
}

fn described(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "A UUID",
        Kind::Hash => "A hash",
        Kind::Text => "A text",
        Kind::Texts => "Texts with commas in between",
        Kind::Json => "JSON",
        Kind::Integer => "A whole number",
        Kind::Time => "A time",
        Kind::Flag => "`true` or `false`",
    }
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Hash => "!?",
        Kind::Text => "^order",
        Kind::Texts | Kind::Json => "@order",
        Kind::Integer => ">=100",
        Kind::Time => ">2026-01-01T00:00:00Z",
        Kind::Flag => "true",
    }
}

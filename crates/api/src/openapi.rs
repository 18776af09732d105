//! What can be asked of the API, for machines and people?
//!
//! Each handler describes itself where it stands; the same list makes the routes and the document, so that neither
//! has what the other lacks. [`document`](fn@document) adds what is true of all: the namespace, the errors, the fields
//! that lists can be asked for, and the shapes of what goes in and out.

mod filters;
mod links;
mod operations;
mod page;
mod shapes;

use axum::routing::MethodRouter;
use photinus_contract::CodedError;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{PathItem, Paths};
use utoipa::openapi::{RefOr, Schema};

pub(crate) use self::page::routes;
use crate::App;

/// What comes before a path that belongs to a namespace, and names one.
pub(crate) const NAMESPACE: &str = "/api/v1/namespaces/{ns}";

/// What the operations are about, in the order in which a person wants to see them.
const TAGS: [(&str, &str); 8] = [
    ("messages", "Publish, and look at what was published."),
    (
        "subscriptions",
        "Who gets which events, and how far each is.",
    ),
    ("events", "The log, and charts of it."),
    ("data", "Values, files, datatypes and groups."),
    (
        "namespaces",
        "Logs that have nothing to do with each other.",
    ),
    ("status", "How the server is."),
    (
        "network",
        "Who FireFly's clients find here: this server alone.",
    ),
    (
        "absent",
        "What FireFly's clients ask for and what needs a chain: lists are empty, the rest is refused.",
    ),
];

/// Handlers of one path with their descriptions, as `routes!` collects them.
pub(crate) type Described = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<App>);

/// The options of the transports that a subscription can name, by their names.
type OptionSchemas<'a> = &'a [(&'a str, Value)];

/// The path of handlers, and their descriptions.
pub(crate) fn path_of(described: &Described) -> (&str, &PathItem) {
    let (_, paths, _) = described;
    let mut all = paths.paths.iter();
    let (path, item) = all.next().expect("handlers have a path");
    debug_assert!(all.next().is_none(), "and only one");
    (path, item)
}

/// The API in OpenAPI 3.1. The options of each transport are a shape of their own, `<name>Options`.
pub fn document(options: OptionSchemas<'_>) -> Result<Value, CodedError> {
    let mut paths = Map::new();
    for described in crate::routes::described() {
        let (path, item) = path_of(&described);
        let is_whole = path.starts_with("/api/");
        let path = match is_whole {
            true => path.to_owned(),
            // What takes several segments is a parameter like any other.
            false => format!("{NAMESPACE}{}", path.replace("{*", "{")),
        };
        let mut item = serde_json::to_value(item).map_err(CodedError::undecodable)?;
        operations::complete(&path, &mut item);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let (Some(operations), Value::Object(more)) = (operations.as_object_mut(), item) {
            operations.extend(more);
        }
    }
    paths.sort_keys();
    links::add(&mut paths);
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Photinus",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "One durable, ordered stream of events for every application. Every path below a namespace is there without it, too, as `/api/v1/…`: it means the namespace `default`.",
        },
        "tags": TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": {
            "parameters": operations::parameters(),
            "responses": operations::responses(),
            "schemas": shapes::all(options),
        },
    }))
}

/// The part of the API that belongs to one namespace, with paths that begin there.
pub(crate) fn document_of(
    namespace: &str,
    options: OptionSchemas<'_>,
) -> Result<Value, CodedError> {
    let mut document = document(options)?;
    let paths = document["paths"].as_object_mut();
    let paths = paths.map(std::mem::take).unwrap_or_default();
    let below = paths.into_iter().filter_map(|(path, mut item)| {
        let path = path.strip_prefix(NAMESPACE)?;
        operations::leave_namespace_out(&mut item);
        path.starts_with('/').then(|| (path.to_owned(), item))
    });
    document["paths"] = below.collect::<Map<_, _>>().into();
    if let Some(parameters) = document["components"]["parameters"].as_object_mut() {
        parameters.remove("ns");
    }
    document["servers"] = json!([{"url": NAMESPACE.replace("{ns}", namespace)}]);
    document["info"]["description"] =
        format!("What there is in the namespace `{namespace}`.").into();
    Ok(document)
}

//! What does FireFly have that is never here?
//!
//! There is no chain, no token and no contract behind this server. FireFly's clients ask for them all the same, and some
//! of their pages break if one answer is missing: so the lists are there, empty, and take the queries that FireFly's
//! take.

mod refused;

use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::request::Parts;
use photinus_engine::lists::{Field, Kind};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, Paths, PathsBuilder};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use crate::App;
use crate::errors::{ApiError, not_found, nothing_found};
use crate::openapi::Described;
use crate::params::{InNamespace, PathHash, PathId};
use crate::query::Query;
use crate::replies::json_list;

/// A row that there never is.
#[derive(Debug, Serialize)]
pub(crate) enum Nothing {}

type Fields = &'static [Field<Nothing>];

/// Lists that are always empty: their paths, and the collection whose fields they have.
const LISTS: [(&str, &str); 21] = [
    ("/transactions", "transactions"),
    ("/transactions/{id}/operations", "operations"),
    ("/transactions/{id}/blockchainevents", "blockchainevents"),
    ("/operations", "operations"),
    ("/batches", "batches"),
    ("/blockchainevents", "blockchainevents"),
    ("/pins", "pins"),
    ("/nextpins", ""),
    ("/verifiers", "verifiers"),
    ("/identities/{id}/verifiers", "verifiers"),
    ("/tokens/accounts", ""),
    ("/tokens/accounts/{name}/pools", ""),
    ("/tokens/approvals", ""),
    ("/tokens/balances", ""),
    ("/tokens/connectors", ""),
    ("/tokens/pools", ""),
    ("/tokens/transfers", ""),
    ("/contracts/interfaces", ""),
    ("/contracts/listeners", ""),
    ("/apis", ""),
    // FireFly's Sandbox asks here when the namespace itself has none.
    ("/api/v1/namespaces/ff_system/verifiers", "verifiers"),
];

/// What would be there if there were one of this name.
const ONES: [(&str, Missing); 11] = [
    ("/transactions/{id}", Missing::Id(nothing_found)),
    ("/transactions/{id}/status", Missing::Id(not_found)),
    ("/operations/{id}", Missing::Id(nothing_found)),
    ("/batches/{id}", Missing::Id(nothing_found)),
    ("/blockchainevents/{id}", Missing::Id(nothing_found)),
    ("/verifiers/{hash}", Missing::Hash(not_found)),
    ("/tokens/transfers/{id}", Missing::Id(nothing_found)),
    ("/tokens/pools/{name}", Missing::Name(not_found)),
    ("/contracts/interfaces/{name}", Missing::Name(nothing_found)),
    ("/contracts/listeners/{name}", Missing::Name(not_found)),
    ("/apis/{name}", Missing::Name(not_found)),
];

/// How something that is not there is named, and what is said of it.
#[derive(Clone, Copy)]
enum Missing {
    Id(fn() -> ApiError),
    Hash(fn() -> ApiError),
    Name(fn() -> ApiError),
}

/// The fields of a collection that is always empty.
pub(crate) fn fields(collection: &str) -> Fields {
    match collection {
        "transactions" => &TRANSACTIONS,
        "operations" => &OPERATIONS,
        "batches" => &BATCHES,
        "blockchainevents" => &BLOCKCHAIN_EVENTS,
        "pins" => &PINS,
        "verifiers" => &VERIFIERS,
        _ => &[],
    }
}

/// The names of those that have fields.
pub(crate) const COLLECTIONS: [&str; 6] = [
    "batches",
    "blockchainevents",
    "operations",
    "pins",
    "transactions",
    "verifiers",
];

/// All of it, as handlers with their descriptions.
pub(crate) fn described() -> Vec<Described> {
    let lists = LISTS.iter().map(|(path, collection)| {
        let methods = empty_list(path.starts_with("/api/"), fields(collection));
        (Vec::new(), list_paths(path, collection), methods)
    });
    let ones = ONES.iter().map(|(path, missing)| {
        let operation = operation("There is none here: always 404.");
        let paths = paths(path, HttpMethod::Get, operation);
        (Vec::new(), paths, never(*missing))
    });
    lists.chain(ones).chain(refused::described()).collect()
}

/// Answers an empty list, in a namespace that is there unless the path has none.
fn empty_list(is_whole: bool, fields: Fields) -> MethodRouter<App> {
    let list = move |query: Query| -> Result<Response, ApiError> {
        let asked = query.asks(fields)?;
        Ok(json_list(asked.select([])))
    };
    if is_whole {
        return get(move |query: Query| async move { list(query) });
    }
    get(move |_: InNamespace, _: WellFormed, query: Query| async move { list(query) })
}

fn never(missing: Missing) -> MethodRouter<App> {
    match missing {
        Missing::Id(error) => get(move |_: InNamespace, _: PathId| async move { error() }),
        Missing::Hash(error) => get(move |_: InNamespace, _: PathHash| async move { error() }),
        Missing::Name(error) => get(move |_: InNamespace| async move { error() }),
    }
}

/// The id in the path, if there is one, is an id.
struct WellFormed;

impl FromRequestParts<App> for WellFormed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match crate::params::param(parts, app, "id").await {
            Some(_) => PathId::from_request_parts(parts, app).await.map(|_| Self),
            None => Ok(Self),
        }
    }
}

fn list_paths(path: &str, collection: &str) -> Paths {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Empty")))
        .build();
    let response = ResponseBuilder::new().content("application/json", content);
    let extensions = ExtensionsBuilder::new().add("x-list", json!(collection));
    let operation = operation("There is none here: always empty.")
        .response("200", response)
        .extensions(Some(extensions.build()));
    paths(path, HttpMethod::Get, operation)
}

fn operation(summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag("absent").summary(Some(summary))
}

fn paths(path: &str, method: HttpMethod, operation: OperationBuilder) -> Paths {
    let item = PathItem::new(method, operation.build());
    PathsBuilder::new().path(path, item).build()
}

const fn field(name: &'static str, kind: Kind) -> Field<Nothing> {
    let value = |nothing: &Nothing| match *nothing {};
    Field { name, kind, value }
}

static TRANSACTIONS: [Field<Nothing>; 5] = [
    field("id", Kind::Id),
    field("type", Kind::Text),
    field("created", Kind::Time),
    field("idempotencykey", Kind::Text),
    field("blockchainids", Kind::Texts),
];

static OPERATIONS: [Field<Nothing>; 11] = [
    field("id", Kind::Id),
    field("tx", Kind::Id),
    field("type", Kind::Text),
    field("status", Kind::Text),
    field("error", Kind::Text),
    field("plugin", Kind::Text),
    field("input", Kind::Json),
    field("output", Kind::Json),
    field("created", Kind::Time),
    field("updated", Kind::Time),
    field("retry", Kind::Id),
];

static BATCHES: [Field<Nothing>; 12] = [
    field("id", Kind::Id),
    field("type", Kind::Text),
    field("author", Kind::Text),
    field("key", Kind::Text),
    field("group", Kind::Hash),
    field("hash", Kind::Hash),
    field("payloadref", Kind::Text),
    field("created", Kind::Time),
    field("confirmed", Kind::Time),
    field("tx.type", Kind::Text),
    field("tx.id", Kind::Id),
    field("node", Kind::Id),
];

static BLOCKCHAIN_EVENTS: [Field<Nothing>; 9] = [
    field("id", Kind::Id),
    field("source", Kind::Text),
    field("name", Kind::Text),
    field("protocolid", Kind::Text),
    field("listener", Kind::Text),
    field("tx.type", Kind::Text),
    field("tx.id", Kind::Id),
    field("tx.blockchainid", Kind::Text),
    field("timestamp", Kind::Time),
];

static PINS: [Field<Nothing>; 7] = [
    field("sequence", Kind::Integer),
    field("masked", Kind::Flag),
    field("hash", Kind::Hash),
    field("batch", Kind::Id),
    field("index", Kind::Integer),
    field("dispatched", Kind::Flag),
    field("created", Kind::Time),
];

static VERIFIERS: [Field<Nothing>; 5] = [
    field("hash", Kind::Hash),
    field("identity", Kind::Id),
    field("type", Kind::Text),
    field("value", Kind::Text),
    field("created", Kind::Time),
];

//! Who is on the network?
//!
//! There is none: one organisation and one node stand for this server, the same everywhere and always, so that
//! FireFly's clients find somebody to send to.

use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use photinus_contract::store::NamespaceInfo;
use photinus_contract::{Namespace, Timestamp};
use photinus_engine::lists::{Field, Kind, Value};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, Paths, PathsBuilder};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use uuid::Uuid;

use crate::errors::{ApiError, not_found};
use crate::openapi::Described;
use crate::params::{InNamespace, PathId, PathName, PathRest};
use crate::query::Query;
use crate::replies::{self, json_list};

/// The organisation and the node that FireFly's clients are told of. With them, their pages about messages are shown.
pub(crate) const ORG: &str = "photinus";
pub(crate) const ORG_DID: &str = "did:firefly:org/photinus";
pub(crate) const NODE: &str = "photinus";
pub(crate) const NODE_DID: &str = "did:firefly:node/photinus";

/// The same for the same text, everywhere and always.
pub(crate) fn stable_id(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes())
}

/// Somebody on the network.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Identity {
    id: Uuid,
    did: &'static str,
    /// `org` or `node`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The organisation of a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    namespace: Namespace,
    name: &'static str,
    messages: IdentityMessages,
    created: Timestamp,
    updated: Timestamp,
    /// Its keys, where they were asked for: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    verifiers: Option<[(); 0]>,
}

/// The messages that made somebody known: there are none.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct IdentityMessages {
    claim: Option<Uuid>,
    verification: Option<Uuid>,
    update: Option<Uuid>,
}

impl Identity {
    fn new(namespace: &NamespaceInfo, kind: &'static str) -> Self {
        let (did, name, parent) = match kind {
            "node" => (NODE_DID, NODE, Some(stable_id(ORG_DID))),
            _ => (ORG_DID, ORG, None),
        };
        Self {
            id: stable_id(did),
            did,
            kind,
            parent,
            namespace: namespace.name.clone(),
            name,
            messages: IdentityMessages {
                claim: None,
                verification: None,
                update: None,
            },
            created: namespace.created,
            updated: namespace.created,
            verifiers: None,
        }
    }

    /// All that there are, newest first.
    fn all(namespace: &NamespaceInfo) -> [Self; 2] {
        ["node", "org"].map(|kind| Self::new(namespace, kind))
    }
}

/// What can be asked of them.
pub(crate) static IDENTITIES: [Field<Identity>; 12] = [
    field("id", Kind::Id, |identity| Value::Id(identity.id)),
    field("did", Kind::Text, |identity| Value::text(identity.did)),
    field("parent", Kind::Id, |identity| Value::id(identity.parent)),
    field("messages.claim", Kind::Id, |_| Value::Null),
    field("messages.verification", Kind::Id, |_| Value::Null),
    field("messages.update", Kind::Id, |_| Value::Null),
    field("type", Kind::Text, |identity| Value::text(identity.kind)),
    field("name", Kind::Text, |identity| Value::text(identity.name)),
    field("description", Kind::Text, |_| Value::text("")),
    field("profile", Kind::Json, |_| Value::Null),
    field("created", Kind::Time, |identity| {
        Value::Time(identity.created)
    }),
    field("updated", Kind::Time, |identity| {
        Value::Time(identity.updated)
    }),
];

const fn field(
    name: &'static str,
    kind: Kind,
    value: for<'a> fn(&'a Identity) -> Value<'a>,
) -> Field<Identity> {
    Field { name, kind, value }
}

fn list(namespace: &NamespaceInfo, kind: &str, query: &Query) -> Result<Response, ApiError> {
    let asked = query.asks(&IDENTITIES)?;
    let mut all: Vec<_> = Identity::all(namespace).into();
    all.retain(|identity| kind.is_empty() || identity.kind == kind);
    if query.is_on("fetchverifiers") {
        all.iter_mut().for_each(|one| one.verifiers = Some([]));
    }
    Ok(json_list(asked.select(all)))
}

fn one(
    namespace: &NamespaceInfo,
    query: &Query,
    is_it: impl Fn(&Identity) -> bool,
) -> Result<Response, ApiError> {
    let mut all = Identity::all(namespace).into_iter();
    let mut found = all.find(is_it).ok_or_else(not_found)?;
    found.verifiers = query.is_on("fetchverifiers").then_some([]);
    Ok(replies::json(StatusCode::OK, &found))
}

/// All of it, as handlers with their descriptions.
pub(crate) fn described() -> Vec<Described> {
    let listed = |kind: &'static str| {
        get(
            move |InNamespace(namespace): InNamespace, query: Query| async move {
                list(&namespace, kind, &query)
            },
        )
    };
    let by_name = |kind: &'static str| {
        get(
            move |InNamespace(namespace): InNamespace, PathName(name): PathName, query: Query| async move {
                one(&namespace, &query, named(kind, &name))
            },
        )
    };
    let by_did = get(
        |InNamespace(namespace): InNamespace, PathRest(did): PathRest, query: Query| async move {
            one(&namespace, &query, |identity| identity.did == did)
        },
    );
    let by_id = get(
        |InNamespace(namespace): InNamespace, PathId(id): PathId, query: Query| async move {
            one(&namespace, &query, |identity| identity.id == id)
        },
    );
    let (org, node, both) = (
        "The organisation that stands for this server, as a list.",
        "The node that stands for this server, as a list.",
        "The organisation and the node.",
    );
    let lists = [
        (
            "/network/organizations",
            "organizations",
            org,
            listed("org"),
        ),
        ("/network/nodes", "nodes", node, listed("node")),
        (
            "/network/identities",
            "network_identities",
            both,
            listed(""),
        ),
        ("/identities", "identities", both, listed("")),
    ];
    let (org, node, did, id) = (
        "The organisation, by its name or its id.",
        "The node, by its name or its id.",
        "One of them, by its DID.",
        "One of them, by its id.",
    );
    let ones = [
        (
            "/network/organizations/{name}",
            "organization",
            org,
            by_name("org"),
        ),
        ("/network/nodes/{name}", "node", node, by_name("node")),
        (
            "/network/identities/{*rest}",
            "network_identity",
            did,
            by_did,
        ),
        ("/identities/{id}", "identity", id, by_id),
    ];
    let describe = |shape: &'static str, list: &'static str| {
        move |(path, name, summary, methods)| {
            (Vec::new(), paths(path, name, summary, shape, list), methods)
        }
    };
    let lists = lists.into_iter().map(describe("Identities", "identities"));
    lists
        .chain(ones.into_iter().map(describe("Identity", "")))
        .collect()
}

fn paths(path: &str, name: &str, summary: &str, shape: &str, list: &str) -> Paths {
    let schema = Some(Ref::from_schema_name(shape));
    let content = ContentBuilder::new().schema(schema).build();
    let response = ResponseBuilder::new().content("application/json", content);
    let extensions =
        (!list.is_empty()).then(|| ExtensionsBuilder::new().add("x-list", json!(list)));
    let operation = OperationBuilder::new()
        .tag("network")
        .operation_id(Some(name))
        .summary(Some(summary))
        .response("200", response)
        .extensions(extensions.map(ExtensionsBuilder::build));
    let item = PathItem::new(HttpMethod::Get, operation.build());
    PathsBuilder::new().path(path, item).build()
}

fn named(kind: &'static str, name: &str) -> impl Fn(&Identity) -> bool {
    let id: Option<Uuid> = name.parse().ok();
    move |identity| identity.kind == kind && (identity.name == name || Some(identity.id) == id)
}

//! Who is on the network?
//!
//! There is none: one organisation and one node stand for this server, the same everywhere and always, so that
//! FireFly's clients find somebody to send to.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::store::NamespaceInfo;
use photinus_contract::{Namespace, Timestamp};
use photinus_engine::lists::{Field, Kind, Value};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::App;
use crate::errors::{ApiError, not_found};
use crate::params::{InNamespace, PathId, PathName, PathRest};
use crate::query::Query;
use crate::replies::{json, json_list};

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
    Ok(json(StatusCode::OK, &found))
}

/// The organisation that stands for this server, as a list.
#[utoipa::path(
    get,
    path = "/network/organizations",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identities"))),
    extensions(("x-list" = json!("identities"))),
)]
pub(crate) async fn organizations(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    list(&namespace, "org", &query)
}

/// The organisation, by its name or its id.
#[utoipa::path(
    get,
    path = "/network/organizations/{name}",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identity"))),
)]
pub(crate) async fn organization(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    PathName(name): PathName,
    query: Query,
) -> Result<Response, ApiError> {
    one(&namespace, &query, named("org", &name))
}

/// The node that stands for this server, as a list.
#[utoipa::path(
    get,
    path = "/network/nodes",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identities"))),
    extensions(("x-list" = json!("identities"))),
)]
pub(crate) async fn nodes(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    list(&namespace, "node", &query)
}

/// The node, by its name or its id.
#[utoipa::path(
    get,
    path = "/network/nodes/{name}",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identity"))),
)]
pub(crate) async fn node(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    PathName(name): PathName,
    query: Query,
) -> Result<Response, ApiError> {
    one(&namespace, &query, named("node", &name))
}

/// The organisation and the node.
#[utoipa::path(
    get,
    path = "/network/identities",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identities"))),
    extensions(("x-list" = json!("identities"))),
)]
pub(crate) async fn network_identities(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    list(&namespace, "", &query)
}

/// One of them, by its DID.
#[utoipa::path(
    get,
    path = "/network/identities/{*rest}",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identity"))),
)]
pub(crate) async fn network_identity(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    PathRest(did): PathRest,
    query: Query,
) -> Result<Response, ApiError> {
    one(&namespace, &query, |identity| identity.did == did)
}

/// The organisation and the node.
#[utoipa::path(
    get,
    path = "/identities",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identities"))),
    extensions(("x-list" = json!("identities"))),
)]
pub(crate) async fn identities(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    list(&namespace, "", &query)
}

/// One of them, by its id.
#[utoipa::path(
    get,
    path = "/identities/{id}",
    tag = "network",
    responses((status = 200, body = ref("#/components/schemas/Identity"))),
)]
pub(crate) async fn identity(
    State(_): State<App>,
    InNamespace(namespace): InNamespace,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, ApiError> {
    one(&namespace, &query, |identity| identity.id == id)
}

fn named(kind: &'static str, name: &str) -> impl Fn(&Identity) -> bool {
    let id: Option<Uuid> = name.parse().ok();
    move |identity| identity.kind == kind && (identity.name == name || Some(identity.id) == id)
}

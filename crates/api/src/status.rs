//! What does the server say about itself?

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use photinus_contract::store::NamespaceInfo;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::App;
use crate::network::{NODE, NODE_DID, ORG, ORG_DID, stable_id};
use crate::params::InNamespace;
use crate::replies::json;

/// What this server is, in the words of FireFly.
///
/// There is no network behind it: organisation and node are fixed, and most lists of plugins are empty.
#[utoipa::path(
    get,
    path = "/status",
    tag = "status",
    responses((status = 200, body = ref("#/components/schemas/Status"))),
)]
pub(crate) async fn namespace(
    State(app): State<App>,
    InNamespace(namespace): InNamespace,
) -> Response {
    let events = app.handle.transports();
    let status = Status {
        namespace: &namespace,
        node: Node {
            name: NODE,
            registered: true,
            id: stable_id(NODE_DID),
        },
        org: Org {
            name: ORG,
            registered: true,
            did: ORG_DID,
            id: stable_id(ORG_DID),
            verifiers: [],
        },
        plugins: Plugins {
            blockchain: [],
            database: [Plugin {
                plugin_type: app.handle.store_name(),
            }],
            data_exchange: [],
            events: events
                .into_iter()
                .map(|plugin_type| Plugin { plugin_type })
                .collect(),
            identity: [],
            shared_storage: [],
            tokens: [],
        },
        multiparty: Multiparty { enabled: true },
    };
    json(StatusCode::OK, &status)
}

/// `/api/v1/<name>` of a running transport that has a status; nothing for every other path.
pub(crate) fn transport(app: &App, request: &Request) -> Option<Response> {
    let name = request.uri().path().strip_prefix("/api/v1/")?;
    let status = app.handle.transport_status(name)?;
    Some(match *request.method() {
        Method::GET | Method::HEAD => json(StatusCode::OK, &status),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    })
}

/// Whether the organisation and the node are known on the network: they always are.
#[utoipa::path(
    get,
    path = "/status/multiparty",
    tag = "status",
    responses((status = 200, body = ref("#/components/schemas/MultipartyStatus"))),
)]
pub(crate) async fn multiparty(_: InNamespace) -> Response {
    let registered = || Registration {
        status: "registered",
    };
    let status = MultipartyStatus {
        enabled: true,
        org: registered(),
        node: registered(),
    };
    json(StatusCode::OK, &status)
}

/// What gathers messages into batches: nothing does.
#[utoipa::path(
    get,
    path = "/status/batchmanager",
    tag = "status",
    responses((status = 200, body = ref("#/components/schemas/BatchManagerStatus"))),
)]
pub(crate) async fn batch_manager(_: InNamespace) -> Response {
    json(StatusCode::OK, &BatchManagerStatus { processors: [] })
}

/// Who is known on the network.
#[derive(Serialize, JsonSchema)]
pub(crate) struct MultipartyStatus {
    enabled: bool,
    org: Registration,
    node: Registration,
}

#[derive(Serialize, JsonSchema)]
struct Registration {
    /// `registered`.
    status: &'static str,
}

/// What gathers messages into batches.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BatchManagerStatus {
    processors: [(); 0],
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Status<'a> {
    namespace: &'a NamespaceInfo,
    node: Node,
    org: Org,
    plugins: Plugins,
    multiparty: Multiparty,
}

#[derive(Serialize, JsonSchema)]
struct Node {
    name: &'static str,
    registered: bool,
    id: Uuid,
}

#[derive(Serialize, JsonSchema)]
struct Org {
    name: &'static str,
    registered: bool,
    did: &'static str,
    id: Uuid,
    verifiers: [(); 0],
}

/// All of FireFly's kinds of plugins; clients expect every list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Plugins {
    blockchain: [(); 0],
    database: [Plugin; 1],
    data_exchange: [(); 0],
    events: Vec<Plugin>,
    identity: [(); 0],
    shared_storage: [(); 0],
    tokens: [(); 0],
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Plugin {
    plugin_type: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Multiparty {
    enabled: bool,
}

//! Where is the document served, and the page on which a person can try calls?
//!
//! At FireFly's paths: `/api` is the page, beside it the document in JSON and in YAML; and all that again for each
//! namespace, of what belongs to it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use photinus_contract::CodedError;
use photinus_contract::store::NamespaceInfo;
use serde_json::Value;
use utoipa_swagger_ui::Config;

use crate::App;
use crate::errors::{ApiError, not_found};
use crate::params::{InNamespace, PathName};
use crate::replies::json;

/// Where the page and the documents stand: for all, and for a namespace.
const PLACES: [&str; 2] = ["/api", "/api/v1/namespaces/{ns}/api"];
const JSON_NAMES: [&str; 2] = ["openapi.json", "swagger.json"];
const YAML_NAMES: [&str; 2] = ["openapi.yaml", "swagger.yaml"];
const YAML: HeaderValue = HeaderValue::from_static("application/yaml");
/// The page comes from here, whole, and speaks only to this server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'",
);

/// The routes of the page and of the document.
pub(crate) fn routes(app: &App) -> Router<App> {
    let mut routes = Router::new();
    let mut add = |path: String, methods: MethodRouter<App>| {
        let methods = app.metrics.route(&path).name(methods);
        routes = std::mem::take(&mut routes).route(&path, methods);
    };
    for place in PLACES {
        add(place.to_owned(), get(move_on));
        add(format!("{place}/"), get(index));
        add(format!("{place}/{{name}}"), get(file));
        for name in JSON_NAMES {
            add(format!("{place}/{name}"), get(as_json));
        }
        for name in YAML_NAMES {
            add(format!("{place}/{name}"), get(as_yaml));
        }
    }
    routes
}

/// What the page shows: the namespace of the path, or all. `FF10436` if there is no such namespace.
struct Shown(Option<NamespaceInfo>);

impl FromRequestParts<App> for Shown {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let is_all = !parts.uri.path().starts_with("/api/v1/");
        if is_all {
            return Ok(Self(None));
        }
        let InNamespace(info) = InNamespace::from_request_parts(parts, app).await?;
        Ok(Self(Some(info)))
    }
}

impl Shown {
    fn document(&self, app: &App) -> Result<Value, CodedError> {
        let options = app.handle.option_schemas();
        match &self.0 {
            None => super::document(&options),
            Some(namespace) => super::document_of(namespace.name.as_str(), &options),
        }
    }
}

/// Files of the page are asked for beside it. (The path is the cleaned one: `//host/../api` would lead to that host.)
async fn move_on(_: Shown, uri: Uri) -> Redirect {
    Redirect::to(&format!("{}/", uri.path()))
}

async fn as_json(shown: Shown, State(app): State<App>) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &shown.document(&app)?))
}

async fn as_yaml(shown: Shown, State(app): State<App>) -> Result<Response, ApiError> {
    let text = serde_norway::to_string(&shown.document(&app)?)
        .map_err(|error| ApiError::internal(&error.to_string()))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, YAML);
    Ok(response)
}

async fn index(_: Shown) -> Result<Response, ApiError> {
    page("index.html")
}

async fn file(_: Shown, PathName(name): PathName) -> Result<Response, ApiError> {
    page(&name)
}

/// A file of the page.
fn page(name: &str) -> Result<Response, ApiError> {
    let config = Arc::new(Config::from("openapi.json").validator_url("none"));
    let found = utoipa_swagger_ui::serve(name, config)
        .map_err(|error| ApiError::internal(&error.to_string()))?
        .ok_or_else(not_found)?;
    let mut response = Body::from(found.bytes.into_owned()).into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    let kind = HeaderValue::from_str(&found.content_type);
    headers.insert(
        CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

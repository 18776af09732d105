//! Where is the document served, and the page on which a person can try calls?
//!
//! At FireFly's paths: `/api` is the page, beside it the document in JSON and in YAML.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use photinus_contract::CodedError;
use utoipa_swagger_ui::Config;

use crate::App;
use crate::errors::{ApiError, not_found};
use crate::replies::json;

const JSON_PATHS: [&str; 2] = ["/api/openapi.json", "/api/swagger.json"];
const YAML_PATHS: [&str; 2] = ["/api/openapi.yaml", "/api/swagger.yaml"];
const YAML: HeaderValue = HeaderValue::from_static("application/yaml");
/// The page comes from here, whole, and speaks only to this server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'",
);

/// The routes of the page and of the document.
pub(crate) fn routes(app: &App) -> Router<App> {
    let named = |path: &str, methods| app.metrics.route(path).name(methods);
    let mut routes = Router::new()
        .route(
            "/api",
            named("/api", get(|| async { Redirect::to("/api/") })),
        )
        .route("/api/", named("/api/", get(index)))
        .route("/api/{file}", named("/api/{file}", get(file)));
    for path in JSON_PATHS {
        routes = routes.route(path, named(path, get(as_json)));
    }
    for path in YAML_PATHS {
        routes = routes.route(path, named(path, get(as_yaml)));
    }
    routes
}

fn document(app: &App) -> Result<serde_json::Value, CodedError> {
    let options = app.handle.option_schemas();
    super::document(&options)
}

async fn as_json(State(app): State<App>) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &document(&app)?))
}

async fn as_yaml(State(app): State<App>) -> Result<Response, ApiError> {
    let text = serde_norway::to_string(&document(&app)?)
        .map_err(|error| ApiError::internal(&error.to_string()))?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, YAML);
    Ok(response)
}

async fn index() -> Result<Response, ApiError> {
    page("index.html")
}

async fn file(Path(name): Path<String>) -> Result<Response, ApiError> {
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

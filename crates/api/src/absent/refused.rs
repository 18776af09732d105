//! What does FireFly do that cannot be done here?
//!
//! Whatever needs a chain, a token or a contract is refused, with FireFly's code for a namespace that has none.

use axum::body::Body;
use axum::routing::{MethodFilter, MethodRouter, on};
use photinus_contract::CodedError;
use utoipa::openapi::path::HttpMethod;

use super::{operation, paths};
use crate::App;
use crate::errors::ApiError;
use crate::openapi::Described;
use crate::params::InNamespace;

/// The methods and paths.
const REFUSED: [(&str, &str); 24] = [
    ("POST", "/identities"),
    ("PATCH", "/identities/{id}"),
    ("POST", "/network/organizations"),
    ("POST", "/network/organizations/self"),
    ("POST", "/network/nodes/self"),
    ("POST", "/verifiers/resolve"),
    ("POST", "/operations/{id}/retry"),
    ("POST", "/tokens/pools"),
    ("POST", "/tokens/mint"),
    ("POST", "/tokens/burn"),
    ("POST", "/tokens/transfers"),
    ("POST", "/tokens/approvals"),
    ("POST", "/contracts/deploy"),
    ("POST", "/contracts/interfaces"),
    ("POST", "/contracts/interfaces/generate"),
    ("POST", "/contracts/invoke"),
    ("POST", "/contracts/query"),
    ("POST", "/contracts/listeners"),
    ("DELETE", "/contracts/listeners/{name}"),
    ("POST", "/apis"),
    ("PUT", "/apis/{name}"),
    ("POST", "/apis/{name}/invoke/{path}"),
    ("POST", "/apis/{name}/query/{path}"),
    ("POST", "/apis/{name}/listeners/{path}"),
];

/// All of it, as handlers with their descriptions.
pub(super) fn described() -> impl Iterator<Item = Described> {
    REFUSED.iter().map(|(method, path)| {
        let (method, filter) = match *method {
            "PATCH" => (HttpMethod::Patch, MethodFilter::PATCH),
            "DELETE" => (HttpMethod::Delete, MethodFilter::DELETE),
            "PUT" => (HttpMethod::Put, MethodFilter::PUT),
            _ => (HttpMethod::Post, MethodFilter::POST),
        };
        let operation = operation("Cannot be done here: always refused.");
        (Vec::new(), paths(path, method, operation), refuse(filter))
    })
}

fn refuse(method: MethodFilter) -> MethodRouter<App> {
    on(method, |_: InNamespace, body: Body| async move {
        // It is not looked at.
        drop(body);
        let text = "Action not supported in this namespace: there is no chain, no token and no contract here";
        ApiError::from(CodedError::bad_request("FF10414", text))
    })
}

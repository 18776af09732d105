//! How does an HTTP request become a connection?

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use photinus_contract::transport::{HttpBody, HttpService, PathParams};
use photinus_contract::{BoxFuture, CodedError};
use tungstenite::handshake::derive_accept_key;

use crate::connection::Connection;
use crate::query::auto_start;
use crate::session::Session;
use crate::socket::Socket;
use crate::transport::Hub;

/// Answers on both paths.
pub(crate) struct Upgrade {
    pub(crate) hub: Arc<Hub>,
}

impl HttpService for Upgrade {
    fn call(&self, request: Request<HttpBody>) -> BoxFuture<'static, Response<HttpBody>> {
        let response = match self.accept(request) {
            Ok(accept_key) => switching_protocols(accept_key),
            Err(error) => refusal(&error),
        };
        Box::pin(std::future::ready(response))
    }
}

impl Upgrade {
    /// Checks the request and starts the connection's task, which waits for the upgrade. Returns the key that
    /// tells the client so.
    fn accept(&self, mut request: Request<HttpBody>) -> Result<HeaderValue, CodedError> {
        let hub = &self.hub;
        let pinned = request
            .extensions()
            .get::<PathParams>()
            .and_then(|params| params.get("ns"))
            .map(str::to_owned);
        if let Some(namespace) = &pinned
            && !hub.callbacks.namespace_exists(namespace)
        {
            return Err(CodedError::not_found(
                "FF10109",
                format!("Namespace '{namespace}' not found"),
            ));
        }
        let accept_key = accept_key(&request)?;

        // The token makes a shutdown that starts from here on wait for the task.
        let _token = hub.tasks.token();
        if hub.stop.is_cancelled() {
            return Err(CodedError::unavailable("The server is stopping"));
        }
        let room = hub.room.clone().try_acquire_owned().map_err(|_| {
            CodedError::unavailable(format!(
                "Too many WebSocket connections: at most {} (connections_max)",
                hub.config.connections_max
            ))
        })?;
        let on_upgrade = match request.extensions().get::<OnUpgrade>() {
            Some(_) => hyper::upgrade::on(&mut request),
            None => return Err(upgrade_required("this connection cannot be upgraded")),
        };

        let remote_address = request
            .extensions()
            .get::<SocketAddr>()
            .map(ToString::to_string)
            .unwrap_or_default();
        let user_agent = request
            .headers()
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default();
        let start = request.uri().query().and_then(auto_start);
        let opened = hub.next_opened();
        let hub = hub.clone();
        self.hub.tasks.spawn(async move {
            let stop = hub.stop.clone();
            let upgraded = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                upgraded = on_upgrade => upgraded,
            };
            match upgraded {
                Ok(upgraded) => {
                    let connection =
                        Connection::new(opened, remote_address, user_agent, pinned, &hub.config);
                    let session = Session::open(hub.clone(), Arc::new(connection));
                    Socket::new(TokioIo::new(upgraded), session, &hub.config)
                        .run(start, stop)
                        .await;
                }
                Err(error) => tracing::debug!(%error, "a client went away during its upgrade"),
            }
            drop(room);
        });
        Ok(accept_key)
    }
}

/// Checks that the request is an upgrade to WebSocket and makes the key of the answer.
fn accept_key(request: &Request<HttpBody>) -> Result<HeaderValue, CodedError> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(upgrade_required("the method must be GET"));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(upgrade_required("'Connection: Upgrade' is missing"));
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Err(upgrade_required("'Upgrade: websocket' is missing"));
    }
    if !has_token(headers, header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(upgrade_required("'Sec-WebSocket-Version' must be 13"));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys
        .next()
        .filter(|key| is_key(key.as_bytes()) && keys.next().is_none())
        .ok_or_else(|| {
            upgrade_required("'Sec-WebSocket-Key' must be there once, with 16 bytes in Base64")
        })?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| CodedError::internal("no accept key for this Sec-WebSocket-Key"))
}

/// Sixteen bytes in Base64.
fn is_key(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() == 24
        && text
            .strip_suffix(b"==")
            .is_some_and(|digits| digits.iter().all(is_digit))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn upgrade_required(why: &str) -> CodedError {
    CodedError::bad_request(
        "PH00426",
        format!("Only WebSocket upgrades are served here: {why}"),
    )
}

fn switching_protocols(accept_key: HeaderValue) -> Response<HttpBody> {
    let mut response = Response::new(body(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    response
}

fn refusal(error: &CodedError) -> Response<HttpBody> {
    let json = serde_json::to_vec(error).unwrap_or_default();
    let mut response = Response::new(body(json.into()));
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    response
}

fn body(bytes: Bytes) -> HttpBody {
    if bytes.is_empty() {
        return Box::pin(Empty::new().map_err(|never| match never {}));
    }
    Box::pin(Full::new(bytes).map_err(|never| match never {}))
}

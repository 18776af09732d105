//! How does a transport serve paths on the server's port?
//!
//! With the types of the `http` crate and nothing else, so that neither side knows the other's framework. A
//! protocol upgrade goes through the request's extensions, where hyper puts it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::BoxFuture;

/// What ends a body early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request or a response.
pub type HttpBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

/// A path and what answers there.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpMount {
    /// The path, such as `/ws` or `/api/v1/namespaces/{ns}/ws`. Each `{name}` stands for one segment and is
    /// found in the request's [`PathParams`].
    pub path: String,
    /// Answers every method on that path.
    pub service: Arc<dyn HttpService>,
}

impl HttpMount {
    /// `service` at `path`.
    pub fn new(path: impl Into<String>, service: Arc<dyn HttpService>) -> Self {
        Self {
            path: path.into(),
            service,
        }
    }
}

/// Answers requests on a mounted path.
pub trait HttpService: Send + Sync + 'static {
    /// Answers one request. The future may be dropped when the client goes away.
    fn call(
        &self,
        request: http::Request<HttpBody>,
    ) -> BoxFuture<'static, http::Response<HttpBody>>;
}

/// The values of a path's `{name}` segments, percent-decoded; an extension of the request.
#[derive(Clone, Debug, Default)]
pub struct PathParams(pub Vec<(String, String)>);

impl PathParams {
    /// The value of `{name}`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

//! How does a request learn that its client has gone?
//!
//! Most need not: they are done soon. One that waits for a reply would keep its place until its time is up.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use photinus_contract::BoxFuture;

/// An extension of requests: tells when the client has closed its side of the connection.
#[derive(Clone)]
pub struct Departure(Arc<Wait>);

type Wait = dyn Fn() -> BoxFuture<'static, ()> + Send + Sync;

impl Departure {
    /// `wait` gives a future that resolves when the client has closed its side.
    pub fn new(wait: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(wait))
    }
}

/// The client of a request.
pub(crate) struct Client(Option<Departure>);

impl Client {
    /// Resolves when the client has gone, as far as that is known.
    pub(crate) async fn gone(&self) {
        match &self.0 {
            Some(Departure(wait)) => wait().await,
            None => std::future::pending().await,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

//! How does a request get to its receiver?
//!
//! By a client that keeps connections for the next request. Subscriptions whose connections are made alike share one.

mod connector;
mod dialer;
mod sent;
mod tls;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Builder, Client as Pool};
use hyper_util::rt::TokioTimer;
use tokio_util::task::TaskTracker;
use url::Url;

use self::connector::Connector;
use self::sent::{Sending, SentBody};
use crate::guard::Allowed;
use photinus_contract::target::TlsFiles;

/// How often a connection of HTTP/2 is asked whether it is there, while a request is under way on it.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How connections are made. Those that are made alike can be shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    pub(crate) proxy: Option<Url>,
    /// The proxy may be where a receiver may not.
    pub(crate) is_proxy_trusted: bool,
    /// The name of the certificates.
    pub(crate) tls: Option<String>,
    pub(crate) connection_timeout: Duration,
    pub(crate) tls_handshake_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) idle_max: usize,
    pub(crate) http1_only: bool,
}

/// A client with its connections.
pub(crate) struct Client {
    pool: Pool<Connector, SentBody>,
    /// What a proxy is told with each request that it is to read.
    proxy_authorization: Option<HeaderValue>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct SendError(pub(crate) String);

impl Client {
    /// Sends a request. Resolves when the head of the answer is there.
    pub(crate) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, SendError> {
        let (request, _) = self.prepared(request);
        self.pool.request(request).await.map_err(told)
    }

    /// As [`send`](Self::send), and calls `sent` once the kernel has taken all of the request, or there is an answer.
    pub(crate) async fn send_and_tell(
        &self,
        request: Request<Bytes>,
        sent: impl FnOnce(),
    ) -> Result<Response<Incoming>, SendError> {
        let (mut request, sending) = self.prepared(request);
        let connection = capture_connection(&mut request);
        let answer = self.pool.request(request);
        let taken = sending.taken(connection);
        tokio::pin!(answer, taken);
        tokio::select! {
            biased;
            answer = &mut answer => {
                if answer.is_ok() {
                    // Whoever answers has had it.
                    sent();
                }
                return answer.map_err(told);
            }
            () = &mut taken => sent(),
        }
        answer.await.map_err(told)
    }

    fn prepared(&self, request: Request<Bytes>) -> (Request<SentBody>, Sending) {
        let (mut request, sending) = sent::watched(request);
        if let Some(value) = &self.proxy_authorization
            && request.uri().scheme_str() == Some("http")
        {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, value.clone());
        }
        (request, sending)
    }
}

/// What is told of an error: all its causes, without the address, which may hold what is not to be shown.
fn told(error: hyper_util::client::legacy::Error) -> SendError {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        let part = match error.downcast_ref::<hyper_util::client::legacy::Error>() {
            Some(error) if error.is_connect() => "no connection".to_owned(),
            Some(_) => "the connection failed".to_owned(),
            None => error.to_string(),
        };
        if !part.is_empty() && !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        cause = error.source();
    }
    SendError(text)
}

/// All clients that are in use.
pub(crate) struct Clients {
    allowed: Arc<Allowed>,
    tls: HashMap<String, TlsFiles>,
    tasks: TaskTracker,
    known: Mutex<HashMap<ClientKey, Weak<Client>>>,
}

impl Clients {
    pub(crate) fn new(
        allowed: Allowed,
        tls: impl IntoIterator<Item = (String, TlsFiles)>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            allowed: Arc::new(allowed),
            tls: tls.into_iter().collect(),
            tasks,
            known: Mutex::default(),
        }
    }

    /// The client that makes connections so.
    pub(crate) fn client(&self, key: &ClientKey) -> Arc<Client> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(key).and_then(Weak::upgrade) {
            return client;
        }
        // One is made rarely: then those that nobody uses are forgotten.
        known.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(self.made(key));
        known.insert(key.clone(), Arc::downgrade(&client));
        client
    }

    fn made(&self, key: &ClientKey) -> Client {
        let files = key.tls.as_ref().and_then(|name| self.tls.get(name));
        let connector = Connector::new(key, self.allowed.clone(), files.cloned());
        let tasks = Tasks(self.tasks.clone());
        let pool = Builder::new(tasks)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(key.idle_timeout)
            .pool_max_idle_per_host(key.idle_max)
            // A connection that is dead without a word is noticed by this; one of HTTP/1.1 ends with its request.
            .http2_keep_alive_interval(Some(PING_INTERVAL))
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        Client {
            pool,
            proxy_authorization: key.proxy.as_ref().and_then(dialer::authorization),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// Where the tasks of connections run, so that shutdown waits for them.
#[derive(Clone)]
struct Tasks(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

#[cfg(test)]
mod tests;

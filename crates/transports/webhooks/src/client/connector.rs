//! How is a connection made that a request can be sent on?
//!
//! ```text
//!   http                       dial the receiver
//!   https                      dial the receiver ──▶ TLS
//!   http  through a proxy      dial the proxy, which reads the request and passes it on
//!   https through a proxy      dial the proxy ──▶ CONNECT ──▶ TLS with the receiver
//! ```

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;
use url::Url;

use super::dialer::{Dialer, Names, authorization, host_and_port, took_too_long};
use super::sent::Watched;
use super::{ClientKey, tls};
use crate::guard::Allowed;
use photinus_contract::target::TlsFiles;

/// A connection, encrypted or not.
pub(super) type Stream = Watched<Either<TcpStream, TlsStream<TcpStream>>>;

/// Makes connections. Clones share everything.
#[derive(Clone)]
pub(super) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    receivers: Dialer,
    /// The way to the proxy, and the proxy.
    proxy: Option<(Dialer, Url)>,
    files: Option<TlsFiles>,
    http1_only: bool,
    handshake_timeout: Duration,
    /// Read when the first connection needs it.
    tls: OnceCell<TlsConnector>,
}

impl Connector {
    pub(super) fn new(key: &ClientKey, allowed: Arc<Allowed>, files: Option<TlsFiles>) -> Self {
        let dialer = |is_trusted| Dialer {
            allowed: allowed.clone(),
            timeout: key.connection_timeout,
            is_trusted,
            names: Names::System,
        };
        let proxy = key.proxy.clone();
        Self {
            shared: Arc::new(Shared {
                receivers: dialer(false),
                proxy: proxy.map(|url| (dialer(key.is_proxy_trusted), url)),
                files,
                http1_only: key.http1_only,
                handshake_timeout: key.tls_handshake_timeout,
                tls: OnceCell::new(),
            }),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move { shared.connect(to).await.map(TokioIo::new) })
    }
}

impl Shared {
    async fn connect(&self, to: Uri) -> io::Result<Stream> {
        let is_encrypted = to.scheme_str() == Some("https");
        let (host, port) = host_and_port(&to);
        let stream = match &self.proxy {
            None => self.receivers.dial(&host, port).await?,
            Some((dialer, proxy)) => {
                self.check_behind_proxy(dialer, &host, port).await?;
                let (proxy_host, proxy_port) = (proxy.host_str().unwrap_or_default(), proxy.port());
                let proxy_host = proxy_host.trim_matches(['[', ']']);
                match is_encrypted {
                    true => tunnel(dialer, proxy, to).await?,
                    false => dialer.dial(proxy_host, proxy_port.unwrap_or(80)).await?,
                }
            }
        };
        let encrypted = match is_encrypted {
            true => Either::Right(self.encrypt(stream, &host).await?),
            false => Either::Left(stream),
        };
        let is_proxied = self.proxy.is_some() && !is_encrypted;
        Ok(Watched::new(encrypted, is_proxied))
    }

    /// A proxy opens the connection that counts. So what the receiver's name means here has to be permitted; what only
    /// the proxy knows is left to it, if the operator has named it.
    async fn check_behind_proxy(&self, dialer: &Dialer, host: &str, port: u16) -> io::Result<()> {
        match self.receivers.addresses(host, port).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            Err(_) if dialer.is_trusted => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn encrypt(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let tls = self.tls.get_or_try_init(|| self.read_files()).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        match timeout(self.handshake_timeout, tls.connect(name, stream)).await {
            Ok(encrypted) => encrypted
                .map_err(|error| io::Error::new(error.kind(), format!("TLS failed: {error}"))),
            Err(_) => Err(took_too_long(self.handshake_timeout)),
        }
    }

    async fn read_files(&self) -> io::Result<TlsConnector> {
        let (files, http1_only) = (self.files.clone(), self.http1_only);
        let read = move || tls::config(files.as_ref(), http1_only);
        let config = tokio::task::spawn_blocking(read).await?;
        config
            .map(|config| Arc::new(config).into())
            .map_err(io::Error::other)
    }
}

async fn tunnel(dialer: &Dialer, proxy: &Url, to: Uri) -> io::Result<TcpStream> {
    let bare = match proxy.host_str() {
        Some(host) => format!("http://{host}:{}", proxy.port().unwrap_or(80)),
        None => String::new(),
    };
    let mut tunnel = Tunnel::new(bare.parse().map_err(io::Error::other)?, dialer.clone());
    if let Some(value) = authorization(proxy) {
        tunnel = tunnel.with_auth(value);
    }
    let opened = timeout(dialer.timeout, tunnel.call(to)).await;
    let opened = opened.map_err(|_| took_too_long(dialer.timeout))?;
    opened
        .map(TokioIo::into_inner)
        .map_err(|error| io::Error::other(format!("the proxy opens no tunnel: {error}")))
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new()
            .proxy(self.is_proxied)
            .extra(self.flushes.clone());
        match &self.stream {
            Either::Right(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                connected.negotiated_h2()
            }
            _ => connected,
        }
    }
}

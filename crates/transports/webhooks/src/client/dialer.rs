//! How is a connection to an address opened?

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower_service::Service;
use url::Url;

use crate::guard::Allowed;

/// Least time for one of several addresses.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_millis(250);

/// Opens connections to addresses that may be reached.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) allowed: Arc<Allowed>,
    pub(super) timeout: Duration,
    /// What is dialled may be anywhere: an operator has named it.
    pub(super) is_trusted: bool,
    pub(super) names: Names,
}

/// Who knows which addresses a name has.
#[derive(Clone, Debug)]
pub(super) enum Names {
    /// The operating system.
    System,
    /// A test, which says something else each time.
    #[cfg(test)]
    Scripted(Arc<std::sync::Mutex<std::collections::VecDeque<Vec<SocketAddr>>>>),
}

impl Names {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(lookup_host((host, port)).await?.collect()),
            #[cfg(test)]
            Self::Scripted(answers) => Ok(answers.lock().unwrap().pop_front().unwrap_or_default()),
        }
    }
}

/// None of the addresses of a host may be reached.
#[derive(Debug)]
pub(crate) struct Refused {
    host: String,
    address: IpAddr,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        write!(
            f,
            "the address {address} of '{host}' is not on the public internet; the server's operator can allow it ([transports.webhooks] allow)"
        )
    }
}

impl std::error::Error for Refused {}

impl Dialer {
    /// A connection to a host, which is a name or an address.
    pub(super) async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        match timeout(self.timeout, self.dial_any(host, port)).await {
            Ok(dialled) => dialled,
            Err(_) => Err(took_too_long(self.timeout)),
        }
    }

    /// The addresses of a host that may be reached; an error if there are none.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => self.names.addresses(host, port).await.map_err(unknown)?,
        };
        let permitted =
            |address: &&SocketAddr| self.is_trusted || self.allowed.permits(host, address.ip());
        let addresses: Vec<_> = found.iter().filter(permitted).copied().collect();
        match (addresses.is_empty(), found.first()) {
            (false, _) => Ok(addresses),
            (true, None) => Err(unknown(io::Error::other("no address"))),
            (true, Some(address)) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                Refused {
                    host: host.to_owned(),
                    address: address.ip(),
                },
            )),
        }
    }

    async fn dial_any(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.addresses(host, port).await?;
        let each = self.timeout / addresses.len().max(1) as u32;
        let mut last = unknown(io::Error::other("no address"));
        for address in addresses {
            match timeout(each.max(ADDRESS_TIMEOUT_MIN), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = took_too_long(each),
            }
        }
        Err(last)
    }
}

/// For tunnels through a proxy, which open their own connection to it.
impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let (host, port) = host_and_port(&to);
            dialer.dial(&host, port).await.map(TokioIo::new)
        })
    }
}

/// Where an address leads. An address of IPv6 without its brackets.
pub(super) fn host_and_port(uri: &Uri) -> (String, u16) {
    let host = uri.host().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let default = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    (host.to_owned(), uri.port_u16().unwrap_or(default))
}

/// What a proxy's address says about who asks.
pub(super) fn authorization(proxy: &Url) -> Option<HeaderValue> {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return None;
    }
    Some(crate::settings::basic(proxy))
}

fn unknown(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("its address is not known: {error}"))
}

pub(super) fn took_too_long(limit: Duration) -> io::Error {
    let text = format!("no connection within {limit:?}");
    io::Error::new(io::ErrorKind::TimedOut, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_name_is_asked_for_each_time_and_what_it_means_then_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let other = |ip: [u8; 4]| SocketAddr::from((ip, open.port()));
        // The first answer is the one that a check would see, the second what would be connected to.
        let answers = [
            vec![open],
            vec![other([127, 0, 0, 2])],
            vec![other([169, 254, 169, 254]), open],
            vec![],
        ];
        let dialer = Dialer {
            allowed: Arc::new(Allowed::parse(&["127.0.0.1".to_owned()]).unwrap()),
            timeout: Duration::from_secs(10),
            is_trusted: false,
            names: Names::Scripted(Arc::new(std::sync::Mutex::new(answers.into()))),
        };
        let mut reached = Vec::new();
        for _ in 0..4 {
            let dialled = dialer.dial("rebinding.example", open.port()).await;
            reached.push(match dialled {
                Ok(stream) => stream.peer_addr().unwrap().to_string(),
                Err(error) => error.to_string(),
            });
        }
        assert_eq!(reached[0], open.to_string());
        assert!(
            reached[1].contains("the address 127.0.0.2 of 'rebinding.example'"),
            "{}",
            reached[1]
        );
        assert_eq!(reached[2], open.to_string(), "what is refused is left out");
        assert!(
            reached[3].contains("its address is not known"),
            "{}",
            reached[3]
        );
    }
}

//! How is a broker reached?

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_rs::Runtime;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind};
use photinus_contract::target::Password;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::compat::TokioAsyncReadCompatExt;
use tokio_util::sync::CancellationToken;

use crate::config::{Target, shown};
use crate::tls;
use crate::wire::{Kit, Wire};

/// How long the two sides may take to say goodbye.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// A connection to a broker. It is cut when this is dropped.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    /// Where it leads, for people.
    pub(crate) address: String,
    cut: CancellationToken,
}

impl Connected {
    /// Says goodbye, as far as the other side listens.
    pub(crate) async fn close(self) {
        let _ = timeout(CLOSE_TIME, self.connection.close(200, "OK".into())).await;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}

/// Connects to the first broker that can be reached, beginning with the one at `first`. The errors of all are told, and
/// no secret.
pub(crate) async fn connect(
    target: &Target,
    name: &str,
    first: usize,
) -> Result<Connected, String> {
    let addresses = target.addresses()?;
    let mut errors = Vec::new();
    for index in 0..addresses.len() {
        let uri = addresses[(first + index) % addresses.len()].clone();
        let address = shown(&uri);
        let limit = target.connection_timeout.value();
        // What is cut ends the library's own thread, too, if this is given up.
        let cut = CancellationToken::new();
        let _guard = cut.clone().drop_guard();
        let connected = timeout(limit, connect_to(target, name, uri, cut.child_token())).await;
        match connected {
            Ok(Ok(connection)) => {
                let cut = _guard.disarm();
                return Ok(Connected {
                    connection,
                    address,
                    cut,
                });
            }
            Ok(Err(error)) => errors.push(format!("{address}: {error}")),
            Err(_) => errors.push(format!("{address}: no connection within {limit:?}")),
        }
    }
    Err(errors.join("; "))
}

async fn connect_to(
    target: &Target,
    name: &str,
    mut uri: AMQPUri,
    cut: CancellationToken,
) -> Result<Connection, String> {
    if let Some(password) = target.password.clone() {
        uri.authority.userinfo.password = off_the_runtime(move || read(&password)).await?;
    }
    let (host, port) = (uri.authority.host.clone(), uri.authority.port);
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let stream = TcpStream::connect((bare.as_str(), port)).await;
    let stream = stream.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let wire = match uri.scheme {
        AMQPScheme::AMQP => Wire::plain(stream, cut),
        AMQPScheme::AMQPS => {
            let files = target.tls.clone();
            let config = off_the_runtime(move || tls::config(&files)).await?;
            let server = ServerName::try_from(bare).map_err(text)?;
            let connector = TlsConnector::from(Arc::new(config));
            let stream = connector.connect(server, stream).await;
            Wire::tls(stream.map_err(|error| format!("TLS: {error}"))?, cut)
        }
    };
    // The library may ask again, which is not what is wanted: whoever called this tries again.
    let wire = Mutex::new(Some(wire));
    let given = async move |_: AMQPUri, _: Runtime<Kit>| {
        let wire = wire.lock().unwrap_or_else(PoisonError::into_inner).take();
        let wire = wire.map(|wire| AsyncTcpStream::Plain(wire.compat()));
        wire.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into())
    };
    let properties = ConnectionProperties::default()
        .with_connection_name(format!("photinus {name}").into())
        .with_client_property("product".into(), "Photinus".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
    let runtime = Runtime::new(Kit::current());
    let connection = Connection::connector(uri, runtime, given, properties).await;
    connection.map_err(|error| explained(&error))
}

/// An error of the library, for people.
pub(crate) fn explained(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            format!("{} {}", error.get_id(), error.get_message())
        }
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// Reads a password where it is.
fn read(password: &Password) -> Result<String, String> {
    match password {
        Password::Text(text) => Ok(text.clone()),
        Password::Env { env } => variable(env),
        Password::File { file } => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| format!("password: {}: {error}", file.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the configuration names the variable, and nothing that is shown may hold what is in it"
)]
fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("password: there is no environment variable '{name}'"))
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(text)?
}

fn text(error: impl Display) -> String {
    error.to_string()
}

//! How is a broker reached, and how does a session with it begin?

use std::fmt::Display;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::result_code::MqttError;
use percent_encoding::percent_decode_str;
use photinus_contract::target::Password;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::config::{Protocol, Target, port, shown};
use crate::greeting::{Offers, Refusal, answered, hello};
use crate::session::{Session, Wire};
use crate::tls;

/// Who connects, and what is to be kept for it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// How long the broker keeps what it has for this client while it is away, in seconds; nothing if absent.
    pub(crate) kept: Option<u32>,
    pub(crate) receive_max: u16,
}

/// A session that began.
pub(crate) struct Connected {
    pub(crate) session: Session,
    /// Where it leads, for people.
    pub(crate) address: String,
    pub(crate) offers: Offers,
}

/// Connects to the first broker that can be reached, beginning with the one at `first`. The errors of all are told, and
/// no secret.
pub(crate) async fn connect(
    target: &Target,
    client: &Client,
    first: usize,
) -> Result<Connected, String> {
    let addresses = target.addresses()?;
    let mut errors = Vec::new();
    for index in 0..addresses.len() {
        let url = &addresses[(first + index) % addresses.len()];
        match connect_to(target, client, url).await {
            Ok(connected) => return Ok(connected),
            Err(error) => errors.push(format!("{}: {error}", shown(url))),
        }
    }
    Err(errors.join("; "))
}

async fn connect_to(target: &Target, client: &Client, url: &Url) -> Result<Connected, String> {
    let attempt = async |version| {
        let limit = target.connection_timeout.value();
        let begun = timeout(limit, begin(target, client, url, version)).await;
        begun.unwrap_or_else(|_| Err(Refusal::Other(format!("no connection within {limit:?}"))))
    };
    let is_old = target.protocol == Protocol::V311;
    let wanted = if is_old {
        Version::V3_1_1
    } else {
        Version::V5_0
    };
    let mut tried = attempt(wanted).await;
    if target.protocol == Protocol::Auto {
        // One that stops or starts is silent once; one that does not know the version is each time.
        if let Err(Refusal::Silence(_)) = tried {
            tried = attempt(wanted).await;
        }
        if let Err(Refusal::Version(reason) | Refusal::Silence(reason)) = tried {
            tried = match attempt(Version::V3_1_1).await {
                // What is wrong with the version that is wanted.
                Err(Refusal::Version(_) | Refusal::Silence(_)) => Err(Refusal::Other(reason)),
                older => older,
            };
        }
    }
    tried.map_err(|refusal| match refusal {
        Refusal::Version(reason) | Refusal::Silence(reason) | Refusal::Other(reason) => reason,
    })
}

async fn begin(
    target: &Target,
    client: &Client,
    url: &Url,
    version: Version,
) -> Result<Connected, Refusal> {
    let wire = wire(target, url).await.map_err(Refusal::Other)?;
    // In range: it was checked.
    let packet_bytes_max = u32::try_from(target.packet_bytes_max).unwrap_or(u32::MAX);
    let mut session = Session::new(wire, version, packet_bytes_max, client.receive_max);
    let user = user(target, url).await.map_err(Refusal::Other)?;
    let connect = hello(target, client, user, version);
    let connect = connect.map_err(|error| Refusal::Other(error.to_string()))?;
    let refused = |error: MqttError| Refusal::Other(error.to_string());
    session.send(connect).map_err(refused)?;
    let answer = loop {
        if let Some(packet) = session.take() {
            break packet;
        }
        // A broker that does not know the version may answer in another, or not at all.
        session
            .turn()
            .await
            .map_err(|reason| match session.has_heard() {
                true => Refusal::Version(reason),
                false => Refusal::Silence(reason),
            })?;
    };
    let offers = answered(&answer)?;
    Ok(Connected {
        session,
        address: shown(url),
        offers,
    })
}

/// Who connects.
pub(crate) struct User {
    pub(crate) name: Option<String>,
    pub(crate) password: Option<String>,
}

async fn user(target: &Target, url: &Url) -> Result<User, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned()).ok()
    };
    let name = Some(url.username()).filter(|name| !name.is_empty());
    let password = match target.password.clone() {
        Some(password) => Some(off_the_runtime(move || read(&password)).await?),
        None => url.password().and_then(decoded),
    };
    Ok(User {
        name: name.and_then(decoded),
        password,
    })
}

async fn wire(target: &Target, url: &Url) -> Result<Box<dyn Wire>, String> {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let stream = TcpStream::connect((host.as_str(), port(url))).await;
    let stream = stream.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    if url.scheme() != "mqtts" {
        return Ok(Box::new(stream));
    }
    let files = target.tls.clone();
    let config = off_the_runtime(move || tls::config(&files)).await?;
    let server = ServerName::try_from(host).map_err(text)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(server, stream);
    let stream = stream.await.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(stream))
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

#[cfg(test)]
mod tests;

//! How is a broker reached, and how does a session with it begin?

use std::fmt::Display;
use std::sync::Arc;

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::packet::{Packet, Property, SessionExpiryInterval, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{ConnectReasonCode, ConnectReturnCode, MqttError};
use percent_encoding::percent_decode_str;
use photinus_contract::target::Password;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::config::{Protocol, Target, port, shown};
use crate::mapping::reason_of;
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
    /// The broker has kept what it had for this client.
    pub(crate) was_kept: bool,
    pub(crate) offers: Offers,
}

/// What the broker offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offers {
    pub(crate) qos_max: u8,
    pub(crate) retain: bool,
    pub(crate) packet_bytes_max: Option<u32>,
}

/// Why no session began.
enum Refusal {
    /// It knows only an older version, perhaps.
    Version(String),
    Other(String),
}

/// Connects to the first broker that can be reached, beginning with the one at `first`. The errors of all are told, and
/// no secret. `version` is the one that worked last.
pub(crate) async fn connect(
    target: &Target,
    client: &Client,
    first: usize,
    version: &mut Version,
) -> Result<Connected, String> {
    let addresses = target.addresses()?;
    let mut errors = Vec::new();
    for index in 0..addresses.len() {
        let url = &addresses[(first + index) % addresses.len()];
        match connect_to(target, client, url, version).await {
            Ok(connected) => return Ok(connected),
            Err(error) => errors.push(format!("{}: {error}", shown(url))),
        }
    }
    Err(errors.join("; "))
}

async fn connect_to(
    target: &Target,
    client: &Client,
    url: &Url,
    version: &mut Version,
) -> Result<Connected, String> {
    let attempt = async |version| {
        let limit = target.connection_timeout.value();
        let begun = timeout(limit, begin(target, client, url, version)).await;
        begun.unwrap_or_else(|_| Err(Refusal::Other(format!("no connection within {limit:?}"))))
    };
    let tried = match target.protocol {
        Protocol::V5 => Version::V5_0,
        Protocol::V311 => Version::V3_1_1,
        Protocol::Auto => *version,
    };
    match attempt(tried).await {
        Ok(connected) => Ok(connected),
        Err(Refusal::Version(reason)) if target.protocol == Protocol::Auto => {
            let other = match tried {
                Version::V3_1_1 => Version::V5_0,
                _ => Version::V3_1_1,
            };
            match attempt(other).await {
                Ok(connected) => {
                    *version = other;
                    Ok(connected)
                }
                // The first reason is what is wrong with the version that is wanted.
                Err(Refusal::Version(_)) => Err(reason),
                Err(Refusal::Other(reason)) => Err(reason),
            }
        }
        Err(Refusal::Version(reason) | Refusal::Other(reason)) => Err(reason),
    }
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
        // A broker that does not know the version may just close the connection.
        session.turn().await.map_err(Refusal::Version)?;
    };
    let (was_kept, offers) = answered(&answer)?;
    Ok(Connected {
        session,
        address: shown(url),
        was_kept,
        offers,
    })
}

/// What the broker says to a greeting.
fn answered(answer: &Packet) -> Result<(bool, Offers), Refusal> {
    let mut offers = Offers {
        qos_max: 2,
        retain: true,
        packet_bytes_max: None,
    };
    match answer {
        Packet::V5_0Connack(answer) => {
            let code = answer.reason_code();
            let reason = reason_of(&format!("{code:?}"), answer.props());
            match code {
                ConnectReasonCode::Success => {}
                ConnectReasonCode::UnsupportedProtocolVersion => {
                    return Err(Refusal::Version(reason));
                }
                _ => return Err(Refusal::Other(format!("the broker refuses: {reason}"))),
            }
            for property in answer.props() {
                match property {
                    Property::MaximumQos(max) => offers.qos_max = max.val(),
                    Property::RetainAvailable(is) => offers.retain = is.val() != 0,
                    Property::MaximumPacketSize(max) => offers.packet_bytes_max = Some(max.val()),
                    _ => {}
                }
            }
            Ok((answer.session_present(), offers))
        }
        Packet::V3_1_1Connack(answer) => match answer.return_code() {
            ConnectReturnCode::Accepted => Ok((answer.session_present(), offers)),
            ConnectReturnCode::UnacceptableProtocolVersion => {
                Err(Refusal::Version("it does not know MQTT 3.1.1".into()))
            }
            code => Err(Refusal::Other(format!("the broker refuses: {code:?}"))),
        },
        _ => Err(Refusal::Other("the broker did not greet".into())),
    }
}

/// The greeting.
fn hello(
    target: &Target,
    client: &Client,
    user: User,
    version: Version,
) -> Result<Packet, MqttError> {
    // In range: it was checked.
    let keep_alive = u16::try_from(target.keep_alive.value().as_secs()).unwrap_or(u16::MAX);
    let is_clean = client.kept.is_none();
    if version == Version::V3_1_1 {
        let mut hello = v3_1_1::Connect::builder()
            .client_id(client.id.as_str())?
            .clean_session(is_clean)
            .keep_alive(keep_alive);
        if let Some(name) = user.name {
            hello = hello.user_name(name)?;
        }
        if let Some(password) = user.password {
            hello = hello.password(password.into_bytes())?;
        }
        return Ok(hello.build()?.into());
    }
    let mut hello = v5_0::Connect::builder()
        .client_id(client.id.as_str())?
        .clean_start(is_clean)
        .keep_alive(keep_alive);
    if let Some(kept) = client.kept {
        let kept: Property = SessionExpiryInterval::new(kept)?.into();
        hello = hello.props(vec![kept]);
    }
    if let Some(name) = user.name {
        hello = hello.user_name(name)?;
    }
    if let Some(password) = user.password {
        hello = hello.password(password.into_bytes())?;
    }
    Ok(hello.build()?.into())
}

struct User {
    name: Option<String>,
    password: Option<String>,
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

//! How do tests get a real broker?
//!
//! [`RabbitMq`] and [`Mosquitto`] are Debian's packages, started on free ports of this machine with a directory of their
//! own, and without a service manager. They are ended by the ids of their processes when they go out of scope; and by a
//! [watcher](mod@self) when the test's process is gone before. [`Proxy`] stands between a client and a broker, and cuts
//! the link. [`OddMqtt`] says what no sound broker would.
//!
//! Everything panics where it fails: it is for tests.

mod mosquitto;
mod odd;
mod patience;
mod process;
mod proxy;
mod rabbitmq;
mod watcher;

pub use self::mosquitto::{Mosquitto, MosquittoOptions};
pub use self::odd::{OddMqtt, OddPacket, OddReaction, WELCOME_3};
pub use self::proxy::Proxy;
pub use self::rabbitmq::{RabbitMq, RabbitOptions};

/// Files in PEM for a broker that speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority of clients, and of itself.
    pub ca: std::path::PathBuf,
    /// Its certificate.
    pub cert: std::path::PathBuf,
    /// The key of that.
    pub key: std::path::PathBuf,
    /// Whether a client has to show a certificate.
    pub client_certificate: bool,
}

/// A port of this machine that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound").port()
}

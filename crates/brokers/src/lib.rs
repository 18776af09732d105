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

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Below the ports that Linux gives to those who connect, from where on there are many. A broker takes seconds to start,
/// and what is free now would be somebody's by then.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// A port of this machine that is free now, and that nobody else gets by chance.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that test at the same time begin far from each other.
    let first = std::process::id().wrapping_mul(7_919);
    let count = PORTS.end - PORTS.start;
    let ports = std::iter::repeat_with(|| {
        let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        (PORTS.start + number) as u16
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found = ports.take(count as usize).find(is_free);
    found.expect("a port is free")
}

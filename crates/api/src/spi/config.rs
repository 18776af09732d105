//! What can an operator set?

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

/// The `[spi]` section. The SPI is off unless it says where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SpiConfig {
    /// Where the SPI is served, an IP address and a port: FireFly's is 5001. Port 0 takes any free one. By default
    /// it is not served. The web pages and host names of `[api] origins` and `[api] hosts` may use it.
    #[schemars(extend("format" = "ip-port"))]
    pub listen: Option<SocketAddr>,
    /// Most connections at once, and besides them most WebSockets. More connections wait to be accepted; one more
    /// WebSocket is refused with status 503.
    #[schemars(range(min = 1))]
    pub connections_max: usize,
}

impl Default for SpiConfig {
    fn default() -> Self {
        Self {
            listen: None,
            connections_max: 1_000,
        }
    }
}

impl SpiConfig {
    /// Checks what the types do not say. The error names the key and says what would be right.
    pub fn check(&self) -> Result<(), String> {
        match self.connections_max {
            0 => Err("connections_max: must be at least 1".to_owned()),
            _ => Ok(()),
        }
    }
}

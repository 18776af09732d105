//! What can an operator set?

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use photinus_contract::DurationText;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::hosts::Hosts;
use crate::origins::Origins;
use crate::ui;

/// Nothing is answered in less.
const DURATION_MIN: Duration = Duration::from_millis(1);

/// The `[api]` section. Its defaults are FireFly's port, on this machine only, and no browser page but our
/// own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ApiConfig {
    /// Where the API and the transports' paths are served: an IP address and a port. Port 0 takes any free
    /// one.
    #[schemars(extend("format" = "ip-port"))]
    pub listen: SocketAddr,
    /// Most connections at once. More wait to be accepted. A WebSocket is counted by its transport instead
    /// once it is open.
    #[schemars(range(min = 1))]
    pub connections_max: usize,
    /// Web pages that may use the API and the WebSockets from a browser, by their origins, such as
    /// `https://console.example.com`; `*` for any page. By default only pages that come from this server may.
    /// Clients that are no browsers send no origin and are not affected.
    pub origins: Vec<String>,
    /// Names by which this server may be called from this machine, apart from `localhost` and IP addresses:
    /// for a proxy here that passes on the name that it was called by, such as `events.example.com`; `*` for
    /// any name. Requests from other machines may use any name. This keeps a web page whose own name was made
    /// to point at this machine (DNS rebinding) from passing for a page of ours.
    pub hosts: Vec<String>,
    /// A folder of web pages that is served under `/ui`, such as the build of FireFly's own UI; what is not in it is
    /// answered with its `index.html`, which finds its way by the path. By default there is none.
    pub ui_folder: Option<PathBuf>,
    /// Largest body of a request, in bytes.
    #[schemars(range(min = 1))]
    pub body_bytes_max: usize,
    /// Most reads of events, messages and data that go on at once, from the question to the last byte of the
    /// answer; lists among them are at most half of that. More wait.
    #[schemars(range(min = 1))]
    pub reads_max: usize,
    /// Most requests that wait for a reply at once (`messages/requestreply`). One more is refused.
    #[schemars(range(min = 1))]
    pub replies_awaited_max: usize,
    /// Most uploads of many messages at once (`messages/bulk`). One more is refused.
    #[schemars(range(min = 1))]
    pub bulk_uploads_max: usize,
    /// Most answers of one upload that wait for a client which does not read yet, at 24 bytes each. A client that
    /// still reads nothing then has its upload ended.
    #[schemars(range(min = 1))]
    pub bulk_pending_max: usize,
    /// How long an upload goes on whose client sends nothing and reads nothing, such as `2m`.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub bulk_idle_max: DurationText,
    /// Largest file of an upload (`POST data` as a form), in bytes. How long it may take is `request_timeout`, or what
    /// its client asks for.
    #[schemars(range(min = 1))]
    pub blob_bytes_max: u64,
    /// Most files that are uploaded at once. One more is refused.
    #[schemars(range(min = 1))]
    pub blob_uploads_max: usize,
    /// Most files that are downloaded at once. More wait.
    #[schemars(range(min = 1))]
    pub blob_downloads_max: usize,
    /// Most publishing sockets at once (`publish`). One more is refused.
    #[schemars(range(min = 1))]
    pub publish_sockets_max: usize,
    /// Most messages of one publishing socket that are read and not answered. The next is read when an answer has
    /// left.
    #[schemars(range(min = 1))]
    pub publish_unanswered_max: usize,
    /// How long the client of a publishing socket may take to read some 64 KiB of answers, such as `30s`. Then it
    /// is cut off.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub publish_stall_max: DurationText,
    /// How long a request may take if it has no `Request-Timeout` header, such as `2m`. At least `1ms`.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub request_timeout: DurationText,
    /// The longest time that a `Request-Timeout` header may ask for.
    #[schemars(with = "String", extend("format" = "go-duration"))]
    pub request_timeout_max: DurationText,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)),
            connections_max: 10_000,
            origins: Vec::new(),
            hosts: Vec::new(),
            ui_folder: None,
            body_bytes_max: 4 << 20,
            reads_max: 32,
            replies_awaited_max: 10_000,
            bulk_uploads_max: 16,
            bulk_pending_max: 1_000_000,
            bulk_idle_max: constant("2m"),
            blob_bytes_max: 1 << 30,
            blob_uploads_max: 16,
            blob_downloads_max: 64,
            publish_sockets_max: 1_000,
            publish_unanswered_max: 1_000,
            publish_stall_max: constant("30s"),
            request_timeout: constant("2m"),
            request_timeout_max: constant("10m"),
        }
    }
}

impl ApiConfig {
    /// Checks what the types do not say. The error names the key and says what would be right.
    pub fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("connections_max", self.connections_max),
            ("body_bytes_max", self.body_bytes_max),
            ("reads_max", self.reads_max),
            ("replies_awaited_max", self.replies_awaited_max),
            ("bulk_uploads_max", self.bulk_uploads_max),
            ("bulk_pending_max", self.bulk_pending_max),
            ("blob_uploads_max", self.blob_uploads_max),
            ("blob_downloads_max", self.blob_downloads_max),
            ("publish_sockets_max", self.publish_sockets_max),
            ("publish_unanswered_max", self.publish_unanswered_max),
        ] {
            if value == 0 {
                return Err(format!("{key}: must be at least 1"));
            }
        }
        if self.blob_bytes_max == 0 {
            return Err("blob_bytes_max: must be at least 1".to_owned());
        }
        for (key, value) in [
            ("bulk_idle_max", &self.bulk_idle_max),
            ("publish_stall_max", &self.publish_stall_max),
            ("request_timeout", &self.request_timeout),
            ("request_timeout_max", &self.request_timeout_max),
        ] {
            if value.value() < DURATION_MIN {
                return Err(format!(
                    "{key}: '{}' is too short: must be at least 1ms",
                    value.as_str()
                ));
            }
        }
        if let Some(folder) = &self.ui_folder
            && !folder.join(ui::INDEX).is_file()
        {
            return Err(format!(
                "ui_folder: there is no {} in '{}': expected a folder with a built web UI",
                ui::INDEX,
                folder.display()
            ));
        }
        Origins::check(&self.origins)?;
        Hosts::check(&self.hosts)
    }
}

fn constant(text: &str) -> DurationText {
    text.parse().expect("a duration")
}

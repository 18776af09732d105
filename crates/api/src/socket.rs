//! How are messages published over a WebSocket?
//!
//! One a text frame, answered by one frame each, in order:
//!
//! ```text
//!   frame ─▶ reader ─▶ engine, in order ─▶ pending ─▶ writer ─▶ frame     conversation
//!              └───────── at most so many unanswered ────┘               frames: what they say
//! ```

mod conversation;
mod ending;
mod frames;
mod writing;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use photinus_contract::CodedError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use self::conversation::Conversation;
use crate::App;
use crate::config::ApiConfig;
use crate::errors::ApiError;
use crate::lasting::Lasting;
use crate::params::InNamespace;

/// The codec's buffer for what it reads.
const READ_BUFFER_BYTES: usize = 32 << 10;
/// Most bytes that the codec keeps of what it writes: a flush, an answer, and pongs that nobody takes.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * conversation::FLUSH_BYTES;

/// A WebSocket on which each text frame is a message to publish, and is answered when it is on the disk.
#[utoipa::path(get, path = "/publish", tag = "messages", responses((status = 101)))]
pub(crate) async fn open(
    State(app): State<App>,
    ns: InNamespace,
    lasting: Lasting,
    mut request: Request,
) -> Result<Response, ApiError> {
    let upgrade_required = |why: &dyn std::fmt::Display| {
        let text = format!("Only WebSocket upgrades are served here: {why}");
        CodedError::bad_request("PH00426", text)
    };
    let response = create_response_with_body(&request, Body::empty);
    let response = response.map_err(|error| upgrade_required(&error))?;
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(upgrade_required(&"this connection cannot be upgraded").into());
    }
    let room = app.sockets.clone().try_acquire_owned().map_err(|_| {
        let text = format!(
            "{} publishing sockets are open already ([api] publish_sockets_max)",
            app.config.publish_sockets_max
        );
        CodedError::new("PH00450", 503, text)
    })?;
    let upgrade = hyper::upgrade::on(&mut request);
    let conversation = Conversation::new(&app, ns.0.name, lasting.stop().clone());
    let limits = limits(&app.config);
    lasting.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let io = TokioIo::new(upgraded);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(limits));
                conversation.run(socket.await).await;
            }
            Err(error) => tracing::debug!(%error, "a client went away during its upgrade"),
        }
        drop(room);
    });
    Ok(response)
}

fn limits(config: &ApiConfig) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(conversation::FLUSH_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(config.body_bytes_max))
        .max_frame_size(Some(config.body_bytes_max))
}

//! How does HTTP reach the engine?
//!
//! [`router`] is all of FireFly's REST surface that this server has, and the paths that transports serve:
//!
//! ```text
//!   request ─▶ front: hosts, origins ─▶ routes ─▶ a handler ─▶ engine Handle
//!                                         └─▶ mounts (transports)    │
//!   response ◀──────────────────────────── replies, errors ◀─────────┘
//!                                            waiter ◀── Listeners ◀──┘
//! ```
//!
//! [`Spi`] is FireFly's other port, for systems that observe this one.
//!
//! Invariants: a handler decides nothing that a transport or another API would have to decide too, that is
//! the engine's; nothing here knows the name of a transport, and only the waiter listens to one; every error
//! leaves in the coded form.

mod front;
mod hosts;
mod leftover;
mod origins;
mod routes;

mod body;
mod config;
mod counted;
mod deadline;
mod departure;
mod errors;
mod fields;
mod lasting;
mod multipart;
mod params;
mod percent;
mod query;
mod reads;
mod replies;
mod waiter;

mod absent;
mod blobs;
mod bulk;
mod charts;
mod cloudevents;
mod data;
mod datatypes;
mod events;
mod groups;
mod history;
mod messages;
mod mounts;
mod namespaces;
mod network;
mod one_of_many;
mod openapi;
mod parked;
mod pause;
mod secret;
mod seek;
mod socket;
mod status;
mod subscriptions;
mod together;
mod trial;
mod ui;

mod spi;

#[doc(hidden)]
pub mod fuzzing;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use photinus_engine::Handle;
use photinus_transport_system::Listeners;
use tokio::sync::Semaphore;

pub use crate::config::ApiConfig;
pub use crate::counted::{FAMILIES, RequestMetrics};
pub use crate::departure::Departure;
use crate::front::Front;
pub use crate::lasting::Lasting;
use crate::mounts::Mounts;
pub use crate::openapi::document as openapi;
pub use crate::spi::{Spi, SpiConfig};
use crate::waiter::Waiter;

/// What handlers need. Each layer of the router has a clone for each request.
#[derive(Clone)]
pub(crate) struct App(Arc<Needed>);

pub(crate) struct Needed {
    handle: Handle,
    config: Arc<ApiConfig>,
    mounts: Arc<Mounts>,
    /// A permit for each read of the log that may go on at once.
    reads: Arc<Semaphore>,
    /// A permit for each of them that may be a list.
    lists: Arc<Semaphore>,
    /// Who waits for the reply to a message.
    waiter: Waiter,
    /// A permit for each upload that may go on at once.
    uploads: Arc<Semaphore>,
    /// A permit for each file that may come in at once, and for each that may go out.
    blob_uploads: Arc<Semaphore>,
    blob_downloads: Arc<Semaphore>,
    /// A permit for each publishing socket that may be open at once.
    sockets: Arc<Semaphore>,
    /// What is counted of requests.
    metrics: RequestMetrics,
}

impl std::ops::Deref for App {
    type Target = Needed;

    fn deref(&self) -> &Needed {
        &self.0
    }
}

/// All that is served on the API's port. To be called when the transports run, because what they mount is
/// asked for once. With `listeners` it hears of replies; when they are closed, whoever waits for one is told that
/// the server stops. What is asked is counted in `metrics`.
///
/// Extensions of a request are used if they are there: the peer's [`std::net::SocketAddr`], its [`Departure`], what
/// [`Lasting`] work needs, and hyper's upgrade, for what the transports mount.
pub fn router(
    handle: Handle,
    listeners: Listeners,
    config: ApiConfig,
    metrics: RequestMetrics,
) -> Router {
    metrics.begin(&config);
    let mounts = Mounts::new(handle.http_mounts(), &metrics);
    let reads = config.reads_max.min(Semaphore::MAX_PERMITS);
    let waiter = Waiter::new(listeners, config.replies_awaited_max);
    let uploads = config.bulk_uploads_max.min(Semaphore::MAX_PERMITS);
    let blob_uploads = config.blob_uploads_max.min(Semaphore::MAX_PERMITS);
    let blob_downloads = config.blob_downloads_max.min(Semaphore::MAX_PERMITS);
    let sockets = config.publish_sockets_max.min(Semaphore::MAX_PERMITS);
    metrics.ask(&waiter);
    let app = App(Arc::new(Needed {
        handle,
        waiter,
        config: Arc::new(config),
        mounts: Arc::new(mounts),
        reads: Arc::new(Semaphore::new(reads)),
        lists: Arc::new(Semaphore::new(reads.div_ceil(2))),
        uploads: Arc::new(Semaphore::new(uploads)),
        blob_uploads: Arc::new(Semaphore::new(blob_uploads)),
        blob_downloads: Arc::new(Semaphore::new(blob_downloads)),
        sockets: Arc::new(Semaphore::new(sockets)),
        metrics: metrics.clone(),
    }));
    let front = Arc::new(Front::new(&app.config, metrics));
    let routes = routes::routes(app);
    // What comes before routing cannot be a layer of the routes, because it changes the path.
    Router::new().fallback(move |request: Request| front::answer(front, routes, request))
}

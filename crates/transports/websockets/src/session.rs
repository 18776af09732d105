//! What do the frames of one client do?
//!
//! FireFly's rules, in FireFly's order. A [`Session`] belongs to the socket's task; when it is dropped, for
//! whatever reason, the connection is closed.

use std::sync::Arc;

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::{ChangeFilter, CodedError, Response, Subscription, SubscriptionId};

use crate::connection::Connection;
use crate::frames::{ClientFrame, Start, parse};
use crate::outbound::Outgoing;
use crate::status::Started;
use crate::transport::Hub;

/// Longest that all start frames of a connection may be together, in bytes: their filters are kept.
const STARTS_BYTES_MAX: usize = 16 << 20;

/// What the client of one connection has said so far.
pub(crate) struct Session {
    pub(crate) hub: Arc<Hub>,
    pub(crate) connection: Arc<Connection>,
    registered: bool,
    /// Starts so far, also failed ones and repeated ones.
    pub(crate) starts: usize,
    /// How many of them asked for changes and for no events, so that an answer cannot be meant for them.
    pub(crate) without_events: usize,
    starts_bytes: usize,
    pub(crate) autoack: bool,
    /// Its ephemeral subscriptions, in order.
    ephemerals: Vec<SubscriptionId>,
    /// Answers that the engine has not been told yet.
    responses: Vec<Response>,
}

/// Where a start comes from. Some errors differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Query,
    Frame,
}

impl Session {
    /// The session of a connection that is open from now on.
    pub(crate) fn open(hub: Arc<Hub>, connection: Arc<Connection>) -> Self {
        hub.add(&connection);
        Self {
            hub,
            connection,
            registered: false,
            starts: 0,
            without_events: 0,
            starts_bytes: 0,
            autoack: false,
            ephemerals: Vec::new(),
            responses: Vec::new(),
        }
    }

    /// The start in the query of the upgrade. After an error the connection stays open, and the start counts.
    pub(crate) fn auto_start(&mut self, start: Start) -> Result<(), CodedError> {
        self.start(start, Origin::Query)
    }

    /// A frame of the client. An error ends the connection; it is as the client is shown it. What it answers is told
    /// with [`tell_answers`](Self::tell_answers), so that frames which came together are told together.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> Result<(), CodedError> {
        match parse(frame) {
            Ok(ClientFrame::Ack(answer)) => self.acknowledge(&answer),
            Ok(ClientFrame::Nack(nack)) => self.reject(&nack),
            Ok(ClientFrame::Start(start)) => {
                self.tell_answers();
                self.starts_bytes = self.starts_bytes.saturating_add(frame.len());
                self.start(*start, Origin::Frame)
            }
            Err(error) => Err(error),
        }
        .map_err(|error| invalid_data(&error))
    }

    /// Moves what is to be written next into `taken`.
    pub(crate) fn take_outgoing(&self, bytes_max: usize, taken: &mut Vec<Outgoing>) {
        if self.connection.take_outgoing(bytes_max, taken) {
            self.hub.callbacks.connection_state(
                &self.connection.id,
                Scope::All,
                ConnectionState::Ready,
            );
        }
    }

    /// Settles a delivery.
    pub(crate) fn respond(&mut self, response: Response) {
        self.responses.push(response);
    }

    /// Tells the engine of what was settled.
    pub(crate) fn tell_answers(&mut self) {
        if !self.responses.is_empty() {
            let responses = std::mem::take(&mut self.responses);
            self.hub
                .callbacks
                .respond_all(&self.connection.id, responses);
        }
    }

    /// Ends the connection, once.
    pub(crate) fn end(&mut self) {
        self.tell_answers();
        self.hub.remove(&self.connection);
    }

    fn start(&mut self, mut start: Start, origin: Origin) -> Result<(), CodedError> {
        let pinned = match &self.connection.pinned {
            Some(pinned) if start.namespace.is_empty() => {
                start.namespace.clone_from(pinned);
                Ok(())
            }
            Some(pinned) if *pinned != start.namespace => Err(CodedError::bad_request(
                "FF10462",
                format!(
                    "Namespace '{}' is not that of the connection, which is '{pinned}'",
                    start.namespace
                ),
            )),
            _ => Ok(()),
        };
        let starts_max = self.hub.config.starts_max;
        if self.starts >= starts_max || self.starts_bytes > STARTS_BYTES_MAX {
            return Err(CodedError::new(
                "PH00429",
                429,
                format!(
                    "Too many starts: one connection may have {starts_max} (starts_max), and {STARTS_BYTES_MAX} bytes of start frames"
                ),
            ));
        }
        let checked = pinned
            .and_then(|()| self.check(&start, origin))
            .and_then(|()| self.check_autoack(&start));
        // A query that fails counts and binds as one that does not. After a frame that fails all is over.
        self.count(&start);
        let mut subscription = None;
        let result = checked.and_then(|()| {
            if start.ephemeral {
                if start.wants_events() {
                    subscription = Some(self.start_ephemeral(&start)?);
                }
                let changes = start.changes().cloned();
                changes.map_or(Ok(()), |changes| {
                    self.tell_changes(&start.namespace, changes)
                })
            } else if self.connection.attached.add(&start.namespace, &start.name) {
                self.register()
            } else {
                Ok(())
            }
        });
        let started = Started::now(&start, subscription);
        self.connection.lock().starts.push(started);
        result
    }

    fn check(&self, start: &Start, origin: Origin) -> Result<(), CodedError> {
        let exists = || self.hub.callbacks.namespace_exists(&start.namespace);
        if origin == Origin::Frame && !exists() {
            return Err(CodedError::not_found(
                "FF10436",
                format!("Unknown namespace '{}'", start.namespace),
            ));
        }
        if start.namespace.is_empty() || (start.name.is_empty() && !start.ephemeral) {
            return Err(CodedError::bad_request(
                "FF10178",
                "A start needs a namespace, and either a name or ephemeral",
            ));
        }
        if origin == Origin::Query && !exists() {
            return Err(CodedError::not_found("FF10187", "Namespace does not exist"));
        }
        if start.ephemeral && start.options.with_data == Some(true) {
            return Err(with_data_refused());
        }
        start.changes().map_or(Ok(()), ChangeFilter::check)
    }

    fn check_autoack(&self, start: &Start) -> Result<(), CodedError> {
        match start.autoack {
            Some(asked) if self.starts > 0 && asked != self.autoack => {
                Err(CodedError::bad_request(
                    "FF10179",
                    format!(
                        "autoack is {} on this connection: it is set by the first start",
                        self.autoack
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, start: &Start) {
        if self.starts == 0 {
            self.autoack = start.autoack.unwrap_or(false);
        }
        self.starts += 1;
        self.without_events += usize::from(!start.wants_events());
        self.connection.lock().autoack = self.autoack;
    }

    /// Whether this is one of its ephemeral subscriptions.
    pub(crate) fn has_ephemeral(&self, id: SubscriptionId) -> bool {
        self.ephemerals.binary_search(&id).is_ok()
    }

    fn register(&mut self) -> Result<(), CodedError> {
        self.registered = true;
        self.hub
            .callbacks
            .register_connection(&self.connection.id, self.connection.attached.matcher())
    }

    fn start_ephemeral(&mut self, start: &Start) -> Result<Arc<Subscription>, CodedError> {
        let mut options = start.options.clone();
        options.with_data = Some(false);
        // FireFly does not check this one here: what it cannot read is zero.
        if options.batch_timeout().is_err() {
            options.batch_timeout = Some("0".to_owned());
        }
        // The engine knows a connection from its registration on, also if it wants nothing that is stored.
        if !self.registered {
            self.register()?;
        }
        let subscription = self.hub.callbacks.ephemeral_subscription(
            &self.connection.id,
            &start.namespace,
            start.filter.clone().unwrap_or_default(),
            options,
        )?;
        // Nearly always the last: ids are in time order.
        let place = self.ephemerals.partition_point(|id| *id < subscription.id);
        self.ephemerals.insert(place, subscription.id);
        Ok(subscription)
    }

    fn tell_changes(&mut self, namespace: &str, filter: ChangeFilter) -> Result<(), CodedError> {
        if !self.registered {
            self.register()?;
        }
        let connection = &self.connection.id;
        self.hub
            .callbacks
            .change_events(connection, namespace, filter)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// The error of a subscription that wants the values delivered.
pub(crate) fn with_data_refused() -> CodedError {
    CodedError::bad_request(
        "FF10244",
        "withData is not supported over WebSockets: leave it out or set it to false",
    )
}

/// An error as a client is shown it that sent a frame.
pub(crate) fn invalid_data(error: &CodedError) -> CodedError {
    error.wrapped_in("FF10176", 400, "Invalid data")
}

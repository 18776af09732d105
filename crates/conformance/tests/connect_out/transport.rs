//! How does a transport call its applications?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many calls are under way at once.
const CALLS_MAX: usize = 16;
/// All that it delivers goes over one connection, as the engine sees it.
const CONNECTION: &str = "calls";

pub(crate) struct Calls;

impl TransportPlugin for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn config_schema(&self) -> Value {
        json!({"type": "object", "additionalProperties": false, "properties": {}})
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        let keys = config.as_object().ok_or("expected a table")?;
        keys.keys().next().map_or(Ok(()), |key| {
            Err(format!("{key}: unknown, there are no keys"))
        })
    }

    fn init(
        &self,
        _config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let connection = ConnectionId::new(CONNECTION);
        let registered = callbacks.register_connection(&connection, Arc::new(|_| true));
        let hub = registered.map(|()| {
            let hub = Hub {
                callbacks,
                connection,
                room: Arc::new(Semaphore::new(CALLS_MAX)),
                busy: AtomicBool::new(false),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            };
            Arc::new(Running(Arc::new(hub))) as Arc<dyn Transport>
        });
        Box::pin(std::future::ready(hub.map_err(|error| error.to_string())))
    }
}

struct Hub {
    callbacks: Arc<dyn Callbacks>,
    connection: ConnectionId,
    room: Arc<Semaphore>,
    /// The engine was told to wait.
    busy: AtomicBool,
    stop: CancellationToken,
    tasks: TaskTracker,
}

struct Running(Arc<Hub>);

impl Transport for Running {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.replies = true;
        capabilities
    }

    fn options_schema(&self) -> Value {
        json!({"type": "object", "required": ["address"], "properties": {
            "address": {"type": "string", "minLength": 3, "description": "Whom to call."},
            "token": {"type": "string", "writeOnly": true, "description": "Said with each call."},
        }})
    }

    fn validate(&self, options: &mut SubscriptionOptions) -> Result<(), CodedError> {
        let refuse = |text| Err(CodedError::bad_request("PH00999", text));
        let address = options.other.get("address").and_then(Value::as_str);
        if address.is_none_or(|address| address.chars().count() < 3) {
            return refuse("address: expected a text such as '127.0.0.1:7000'");
        }
        match options.other.get("token") {
            Some(token) if !token.is_string() => refuse("token: expected a text"),
            _ => Ok(()),
        }
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let hub = &self.0;
        if hub.stop.is_cancelled() || delivery.connection != hub.connection {
            return HandOver::Closed;
        }
        let Some(permit) = hub.room() else {
            return HandOver::Busy(Wait::Connection);
        };
        hub.tasks.spawn(hub.clone().deliver(delivery, permit));
        HandOver::Ok
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.0.stop.cancel();
        self.0.tasks.close();
        let tasks = self.0.tasks.clone();
        Box::pin(async move { tasks.wait().await })
    }
}

impl Hub {
    fn room(&self) -> Option<OwnedSemaphorePermit> {
        let acquire = || self.room.clone().try_acquire_owned().ok();
        acquire().or_else(|| {
            self.busy.store(true, Ordering::SeqCst);
            // Somebody may have left before that, and told nobody.
            acquire()
        })
    }

    async fn deliver(self: Arc<Self>, delivery: Delivery, permit: OwnedSemaphorePermit) {
        let outcome = tokio::select! {
            outcome = call(&delivery) => outcome,
            // Unanswered: it comes again after the next start.
            () = self.stop.cancelled() => return,
        };
        let outcome = outcome.unwrap_or_else(|error| Outcome::retry(error.to_string()));
        let response = Response::new(delivery.subscription.id, delivery.id, outcome);
        self.callbacks.respond(&delivery.connection, response);
        drop(permit);
        if self.busy.swap(false, Ordering::SeqCst) {
            let ready = ConnectionState::Ready;
            self.callbacks
                .connection_state(&self.connection, Scope::All, ready);
        }
    }
}

/// One event, and what the application says to it.
async fn call(delivery: &Delivery) -> std::io::Result<Outcome> {
    let options = delivery.subscription.revealed_options();
    let address = options["address"].as_str().unwrap_or_default();
    let mut socket = TcpStream::connect(address).await?;
    let token = options.get("token").unwrap_or(&Value::Null);
    let mut line = format!("{{\"token\":{token},\"event\":").into_bytes();
    let subscription = delivery.subscription.reference();
    let (id, attempt) = (delivery.id, delivery.attempt);
    delivery
        .event
        .write_tracked_delivery(subscription, id, attempt, &mut line);
    line.extend_from_slice(b"}\n");
    socket.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(socket).read_line(&mut answer).await?;
    let said: Value = serde_json::from_str(&answer)?;
    let reason = said["reason"].as_str().unwrap_or("no reason").to_owned();
    Ok(match said["answer"].as_str() {
        Some("ack") => Outcome::Acknowledge {
            reply: serde_json::from_value(said["reply"].clone())?,
        },
        Some("park") => Outcome::Park { reason },
        Some("skip") => Outcome::Skip { reason },
        _ => Outcome::retry(reason),
    })
}

//! How do applications get their events as lines of JSON over TCP?
//!
//! A client says `{"attach":"<subscription>"}`, receives `{"id":1,"event":{…}}`, and answers `{"ack":1}`,
//! `{"ack":1,"reply":{…}}`, `{"retry":1}`, `{"park":1,"reason":"…"}` or `{"skip":1}`.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use photinus_contract::transport::{ConnectionState, Scope};
use photinus_contract::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How many events wait for a client before its subscriptions have to wait as well.
const QUEUE_MAX: usize = 16;
/// Longest line of a client, in bytes.
const LINE_MAX: u64 = 1 << 20;

/// The transport `lines`.
pub(crate) struct Lines;

impl TransportPlugin for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn config_schema(&self) -> Value {
        json!({"type": "object", "additionalProperties": false, "properties": {
            "listen": {"type": "string", "default": "127.0.0.1:0", "description": "Where clients connect."},
        }})
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        for (key, value) in config.as_object().ok_or("expected a table")? {
            match key.as_str() {
                "listen" if value.is_string() => {}
                "listen" => return Err("listen: expected a text such as '127.0.0.1:7000'".into()),
                _ => return Err(format!("{key}: unknown, expected listen")),
            }
        }
        Ok(())
    }

    fn init(
        &self,
        config: Value,
        callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        Box::pin(async move {
            let listen = config["listen"].as_str().unwrap_or("127.0.0.1:0");
            let listener = TcpListener::bind(listen).await.map_err(|e| e.to_string())?;
            let hub = Arc::new(Hub {
                address: listener.local_addr().map_err(|e| e.to_string())?,
                callbacks,
                clients: Mutex::default(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            });
            hub.tasks.spawn(hub.clone().listen(listener));
            Ok(hub as Arc<dyn Transport>)
        })
    }
}

/// The transport while it runs.
struct Hub {
    address: std::net::SocketAddr,
    callbacks: Arc<dyn Callbacks>,
    clients: Mutex<HashMap<ConnectionId, Arc<Client>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A client, as the engine's threads and the task of its socket share it.
#[derive(Default)]
struct Client {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Default)]
struct State {
    /// The names of the subscriptions that it attached to.
    attached: HashSet<String>,
    queue: VecDeque<(u64, Delivery)>,
    /// The engine was told to wait.
    busy: bool,
    /// The number of the newest line. Every delivery has one of its own.
    newest: u64,
    unanswered: BTreeMap<u64, (SubscriptionId, DeliveryId)>,
}

impl Transport for Hub {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.replies = true;
        capabilities
    }

    fn deliver(&self, delivery: Delivery) -> HandOver {
        let Some(client) = self.client(&delivery.connection) else {
            return HandOver::Closed;
        };
        let mut state = client.state.lock().unwrap();
        if state.queue.len() >= QUEUE_MAX {
            state.busy = true;
            return HandOver::Busy(Wait::Connection);
        }
        state.newest += 1;
        let number = state.newest;
        let answered_by = (delivery.subscription.id, delivery.id);
        state.unanswered.insert(number, answered_by);
        state.queue.push_back((number, delivery));
        client.more.notify_one();
        HandOver::Ok
    }

    fn voided(
        &self,
        connection: &ConnectionId,
        subscription: SubscriptionId,
        delivery: DeliveryId,
        _reason: VoidReason,
    ) {
        if let Some(client) = self.client(connection) {
            let State {
                queue, unanswered, ..
            } = &mut *client.state.lock().unwrap();
            unanswered.retain(|_, it| *it != (subscription, delivery));
            queue.retain(|(number, _)| unanswered.contains_key(number));
        }
    }

    fn status(&self) -> Option<Value> {
        let connections = self.clients.lock().unwrap().len();
        Some(json!({"address": self.address.to_string(), "connections": connections}))
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        self.stop.cancel();
        self.tasks.close();
        let tasks = self.tasks.clone();
        Box::pin(async move { tasks.wait().await })
    }
}

impl Hub {
    fn client(&self, connection: &ConnectionId) -> Option<Arc<Client>> {
        self.clients.lock().unwrap().get(connection).cloned()
    }

    async fn listen(self: Arc<Self>, listener: TcpListener) {
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            if let Ok((socket, _)) = accepted {
                self.tasks.spawn(self.clone().serve(socket));
            }
        }
    }

    /// Runs a connection to its end.
    async fn serve(self: Arc<Self>, mut socket: TcpStream) {
        let id = ConnectionId::new(uuid::Uuid::new_v4().to_string());
        let client = Arc::new(Client::default());
        let entry = (id.clone(), client.clone());
        self.clients.lock().unwrap().extend([entry]);
        let (reader, mut writer) = socket.split();
        let reading = async {
            let mut lines = BufReader::new(reader).take(LINE_MAX);
            let mut line = String::new();
            while lines.read_line(&mut line).await.is_ok() && line.ends_with('\n') {
                self.heard(&id, &client, &line);
                line.clear();
                lines.set_limit(LINE_MAX);
            }
        };
        let writing = async {
            let next = || self.next(&id, &client);
            while writer.write_all(&next().await).await.is_ok() {}
        };
        tokio::select! {
            () = reading => {}
            () = writing => {}
            () = self.stop.cancelled() => {}
        }
        self.clients.lock().unwrap().remove(&id);
        self.callbacks.connection_closed(&id);
    }

    /// The next line for the client.
    async fn next(&self, connection: &ConnectionId, client: &Client) -> Vec<u8> {
        loop {
            let (taken, ready) = {
                let mut state = client.state.lock().unwrap();
                let taken = state.queue.pop_front();
                let ready = state.busy && state.queue.is_empty();
                state.busy &= !ready;
                (taken, ready)
            };
            if ready {
                let ready = ConnectionState::Ready;
                self.callbacks
                    .connection_state(connection, Scope::All, ready);
            }
            if let Some((number, it)) = taken {
                let mut line = format!("{{\"id\":{number},\"event\":").into_bytes();
                let subscription = it.subscription.reference();
                it.event
                    .write_tracked_delivery(subscription, it.id, it.attempt, &mut line);
                line.extend_from_slice(b"}\n");
                return line;
            }
            client.more.notified().await;
        }
    }

    /// A line of the client. What is not understood, or answers nothing that waits, changes nothing.
    fn heard(&self, connection: &ConnectionId, client: &Arc<Client>, line: &str) {
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        if let Some(name) = said["attach"].as_str() {
            let name = name.to_owned();
            client.state.lock().unwrap().attached.insert(name);
            let client = client.clone();
            let matcher = Arc::new(move |subscription: &Subscription| {
                let state = client.state.lock().unwrap();
                state.attached.contains(&*subscription.name)
            });
            // Refused only for a connection that was closed, and this one was not.
            let _ = self.callbacks.register_connection(connection, matcher);
            return;
        }
        let number = |verb: &str| said[verb].as_u64();
        let reason = || said["reason"].as_str().unwrap_or("no reason").to_owned();
        let reply = said.get("reply").cloned().map(serde_json::from_value);
        let Ok(reply) = reply.transpose() else {
            return;
        };
        let answer = None
            .or_else(|| Some((number("ack")?, Outcome::Acknowledge { reply })))
            .or_else(|| Some((number("retry")?, Outcome::retry(reason()))))
            .or_else(|| Some((number("park")?, Outcome::Park { reason: reason() })))
            .or_else(|| Some((number("skip")?, Outcome::Skip { reason: reason() })));
        let Some((number, outcome)) = answer else {
            return;
        };
        let answered = client.state.lock().unwrap().unanswered.remove(&number);
        if let Some((subscription, delivery)) = answered {
            let response = Response::new(subscription, delivery, outcome);
            self.callbacks.respond(connection, response);
        }
    }
}

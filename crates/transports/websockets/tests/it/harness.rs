//! What stands around the transport in these tests?

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use photinus_contract::delivery::BatchItem;
use photinus_contract::record::{RecordContent, RecordEvent};
use photinus_contract::transport::{
    ConnectionState, HttpBody, HttpMount, Matcher, PathParams, Published, Scope,
};
use photinus_contract::*;
use photinus_transport_websockets::WebSockets;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

/// The future's value, or a failure after a time that only a hang takes.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("timed out")
}

/// What the transport called.
pub(crate) enum Call {
    Register(ConnectionId, Matcher),
    Ephemeral(Arc<Subscription>),
    Closed(ConnectionId),
    State(ConnectionId, ConnectionState),
    Respond(ConnectionId, Answer),
}

/// What is called `Response` in the contract, which here is one of HTTP.
pub(crate) type Answer = photinus_contract::Response;

/// An engine that records.
#[derive(Default)]
pub(crate) struct Engine {
    calls: Mutex<VecDeque<Call>>,
    called: Notify,
    refuse_ephemeral: Mutex<Option<CodedError>>,
    panic_at_ephemeral: AtomicBool,
}

impl Engine {
    fn call(&self, call: Call) {
        self.calls.lock().unwrap().push_back(call);
        self.called.notify_one();
    }

    pub(crate) fn refuse_ephemeral(&self, error: CodedError) {
        *self.refuse_ephemeral.lock().unwrap() = Some(error);
    }

    /// From now on ephemeral subscriptions make it panic.
    pub(crate) fn panic_at_ephemeral(&self) {
        self.panic_at_ephemeral.store(true, Ordering::Relaxed);
    }

    /// The next call, in order.
    pub(crate) async fn next(&self) -> Call {
        within(async {
            loop {
                if let Some(call) = self.calls.lock().unwrap().pop_front() {
                    return call;
                }
                self.called.notified().await;
            }
        })
        .await
    }

    /// The next answer; nothing else may come before it.
    pub(crate) async fn answer(&self) -> Answer {
        self.answer_from().await.1
    }

    /// The next answer and the connection that gave it.
    pub(crate) async fn answer_from(&self) -> (ConnectionId, Answer) {
        match self.next().await {
            Call::Respond(connection, response) => (connection, response),
            _ => panic!("expected an answer"),
        }
    }

    /// The next answer is an acknowledgement of this delivery.
    pub(crate) async fn acked(&self, number: u64) {
        let response = self.answer().await;
        assert_eq!(response.delivery, DeliveryId::new(1, number));
        assert!(matches!(response.outcome, Outcome::Acknowledge { .. }));
        assert!(response.items.is_empty());
    }

    pub(crate) async fn closed(&self) -> ConnectionId {
        match self.next().await {
            Call::Closed(connection) => connection,
            _ => panic!("expected the end of a connection"),
        }
    }

    /// No call waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.calls.lock().unwrap().is_empty()
    }
}

impl Callbacks for Engine {
    fn register_connection(&self, id: &ConnectionId, matcher: Matcher) -> Result<(), CodedError> {
        self.call(Call::Register(id.clone(), matcher));
        Ok(())
    }

    fn ephemeral_subscription(
        &self,
        _connection: &ConnectionId,
        namespace: &str,
        filter: SubscriptionFilter,
        options: SubscriptionOptions,
    ) -> Result<Arc<Subscription>, CodedError> {
        assert!(
            !self.panic_at_ephemeral.load(Ordering::Relaxed),
            "a panic that the test asked for"
        );
        if let Some(error) = self.refuse_ephemeral.lock().unwrap().take() {
            return Err(error);
        }
        let id = SubscriptionId(Uuid::new_v4());
        let mut subscription = Subscription::new(
            id,
            Namespace::new(namespace),
            id.to_string(),
            "websockets",
            filter,
            options,
            Timestamp::from_nanos(0),
        );
        subscription.ephemeral = true;
        let subscription = Arc::new(subscription);
        self.call(Call::Ephemeral(subscription.clone()));
        Ok(subscription)
    }

    fn connection_closed(&self, connection: &ConnectionId) {
        self.call(Call::Closed(connection.clone()));
    }

    fn connection_state(&self, connection: &ConnectionId, scope: Scope, state: ConnectionState) {
        assert_eq!(scope, Scope::All);
        self.call(Call::State(connection.clone(), state));
    }

    fn respond(&self, connection: &ConnectionId, response: Answer) {
        self.call(Call::Respond(connection.clone(), response));
    }

    fn publish(
        &self,
        _namespace: &str,
        _kind: MessageKind,
        _message: MessageInput,
    ) -> BoxFuture<'static, Result<Published, CodedError>> {
        panic!("clients of WebSockets do not publish")
    }

    fn namespace_exists(&self, namespace: &str) -> bool {
        ["default", "other"].contains(&namespace)
    }
}

/// The transport on a server.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) address: SocketAddr,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(json!({})).await
    }

    pub(crate) async fn with(config: Value) -> Self {
        let engine = Arc::new(Engine::default());
        let transport = WebSockets.init(config, engine.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mounts: Arc<[HttpMount]> = transport.http_mounts().into();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            loop {
                let (socket, peer) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                let mounts = mounts.clone();
                let service =
                    hyper::service::service_fn(move |request| serve(mounts.clone(), peer, request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .with_upgrades(),
                );
            }
        });
        Self {
            engine,
            transport,
            address,
        }
    }

    pub(crate) async fn connect(&self, path: &str) -> Client {
        let socket = TcpStream::connect(self.address).await.unwrap();
        self.connect_on(socket, path).await
    }

    pub(crate) async fn connect_on(&self, socket: TcpStream, path: &str) -> Client {
        let url = format!("ws://{}{path}", self.address);
        let (socket, response) = within(tokio_tungstenite::client_async(url, socket))
            .await
            .unwrap();
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        Client { socket }
    }

    /// A client that has started `app` without autoack.
    pub(crate) async fn started(&self) -> (Client, ConnectionId) {
        let mut client = self.connect("/ws").await;
        let connection = self.start(&mut client, "app").await;
        (client, connection)
    }

    /// Starts a durable subscription on a connection that has none of this name.
    pub(crate) async fn start(&self, client: &mut Client, name: &str) -> ConnectionId {
        client
            .send(json!({"type": "start", "namespace": "default", "name": name}))
            .await;
        self.registered(name).await
    }

    /// Waits until a connection is registered for `name`.
    pub(crate) async fn registered(&self, name: &str) -> ConnectionId {
        loop {
            match self.engine.next().await {
                Call::Register(connection, matcher) if matcher(&subscription(name)) => {
                    return connection;
                }
                Call::Register(..) => {}
                _ => panic!("expected a registration"),
            }
        }
    }

    pub(crate) fn deliver(&self, connection: &ConnectionId, name: &str, number: u64, event: u64) {
        assert_eq!(
            self.hand_over(connection, name, number, event),
            HandOver::Ok
        );
    }

    pub(crate) fn hand_over(
        &self,
        connection: &ConnectionId,
        name: &str,
        number: u64,
        event: u64,
    ) -> HandOver {
        self.transport.deliver(Delivery::new(
            connection.clone(),
            subscription(name),
            DeliveryId::new(1, number),
            1,
            self::event(event, 10),
        ))
    }

    /// Hands over a batch: its own delivery has the first number, its events have the next ones.
    pub(crate) fn deliver_batch(
        &self,
        connection: &ConnectionId,
        name: &str,
        number: u64,
        events: &[u64],
    ) {
        let items = (number + 1..)
            .zip(events)
            .map(|(number, n)| BatchItem::new(DeliveryId::new(1, number), 1, event(*n, 10)))
            .collect();
        let batch = Batch::new(
            connection.clone(),
            subscription(name),
            DeliveryId::new(1, number),
            items,
        );
        assert_eq!(self.transport.deliver_batch(batch), HandOver::Ok);
    }

    pub(crate) fn void(
        &self,
        connection: &ConnectionId,
        name: &str,
        number: u64,
        reason: VoidReason,
    ) {
        let delivery = DeliveryId::new(1, number);
        self.transport
            .voided(connection, subscription(name).id, delivery, reason);
    }
}

async fn serve(
    mounts: Arc<[HttpMount]>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let namespace = path
        .strip_prefix("/api/v1/namespaces/")
        .and_then(|rest| rest.strip_suffix("/ws"));
    let (mount, params) = match namespace {
        Some(ns) => (&mounts[1], vec![("ns".to_owned(), ns.to_owned())]),
        None => (&mounts[0], Vec::new()),
    };
    let mut request = request.map(|body| -> HttpBody { Box::pin(body.map_err(Into::into)) });
    request.extensions_mut().insert(PathParams(params));
    request.extensions_mut().insert(peer);
    Ok(mount.service.call(request).await)
}

/// A client that speaks JSON.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, frame: &str) {
        within(self.socket.send(Message::text(frame)))
            .await
            .unwrap();
    }

    /// The next text frame.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => {
                assert!(text.ends_with("}\n"), "{text}");
                serde_json::from_str(&text).unwrap()
            }
            other => panic!("expected a text frame, got {other:?}"),
        }
    }

    pub(crate) async fn message(&mut self) -> Message {
        within(self.socket.next()).await.unwrap().unwrap()
    }

    /// The event of this number comes next.
    pub(crate) async fn event(&mut self, n: u64) -> Value {
        let frame = self.receive().await;
        assert_eq!(frame["id"], event_id(n), "{frame}");
        frame
    }

    /// An error comes next whose text begins so, and then the connection ends.
    pub(crate) async fn refused(&mut self, expected: &str) {
        self.refused_with(expected, 1008).await;
    }

    pub(crate) async fn refused_with(&mut self, expected: &str, code: u16) {
        let frame = self.receive().await;
        assert_eq!(frame["type"], "protocol_error", "{frame}");
        let error = frame["error"].as_str().unwrap();
        assert!(error.starts_with(expected), "{error}");
        self.closed_with(code).await;
    }

    pub(crate) async fn closed_with(&mut self, code: u16) {
        match self.message().await {
            Message::Close(Some(close)) => assert_eq!(u16::from(close.code), code),
            other => panic!("expected a close frame, got {other:?}"),
        }
        assert!(within(self.socket.next()).await.is_none());
    }

    /// Returns once the server has handled all that was sent before.
    pub(crate) async fn settled(&mut self) {
        let probe = Message::Ping("settled".into());
        within(self.socket.send(probe)).await.unwrap();
        match self.message().await {
            Message::Pong(payload) => assert_eq!(&payload[..], b"settled"),
            other => panic!("expected a pong, got {other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self, event: u64) {
        self.send(json!({"type": "ack", "id": event_id(event)}))
            .await;
    }

    pub(crate) async fn ack_of(&mut self, event: u64, subscription: Value) {
        self.send(json!({"type": "ack", "id": event_id(event), "subscription": subscription}))
            .await;
    }
}

/// The durable subscription of this name, always the same.
pub(crate) fn subscription(name: &str) -> Arc<Subscription> {
    let mut id = [7u8; 16];
    for (to, from) in id.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Arc::new(Subscription::new(
        SubscriptionId(Uuid::from_bytes(id)),
        Namespace::new("default"),
        name,
        "websockets",
        SubscriptionFilter::default(),
        SubscriptionOptions::default(),
        Timestamp::from_nanos(0),
    ))
}

fn message_id(n: u64) -> MessageId {
    MessageId::from_v7(Uuid::from_u128(u128::from(n) << 12))
}

pub(crate) fn event_id(n: u64) -> String {
    message_id(n).event(0).to_string()
}

/// Event `n`, with a topic of this length.
pub(crate) fn event(n: u64, length: usize) -> Event {
    let id = message_id(n);
    let topic = "t".repeat(length);
    let json = format!(
        r#"{{"id":"{}","type":"message_confirmed","topic":"{topic}""#,
        id.event(0)
    );
    let content = RecordContent::new(
        id,
        Namespace::new("default"),
        EventType::MessageConfirmed,
        Timestamp::from_nanos(0),
        vec![RecordEvent {
            topic: topic.into(),
            json: json.into(),
        }],
        0..0,
    );
    Event::new(Arc::new(Record::new(Sequence(n as i64), content)), 0).unwrap()
}

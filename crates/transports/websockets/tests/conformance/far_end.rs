//! Who speaks to the transport as an application does?
//!
//! Clients of the transport's own protocol, and a server that serves what it mounts.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarBatch, FarConnection, FarEnd, FarError, FarEvent, Running,
    Skill, Subject, Token,
};
use photinus_contract::BoxFuture;
use photinus_contract::transport::{HttpBody, HttpMount};
use photinus_transport_websockets::WebSockets;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How the clients say what they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By event and delivery.
    Delivery,
    /// By event alone.
    Event,
}

pub(crate) fn subject(naming: Naming) -> Subject {
    Subject::new(
        || Arc::new(WebSockets),
        move |running| Box::pin(Clients::start(running, naming)),
    )
}

struct Clients {
    naming: Naming,
    address: SocketAddr,
    open: HashMap<FarConnection, WebSocketStream<TcpStream>>,
    opened: u64,
}

impl Clients {
    async fn start(running: Running, naming: Naming) -> Result<Box<dyn FarEnd>, FarError> {
        Ok(Box::new(Self {
            naming,
            address: serve(&running).await?,
            open: HashMap::new(),
            opened: 0,
        }))
    }

    async fn say(&mut self, connection: FarConnection, frame: Value) -> Result<(), FarError> {
        let socket = self.open.get_mut(&connection).ok_or_else(gone)?;
        let frame = Message::text(frame.to_string());
        socket.send(frame).await.map_err(failed)
    }

    /// What an answer to this JSON, an event or a batch, has to name.
    fn token(&self, arrived: &Value) -> Token {
        let mut token =
            json!({"id": arrived["id"], "subscription": {"id": arrived["subscription"]["id"]}});
        if self.naming == Naming::Delivery && arrived["delivery"].is_string() {
            token["delivery"] = arrived["delivery"].clone();
        }
        Token(token)
    }

    fn arrival(&self, frame: &Value) -> Arrival {
        let event = |event: &Value| FarEvent::from_json(event, self.token(event));
        match frame["type"].as_str() {
            Some("protocol_error") => Arrival::Refused(frame["error"].to_string()),
            Some("change_notification") => Arrival::Change(frame["changeEvent"].clone()),
            Some("event_batch") => {
                let events = frame["events"].as_array().into_iter().flatten();
                Arrival::Batch(FarBatch::new(
                    events.map(event).collect(),
                    self.token(frame),
                ))
            }
            _ => Arrival::Event(event(frame)),
        }
    }
}

/// The words of an answer.
fn said(answer: &FarAnswer) -> Option<Value> {
    Some(match answer {
        FarAnswer::Ack => json!({"type": "ack", "action": "ack"}),
        FarAnswer::Retry => json!({"type": "nack", "action": "retry"}),
        FarAnswer::Park(reason) => json!({"type": "nack", "action": "park", "reason": reason}),
        FarAnswer::Skip => json!({"type": "nack", "action": "skip"}),
        _ => return None,
    })
}

impl FarEnd for Clients {
    fn can(&self, skill: Skill) -> bool {
        // Clients of WebSockets do not reply, and a second answer ends the connection.
        !matches!(skill, Skill::Reply | Skill::AnswerTwice)
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        Box::pin(async move {
            let socket = TcpStream::connect(self.address).await.map_err(failed)?;
            let url = format!("ws://{}/ws", self.address);
            let upgraded = tokio_tungstenite::client_async(url, socket).await;
            self.opened += 1;
            let connection = FarConnection(self.opened);
            self.open.insert(connection, upgraded.map_err(failed)?.0);
            self.attach_also(connection, to).await?;
            Ok(connection)
        })
    }

    fn attach_also(
        &mut self,
        connection: FarConnection,
        to: Attach,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let start = match to {
            Attach::Durable {
                namespace, name, ..
            } => json!({"type": "start", "namespace": namespace, "name": name}),
            Attach::Ephemeral(wanted) => json!({
                "type": "start", "ephemeral": true, "namespace": wanted.namespace,
                "filter": wanted.filter, "options": wanted.options,
            }),
            Attach::Changes { namespace, filter } => json!({
                "type": "start", "ephemeral": true, "namespace": namespace, "changeEvents": filter,
            }),
            _ => Value::Null,
        };
        Box::pin(self.say(connection, start))
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let socket = self.open.get_mut(&connection).ok_or_else(gone)?;
            match socket.next().await {
                Some(Ok(Message::Text(frame))) => {
                    let frame: Value = serde_json::from_str(&frame).map_err(failed)?;
                    Ok(self.arrival(&frame))
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => Ok(Arrival::Closed),
                Some(Ok(other)) => Err(failed(format!("an unexpected frame: {other:?}"))),
            }
        })
    }

    fn answer(
        &mut self,
        connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            let mut frame = said(&answer).ok_or_else(|| failed("WebSockets cannot say this"))?;
            for (key, value) in token.0.as_object().into_iter().flatten() {
                frame[key] = value.clone();
            }
            self.say(connection, frame).await
        })
    }

    fn answer_items(
        &mut self,
        connection: FarConnection,
        batch: FarBatch,
        items: BTreeMap<usize, FarAnswer>,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            let mut events = Vec::new();
            for (place, answer) in items {
                let mut one = said(&answer).ok_or_else(|| failed("WebSockets cannot say this"))?;
                one["id"] = json!(batch.events[place].id);
                events.push(one);
            }
            let frame = json!({"type": "nack", "id": batch.token.0["id"], "events": events});
            self.say(connection, frame).await
        })
    }

    fn cut(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        self.open.remove(&connection);
        Box::pin(std::future::ready(Ok(())))
    }

    fn restarted(&mut self, running: Running) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            self.open.clear();
            self.address = serve(&running).await?;
            Ok(())
        })
    }
}

/// Serves the mount of `/ws` on a free port.
async fn serve(running: &Running) -> Result<SocketAddr, FarError> {
    let mounts = running.http_mounts();
    let mount = mounts.into_iter().find(|mount| mount.path == "/ws");
    let mount = mount.ok_or_else(|| failed("/ws is not mounted"))?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((socket, peer)) = listener.accept().await {
            let mount = mount.clone();
            let service =
                hyper::service::service_fn(move |request| call(mount.clone(), peer, request));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service)
                    .with_upgrades(),
            );
        }
    });
    Ok(address)
}

async fn call(
    mount: HttpMount,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<HttpBody>, std::convert::Infallible> {
    let mut request = request.map(|body| -> HttpBody { Box::pin(body.map_err(Into::into)) });
    request.extensions_mut().insert(peer);
    Ok(mount.service.call(request).await)
}

fn gone() -> FarError {
    failed("there is no such connection")
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}

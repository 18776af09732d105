//! Who receives the webhooks?
//!
//! A server on this machine. The path of a request is the name of its subscription; it is answered when the suite says
//! so.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarBatch, FarConnection, FarEnd, FarError, FarEvent, Running,
    Skill, Subject, Token,
};
use photinus_contract::BoxFuture;
use photinus_transport_webhooks::Webhooks;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

pub(crate) fn subject() -> Subject {
    let config = json!({"allow": ["127.0.0.0/8"], "breaker_failures": 1_000_000});
    Subject::new(
        || Arc::new(Webhooks),
        |_| Box::pin(async { Ok(Box::new(Receiver::start().await?) as Box<dyn FarEnd>) }),
    )
    .with_config(config)
}

/// What was asked and not answered.
#[derive(Default)]
struct Asked {
    waiting: Mutex<Waiting>,
    /// There may be something new.
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Not received yet, by the name of the subscription.
    arrivals: HashMap<String, Vec<Arrival>>,
    /// To be answered, by number.
    answers: BTreeMap<u64, oneshot::Sender<FarAnswer>>,
    asked: u64,
}

struct Receiver {
    address: SocketAddr,
    asked: Arc<Asked>,
    names: HashMap<FarConnection, String>,
}

impl Receiver {
    async fn start() -> Result<Self, FarError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let asked = Arc::new(Asked::default());
        let all = asked.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let asked = all.clone();
                let service =
                    hyper::service::service_fn(move |request| call(asked.clone(), request));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(Self {
            address,
            asked,
            names: HashMap::new(),
        })
    }
}

impl Asked {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a request in, and answers when it is told how.
async fn call(
    asked: Arc<Asked>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    if head.headers.contains_key("photinus-test") {
        return Ok(Response::default());
    }
    let body = body.collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (answer, answered) = oneshot::channel();
    {
        let mut waiting = asked.lock();
        waiting.asked += 1;
        let number = waiting.asked;
        waiting.answers.insert(number, answer);
        let token = || Token(number.into());
        let id = head.headers["webhook-id"].to_str().unwrap_or_default();
        let arrival = match &body {
            Value::Array(events) if id.starts_with("batch_") => {
                let events = events
                    .iter()
                    .map(|event| FarEvent::from_json(event, token()));
                Arrival::Batch(FarBatch::new(events.collect(), token()))
            }
            event if event["subscription"].is_object() => {
                Arrival::Event(FarEvent::from_json(event, token()))
            }
            _ => Arrival::Event(FarEvent::new(id, token())),
        };
        let name = head.uri.path().trim_start_matches('/').to_owned();
        waiting.arrivals.entry(name).or_default().push(arrival);
    }
    asked.changed.notify_waiters();
    let answer = answered.await;
    let mut response = Response::new(Full::default());
    let (status, headers) = match answer {
        Ok(FarAnswer::Ack) => (204, vec![]),
        Ok(FarAnswer::Park(reason)) => (
            409,
            vec![
                ("photinus-nack", "park".to_owned()),
                ("photinus-nack-reason", reason),
            ],
        ),
        Ok(FarAnswer::Skip) => (409, vec![("photinus-nack", "skip".to_owned())]),
        _ => (500, vec![]),
    };
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

impl FarEnd for Receiver {
    fn can(&self, skill: Skill) -> bool {
        matches!(
            skill,
            Skill::Retry | Skill::Park | Skill::Skip | Skill::Batch | Skill::AttachEarly
        )
    }

    fn options(&mut self, name: &str) -> Map<String, Value> {
        let mut options = json!({
            "url": format!("http://{}/{name}", self.address),
            "withData": false,
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        });
        match name {
            "secret-secretheaders" => {
                options["secretHeaders"] = json!({"authorization": "Bearer 4b1d5e0c77"});
            }
            "secret-previoussecret" => {
                let until = "2100-01-02T03:04:05Z whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
                options["previousSecret"] = until.into();
            }
            // The receiver is its own proxy.
            "secret-httpoptions" => {
                let url = format!("http://user:pass0e6f1@{}", self.address);
                options["httpOptions"] = json!({"proxyURL": url});
            }
            _ => {}
        }
        options.as_object().cloned().unwrap_or_default()
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        let connection = FarConnection(self.names.len() as u64 + 1);
        let attached = match to {
            Attach::Durable { name, .. } => {
                self.names.insert(connection, name);
                Ok(connection)
            }
            _ => Err(failed("a webhook is durable")),
        };
        Box::pin(std::future::ready(attached))
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let name = self.names.get(&connection);
            let name = name.ok_or_else(|| failed("there is no such connection"))?;
            loop {
                let changed = self.asked.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(arrivals) = self.asked.lock().arrivals.get_mut(name)
                    && !arrivals.is_empty()
                {
                    return Ok(arrivals.remove(0));
                }
                changed.await;
            }
        })
    }

    fn answer(
        &mut self,
        _: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let number = token.0.as_u64().unwrap_or_default();
        let asked = self.asked.lock().answers.remove(&number);
        if let Some(asked) = asked {
            // Whoever asked may have given up.
            let _ = asked.send(answer);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn restarted(&mut self, _: Running) -> BoxFuture<'_, Result<(), FarError>> {
        // What was asked before nobody hears any more; what the new one asks may be there already.
        self.names.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}

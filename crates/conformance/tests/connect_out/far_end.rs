//! Who is called by the transport?

use std::collections::HashMap;
use std::net::SocketAddr;

use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarConnection, FarEnd, FarError, FarEvent, Running, Skill, Token,
};
use photinus_contract::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server, and the calls that wait for an answer.
pub(crate) struct Receiver {
    address: SocketAddr,
    calls: mpsc::Receiver<(Value, BufReader<TcpStream>)>,
    unanswered: HashMap<u64, BufReader<TcpStream>>,
    taken: u64,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Box<dyn FarEnd>, FarError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (taker, calls) = mpsc::channel(16);
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let taker = taker.clone();
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let mut line = String::new();
                    if socket.read_line(&mut line).await.is_ok()
                        && let Ok(call) = serde_json::from_str(&line)
                    {
                        let _ = taker.send((call, socket)).await;
                    }
                });
            }
        });
        Ok(Box::new(Self {
            address,
            calls,
            unanswered: HashMap::new(),
            taken: 0,
        }))
    }
}

impl FarEnd for Receiver {
    fn can(&self, skill: Skill) -> bool {
        matches!(
            skill,
            Skill::Retry | Skill::Park | Skill::Skip | Skill::Reply | Skill::LateAnswer
        )
    }

    fn options(&mut self, _name: &str) -> Map<String, Value> {
        let address = json!(self.address.to_string());
        Map::from_iter([("address".to_owned(), address)])
    }

    fn attach(&mut self, _to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        // It can be called anyway, and a rule that cannot attach to two has but one.
        Box::pin(std::future::ready(Ok(FarConnection(1))))
    }

    fn receive(&mut self, _connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let (call, socket) = loop {
                let (call, socket) = self.calls.recv().await.ok_or_else(|| failed("it ended"))?;
                // The caller may have been stopped since.
                if let Some(socket) = still_open(socket.into_inner()).map_err(failed)? {
                    break (call, BufReader::new(socket));
                }
            };
            self.taken += 1;
            self.unanswered.insert(self.taken, socket);
            let token = Token(json!(self.taken));
            Ok(Arrival::Event(FarEvent::from_json(&call["event"], token)))
        })
    }

    fn answer(
        &mut self,
        _connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let said = match answer {
            FarAnswer::Ack => json!({"answer": "ack"}),
            FarAnswer::Reply(reply) => json!({"answer": "ack", "reply": reply}),
            FarAnswer::Park(reason) => json!({"answer": "park", "reason": reason}),
            FarAnswer::Skip => json!({"answer": "skip"}),
            _ => json!({"answer": "retry"}),
        };
        let call = token.0.as_u64().and_then(|it| self.unanswered.remove(&it));
        Box::pin(async move {
            let mut call = call.ok_or_else(|| failed("it was answered already"))?;
            let line = format!("{said}\n");
            call.write_all(line.as_bytes()).await.map_err(failed)
        })
    }

    fn restarted(&mut self, _running: Running) -> BoxFuture<'_, Result<(), FarError>> {
        // Those of the new life may have come already: who reads them sees which are of the old one.
        self.unanswered.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

fn still_open(socket: TcpStream) -> std::io::Result<Option<TcpStream>> {
    let socket = socket.into_std()?;
    match socket.peek(&mut [0]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            TcpStream::from_std(socket).map(Some)
        }
        _ => Ok(None),
    }
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}

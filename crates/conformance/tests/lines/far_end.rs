//! Who speaks to the transport as an application does?

use std::collections::HashMap;

use photinus_conformance::transport::{
    Arrival, Attach, FarAnswer, FarConnection, FarEnd, FarError, FarEvent, Running, Skill, Token,
};
use photinus_contract::BoxFuture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub(crate) struct Clients {
    running: Running,
    open: HashMap<FarConnection, (Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)>,
    opened: u64,
}

impl Clients {
    pub(crate) async fn start(running: Running) -> Result<Box<dyn FarEnd>, FarError> {
        let (open, opened) = (HashMap::new(), 0);
        Ok(Box::new(Self {
            running,
            open,
            opened,
        }))
    }

    async fn say(&mut self, connection: FarConnection, line: Value) -> Result<(), FarError> {
        let (_, writer) = self.open.get_mut(&connection).ok_or_else(gone)?;
        let line = format!("{line}\n");
        writer.write_all(line.as_bytes()).await.map_err(failed)
    }
}

impl FarEnd for Clients {
    fn can(&self, skill: Skill) -> bool {
        !matches!(skill, Skill::Batch | Skill::BatchItems | Skill::Ephemeral)
    }

    fn attach(&mut self, to: Attach) -> BoxFuture<'_, Result<FarConnection, FarError>> {
        Box::pin(async move {
            let status = self.running.status();
            let address = status["address"].as_str().unwrap_or_default();
            let socket = TcpStream::connect(address).await.map_err(failed)?;
            let (reader, writer) = socket.into_split();
            self.opened += 1;
            let connection = FarConnection(self.opened);
            self.open
                .insert(connection, (BufReader::new(reader).lines(), writer));
            self.attach_also(connection, to).await?;
            Ok(connection)
        })
    }

    fn attach_also(
        &mut self,
        connection: FarConnection,
        to: Attach,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        Box::pin(async move {
            match to {
                Attach::Durable { name, .. } => self.say(connection, json!({"attach": name})).await,
                _ => Err(gone()),
            }
        })
    }

    fn receive(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<Arrival, FarError>> {
        Box::pin(async move {
            let (lines, _) = self.open.get_mut(&connection).ok_or_else(gone)?;
            let Ok(Some(line)) = lines.next_line().await else {
                return Ok(Arrival::Closed);
            };
            let line: Value = serde_json::from_str(&line).map_err(failed)?;
            let token = Token(line["id"].clone());
            Ok(Arrival::Event(FarEvent::from_json(&line["event"], token)))
        })
    }

    fn answer(
        &mut self,
        connection: FarConnection,
        token: Token,
        answer: FarAnswer,
    ) -> BoxFuture<'_, Result<(), FarError>> {
        let id = token.0;
        let line = match answer {
            FarAnswer::Reply(reply) => json!({"ack": id, "reply": reply}),
            FarAnswer::Retry => json!({"retry": id}),
            FarAnswer::Park(reason) => json!({"park": id, "reason": reason}),
            FarAnswer::Skip => json!({"skip": id}),
            _ => json!({"ack": id}),
        };
        Box::pin(self.say(connection, line))
    }

    fn cut(&mut self, connection: FarConnection) -> BoxFuture<'_, Result<(), FarError>> {
        self.open.remove(&connection);
        Box::pin(std::future::ready(Ok(())))
    }

    fn restarted(&mut self, running: Running) -> BoxFuture<'_, Result<(), FarError>> {
        self.running = running;
        self.open.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

fn gone() -> FarError {
    FarError::Failed("there is no such connection".to_owned())
}

fn failed(error: impl std::fmt::Display) -> FarError {
    FarError::Failed(error.to_string())
}

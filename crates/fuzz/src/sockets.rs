//! Does the WebSocket transport survive whatever comes through a socket?
//!
//! The transport itself, through its public surface and hyper's upgrade, on a stream in memory. What it calls
//! is recorded; what it writes has to be frames.

mod recorder;
mod script;
mod wire;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use photinus_contract::transport::{HttpBody, HttpMount, PathParams};
use photinus_contract::{Transport, TransportPlugin};
use photinus_transport_websockets::WebSockets;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

use self::recorder::Recorder;
use self::script::Script;
use crate::in_time;

/// Room in the stream. More than is ever written, so that neither side has to wait for the other.
const STREAM_BYTES: usize = 4 << 20;
/// A conversation that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first line is how a client connects, what follows is what it sends: see [`Script`].
pub fn sockets(input: &[u8]) {
    thread_local! {
        static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    }
    in_time(input, || {
        // After a panic it is not put back: connections would still be open.
        let world = WORLD.take().unwrap_or_else(World::new);
        world.run(&Script::read(input));
        WORLD.set(Some(world));
    });
}

struct World {
    runtime: Runtime,
    recorder: Arc<Recorder>,
    transport: Arc<dyn Transport>,
    mounts: Arc<[HttpMount]>,
    tasks: TaskTracker,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let recorder = Arc::new(Recorder::default());
        // Small, so that inputs of some hundred bytes reach the limits.
        let config = json!({"frame_bytes_max": 2048, "starts_max": 4, "late_answers_max": 4, "send_queue_bytes_max": 4096});
        let started = WebSockets.init(config, recorder.clone());
        let transport = runtime.block_on(started).unwrap();
        let mounts = transport.http_mounts().into();
        Self {
            runtime,
            recorder,
            transport,
            mounts,
            tasks: TaskTracker::new(),
        }
    }

    fn run(&self, script: &Script) {
        let talk = async {
            tokio::time::timeout(PATIENCE, self.talk(script))
                .await
                .expect("the conversation comes to an end")
        };
        let answer = self.runtime.block_on(talk);
        if let Some(frames) = wire::upgraded(&answer) {
            wire::check(frames);
        }
        self.recorder.is_over();
        let status = self.transport.status().unwrap();
        assert_eq!(status["connections"], json!([]), "all connections ended");
    }

    /// Sends everything and returns everything that came back.
    async fn talk(&self, script: &Script) -> Vec<u8> {
        let (mut client, server) = duplex(STREAM_BYTES);
        let mounts = self.mounts.clone();
        self.tasks.spawn(async move {
            // How the connection ended is seen from its other end.
            let _ = serve(server, mounts).await;
        });
        let mut answer = Vec::new();
        client.write_all(&script.request).await.unwrap();
        let is_whole = |head: &[u8]| head.windows(4).any(|four| four == b"\r\n\r\n");
        while !is_whole(&answer) && client.read_buf(&mut answer).await.unwrap() > 0 {}
        self.settle(&mut client, &mut answer).await;
        for piece in &script.pieces {
            let piece = script::answering(piece, &answer);
            if client.write_all(&piece).await.is_err() {
                break;
            }
            self.settle(&mut client, &mut answer).await;
        }
        // The server may have hung up already.
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut answer).await;
        answer
    }

    /// Lets the server do what it can, and the client see what it is given.
    async fn settle(&self, client: &mut DuplexStream, answer: &mut Vec<u8>) {
        for _ in 0..2 {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            self.recorder.deliver(&*self.transport);
        }
        tokio::task::yield_now().await;
        // What is there by now, without waiting for more.
        tokio::select! {
            biased;
            _ = client.read_buf(answer) => {}
            () = std::future::ready(()) => {}
        }
    }
}

async fn serve(stream: DuplexStream, mounts: Arc<[HttpMount]>) -> hyper::Result<()> {
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let mounts = mounts.clone();
        async move {
            let mut request = request.map(|body| Box::pin(body.map_err(Into::into)) as HttpBody);
            let namespace = request
                .uri()
                .path()
                .strip_prefix("/api/v1/namespaces/")
                .and_then(|rest| rest.strip_suffix("/ws"))
                .map(str::to_owned);
            let mount = if namespace.is_some() { 1 } else { 0 };
            let params = namespace.map(|name| ("ns".to_owned(), name));
            request
                .extensions_mut()
                .insert(PathParams(params.into_iter().collect()));
            let answer = mounts[mount].service.call(request).await;
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_of_changes_and_answers_none() {
        for (file, changes, answers) in [("changes", 6, 0), ("changes-and-events", 4, 3)] {
            let input = std::fs::read(format!("corpus/sockets/{file}")).unwrap();
            let world = World::new();
            let answer = world.runtime.block_on(world.talk(&Script::read(&input)));
            let text = String::from_utf8_lossy(&answer);
            let told = text.matches(r#"{"type":"change_notification","changeEvent":{"#);
            assert_eq!(told.count(), changes, "{file}: {text}");
            assert_eq!(world.recorder.answers(), answers, "{file}: {text}");
        }
    }

    #[test]
    fn a_client_is_given_events_and_its_answers_arrive() {
        for (file, events, answers) in [
            ("start-and-ack", 3, 3),
            ("ephemeral-batch", 3, 1),
            ("autoack", 3, 3),
            ("nack", 3, 2),
        ] {
            // Cargo runs a test in the directory of its package.
            let input = std::fs::read(format!("corpus/sockets/{file}")).unwrap();
            let world = World::new();
            let answer = world.runtime.block_on(world.talk(&Script::read(&input)));
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(
                text.matches(r#""delivery":"1-"#).count(),
                events,
                "{file}: {text}"
            );
            assert_eq!(world.recorder.answers(), answers, "{file}: {text}");
        }
    }
}

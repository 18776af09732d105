//! What is this about, seen in ten seconds?
//!
//! A server, a publisher and an application, each as anybody would write it: by HTTP and by WebSocket. What is told is
//! checked while it is told: if it is not true, it fails.

mod application;
mod server;

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use self::application::{Application, Order};
use self::server::Server;
use crate::client::Client;
use crate::clock::now;
use crate::failure::Failure;
use crate::notes::{BAD, BOLD, COOL, DIM, GOOD, WARM};
use crate::out::Out;

const SUBSCRIPTION: &str = "billing";
const TOPIC: &str = "orders";
/// One more than that is on its way without an acknowledgement.
const READ_AHEAD: u64 = 3;
/// How long anything of it may take before it counts as not happening.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the demonstration runs.
#[derive(Debug, Args)]
pub struct Demo {
    /// Without pauses to read
    #[arg(long)]
    quick: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("photinus-demo-")
            .tempdir()
            .map_err(|error| {
                Failure::failed(format!("cannot make a temporary directory: {error}"))
            })?;
        let mut story = Story {
            out: Out::new(),
            pace: if self.quick { 0 } else { 1 },
            published: 0,
        };
        match tokio::time::timeout(PATIENCE * 3, story.tell(&directory)).await {
            Ok(told) => told,
            Err(_) => Err(Failure::failed(
                "the demonstration takes too long: it is given up",
            )),
        }
    }
}

struct Story {
    out: Out,
    pace: u32,
    published: u64,
}

impl Story {
    async fn tell(&mut self, directory: &TempDir) -> Result<(), Failure> {
        let begun = now();
        self.say(&[
            (BOLD, "Photinus in ten seconds: orders, an application that bills them, and a crash in the middle."),
        ])
        .await?;
        self.step(1, "A server starts with an empty directory.")
            .await?;
        let mut server = Server::start(directory.path(), None).await?;
        let first = server.client()?;
        self.command(
            &format!("photinus --data {}", server.data().display()),
            first.server(),
        )
        .await?;

        self.step(2, "The application wants every order, from the first one on, whatever happens: a durable subscription.")
            .await?;
        self.command(
            &format!("photinus subscription create {SUBSCRIPTION} --topic '^{TOPIC}$' --first-event oldest"),
            "",
        )
        .await?;
        subscribe(&first).await?;
        let mut application = Application::start(first.clone()).await?;

        self.step(3, "Somebody publishes orders. Each is on the disk before its publisher is answered, and is delivered at once.")
            .await?;
        for _ in 0..4 {
            self.publish(&first).await?;
            let order = application.next().await?;
            application.acknowledge(&order).await?;
            self.delivered(&order, true).await?;
            self.pause(250).await;
        }

        self.step(
            4,
            "Six more. The application has acknowledged two of them when the server dies: kill -9.",
        )
        .await?;
        for _ in 0..6 {
            self.publish(&first).await?;
        }
        let mut open = Vec::new();
        for count in 0..2 + READ_AHEAD + 1 {
            let order = application.next().await?;
            if count < 2 {
                application.acknowledge(&order).await?;
            } else {
                open.push(order.number);
            }
            self.delivered(&order, count < 2).await?;
            self.pause(200).await;
        }
        let acknowledged = application.acknowledged;
        until_stored(&first, application.offset).await?;
        self.line(&[(BAD, &format!("   ✗ kill -9 {}", server.kill()))])
            .await?;
        self.pause(700).await;

        self.step(5, "It starts again with the same directory, and two more orders come in before the application is back.")
            .await?;
        let address = server.address();
        drop(server);
        let server = Server::start(directory.path(), Some(address)).await?;
        let second = server.client()?;
        self.command(
            &format!("photinus --data {}", server.data().display()),
            second.server(),
        )
        .await?;
        for _ in 0..2 {
            self.publish(&second).await?;
        }
        self.pause(700).await;

        self.step(6, "The application connects again, and asks for nothing but the name of its subscription.")
            .await?;
        application.connect_again(second.clone()).await?;
        let mut again = Vec::new();
        while application.acknowledged < self.published {
            let order = application.next().await?;
            application.acknowledge(&order).await?;
            if open.contains(&order.number) {
                again.push(order.number);
            }
            self.delivered(&order, true).await?;
            self.pause(200).await;
        }
        check(
            acknowledged == 6,
            "it had acknowledged six orders before the crash",
        )?;
        check(
            again == open,
            "what was not acknowledged came again, and nothing else",
        )?;
        check(
            application.acknowledged == self.published,
            "every order was acknowledged once",
        )?;
        until_stored(&second, application.offset).await?;
        drop(server);
        self.end(again.len(), begun.elapsed()).await
    }

    async fn end(&mut self, again: usize, elapsed: Duration) -> Result<(), Failure> {
        let published = self.published;
        self.line(&[]).await?;
        self.line(&[(
            GOOD,
            &format!("✓ {published} orders published, {published} acknowledged, in order. None was lost; the {again} that nobody had"),
        )])
        .await?;
        self.line(&[(
            GOOD,
            "  acknowledged came again, because only the application knows what it has done.",
        )])
        .await?;
        self.line(&[(
            DIM,
            &format!(
                "  ({:.1} s; everything is cleaned up)",
                elapsed.as_secs_f64()
            ),
        )])
        .await?;
        self.line(&[]).await?;
        self.line(&[(BOLD, "Now you:"), (DIM, "  each in a terminal of its own")])
            .await?;
        // As it was called: a newcomer has it in the target directory, and not on the path.
        let program = std::env::args_os().next().unwrap_or_default();
        let program = program.to_string_lossy();
        for arguments in [
            "",
            " listen billing --create --topic '^orders$'",
            " publish --topic orders '{\"order\":1}'",
        ] {
            let command = format!("   $ {program}{arguments}");
            self.line(&[(COOL, &command)]).await?;
        }
        self.out.flush().await
    }

    async fn publish(&mut self, client: &Client) -> Result<(), Failure> {
        self.published += 1;
        let body = json!({
            "header": {"topics": [TOPIC]},
            "data": [{"value": {"order": self.published}}],
        });
        let url = client.scoped(&["messages", "broadcast"]);
        client
            .send(Method::POST, url, body.to_string())
            .await?
            .success()?;
        Ok(())
    }

    async fn step(&mut self, number: usize, text: &str) -> Result<(), Failure> {
        self.pause(300).await;
        self.line(&[]).await?;
        self.say(&[(BOLD, &format!("{number}  {text}"))]).await?;
        self.pause(400).await;
        Ok(())
    }

    async fn command(&mut self, command: &str, then: &str) -> Result<(), Failure> {
        let then = if then.is_empty() {
            String::new()
        } else {
            format!("  → {then}")
        };
        self.line(&[(COOL, &format!("   $ {command}")), (DIM, &then)])
            .await
    }

    async fn delivered(&mut self, order: &Order, acknowledged: bool) -> Result<(), Failure> {
        let delivered = format!("   → order {:<2}  delivered", order.number);
        if acknowledged {
            return self
                .line(&[(Default::default(), &delivered), (GOOD, "  acknowledged")])
                .await;
        }
        self.line(&[
            (Default::default(), &delivered),
            (WARM, "  not acknowledged yet"),
        ])
        .await
    }

    async fn say(&mut self, parts: &[(anstyle::Style, &str)]) -> Result<(), Failure> {
        self.line(parts).await
    }

    /// One line, seen at once.
    async fn line(&mut self, parts: &[(anstyle::Style, &str)]) -> Result<(), Failure> {
        let paint = self.out.paint();
        let line: String = parts
            .iter()
            .map(|(style, text)| paint.dress(*style, text))
            .collect();
        self.out.line(&line).await?;
        self.out.flush().await
    }

    async fn pause(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds) * self.pace).await;
    }
}

async fn subscribe(client: &Client) -> Result<(), Failure> {
    let body = json!({
        "name": SUBSCRIPTION,
        "transport": "websockets",
        "filter": {"topic": format!("^{TOPIC}$")},
        "options": {"firstEvent": "oldest", "readAhead": READ_AHEAD},
    });
    let url = client.scoped(&["subscriptions"]);
    client
        .send(Method::POST, url, body.to_string())
        .await?
        .success()?;
    Ok(())
}

/// Waits until the server has stored that everything up to this event is acknowledged: it does that a moment later.
async fn until_stored(client: &Client, offset: i64) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    #[derive(Deserialize)]
    struct Shown {
        status: Status,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        #[serde(default)]
        current_offset: i64,
    }
    let all: Vec<Named> = client
        .get(client.scoped(&["subscriptions"]))
        .await?
        .success()?
        .json()?;
    let id = all
        .first()
        .map(|named| named.id.as_str())
        .unwrap_or_default();
    let mut url = client.scoped(&["subscriptions", id]);
    url.set_query(Some("fetchstatus"));
    let stored = async {
        loop {
            let shown: Shown = client.get(url.clone()).await?.success()?.json()?;
            if shown.status.current_offset >= offset {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, stored).await {
        Ok(stored) => stored,
        Err(_) => check(false, "what is acknowledged is stored"),
    }
}

/// What is told has to be so.
fn check(is_so: bool, what: &str) -> Result<(), Failure> {
    if is_so {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "the demonstration has failed: it should be that {what}, and it is not. Please report this"
    )))
}

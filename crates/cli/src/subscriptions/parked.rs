//! How are parked events looked at, and put right?

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::find::find;
use super::read;
use crate::client::Client;
use crate::failure::Failure;
use crate::notes::note;
use crate::out::Out;
use crate::shown::{number, plain, shortened, time};
use crate::table::Table;

/// A reason is cut to this many columns in a list; `show` has all of it.
const REASON_COLUMNS_MAX: usize = 60;

/// What is done with parked events.
#[derive(Debug, Subcommand)]
pub(super) enum ParkedAction {
    /// Lists the events that a subscription has set aside, in the order of the log
    #[command(visible_alias = "ls")]
    List {
        /// Its name or id
        name: String,
    },
    /// Shows one as the server has it: why it was parked, the event, and the values of its message
    Show {
        /// The name or id of the subscription
        name: String,
        /// The id of the event
        event: String,
    },
    /// Has parked events delivered again; those that fail again stay parked
    Replay {
        /// The name or id of the subscription
        name: String,
        #[command(flatten)]
        which: Which,
    },
    /// Gives parked events up
    Discard {
        /// The name or id of the subscription
        name: String,
        #[command(flatten)]
        which: Which,
    },
}

/// Which parked events.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Which {
    /// Those of these ids
    #[arg(value_name = "EVENT", conflicts_with_all = ["all", "from", "to"])]
    events: Vec<String>,
    /// All that there are
    #[arg(long, conflicts_with_all = ["from", "to"])]
    all: bool,
    /// Those from this sequence on
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<i64>,
    /// Those up to this sequence, included
    #[arg(long, value_name = "SEQUENCE", requires = "from")]
    to: Option<i64>,
}

impl Which {
    fn body(&self) -> Value {
        match (self.all, self.from) {
            (true, _) => json!({"all": true}),
            (false, Some(from)) => json!({"from": from, "to": self.to}),
            (false, None) => json!({"events": self.events}),
        }
    }
}

/// A parked event as the API has it.
#[derive(Debug, Deserialize)]
struct Parked {
    event: String,
    sequence: i64,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    created: String,
    #[serde(default)]
    replaying: bool,
}

#[derive(Debug, Deserialize)]
struct Count {
    count: u64,
}

impl ParkedAction {
    pub(super) async fn run(
        self,
        client: &Client,
        json: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        match self {
            Self::List { name } => list(client, &name, json, out).await,
            Self::Show { name, event } => {
                let found = find(client, &name).await?;
                let url = client.scoped(&["subscriptions", &found.id, "parked", &event]);
                let answer = client.get(url).await?.success()?;
                out.json(&answer.body).await?;
                out.flush().await
            }
            Self::Replay { name, which } => {
                let action = ["replay", "to be delivered again"];
                change(client, &name, &which, action, json, out).await
            }
            Self::Discard { name, which } => {
                let action = ["discard", "given up"];
                change(client, &name, &which, action, json, out).await
            }
        }
    }
}

async fn list(client: &Client, name: &str, json: bool, out: &mut Out) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, "parked"]);
    let all = client.list(url).await?;
    if json {
        for parked in all {
            out.json(parked.get()).await?;
        }
        return out.flush().await;
    }
    if all.is_empty() {
        note(&format!("{} has set nothing aside", plain(&found.name)));
        return Ok(());
    }
    let mut table = Table::new(["EVENT", "SEQUENCE", "ATTEMPTS", "PARKED", "", "REASON"]);
    for parked in all {
        let parked: Parked = read(&parked)?;
        let error = parked.error.map(|error| format!(": {error}"));
        let reason = format!("{}{}", parked.reason, error.unwrap_or_default());
        table.row([
            parked.event,
            parked.sequence.to_string(),
            parked.attempts.to_string(),
            time(&parked.created),
            if parked.replaying { "replaying" } else { "" }.to_owned(),
            shortened(&reason, REASON_COLUMNS_MAX),
        ]);
    }
    table.print(out).await
}

async fn change(
    client: &Client,
    name: &str,
    which: &Which,
    [action, done]: [&str; 2],
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, "parked", action]);
    let body = which.body().to_string();
    let answer = client.send(Method::POST, url, body).await?.success()?;
    if json {
        out.json(&answer.body).await?;
        return out.flush().await;
    }
    let Count { count } = answer.json()?;
    let (name, count) = (plain(&found.name), number(count));
    let events = if count == "1" {
        "event is"
    } else {
        "events are"
    };
    out.line(&format!("{count} parked {events} {done} by {name}"))
        .await?;
    out.flush().await
}

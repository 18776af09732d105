//! How is a subscription moved to another place of the log?

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::find::find;
use crate::client::Client;
use crate::failure::Failure;
use crate::out::Out;
use crate::shown::{number, plain};

/// What the server says of it.
#[derive(Debug, Deserialize)]
struct Sought {
    offset: i64,
    #[serde(default)]
    events: u64,
    #[serde(default)]
    scanned: u64,
    #[serde(default)]
    more: bool,
}

pub(super) async fn run(
    client: &Client,
    name: &str,
    to: &str,
    dry_run: bool,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, "seek"]);
    let body = json!({"to": to, "dryRun": dry_run}).to_string();
    let answer = client.send(Method::POST, url, body).await?.success()?;
    if json {
        out.json(&answer.body).await?;
        return out.flush().await;
    }
    let sought: Sought = answer.json()?;
    let name = plain(&found.name);
    let line = match dry_run {
        true => would(&name, &sought),
        false => format!("{name} goes on after {}", sought.offset),
    };
    out.line(&line).await?;
    out.flush().await
}

fn would(name: &str, sought: &Sought) -> String {
    let (offset, events) = (sought.offset, number(sought.events));
    match sought.more {
        false => format!("{name} would go on after {offset}: {events} events would follow"),
        true => format!(
            "{name} would go on after {offset}: {events} events would follow among the next {}, and the log goes on",
            number(sought.scanned)
        ),
    }
}

//! How is a subscription told to wait, and to go on?

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::find::find;
use crate::client::Client;
use crate::failure::Failure;
use crate::out::Out;
use crate::shown::plain;

/// What the server says of it.
#[derive(Debug, Deserialize)]
struct Status {
    state: String,
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn run(
    client: &Client,
    name: &str,
    action: &str,
    body: Value,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, action]);
    let answer = client.send(Method::POST, url, body.to_string()).await?;
    let answer = answer.success()?;
    if json {
        out.json(&answer.body).await?;
        return out.flush().await;
    }
    let status: Status = answer.json()?;
    let reason = status.reason.map(|reason| format!(": {}", plain(&reason)));
    let (name, reason) = (plain(&found.name), reason.unwrap_or_default());
    out.line(&format!("{name} is {}{reason}", status.state))
        .await?;
    out.flush().await
}

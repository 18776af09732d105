//! How is the secret of a subscription replaced?

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::find::find;
use crate::client::Client;
use crate::failure::Failure;
use crate::notes::note;
use crate::out::Out;
use crate::shown::{plain, time};

/// What the server says of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    secret: String,
    old_until: String,
}

/// The secret alone is on standard output, so that a script can keep it.
pub(super) async fn run(
    client: &Client,
    name: &str,
    secret: Option<String>,
    overlap: Option<String>,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, "secret", "rotate"]);
    let body = json!({"secret": secret, "overlap": overlap}).to_string();
    let answer = client.send(Method::POST, url, body).await?.success()?;
    if json {
        out.json(&answer.body).await?;
        return out.flush().await;
    }
    let Rotated { secret, old_until } = answer.json()?;
    let shown = match out.is_terminal() {
        true => plain(&secret),
        false => secret,
    };
    out.line(&shown).await?;
    out.flush().await?;
    let (name, until) = (plain(&found.name), time(&old_until));
    note(&format!(
        "the new secret of {name}, which is not shown again; the old one is used beside it until {until}"
    ));
    Ok(())
}

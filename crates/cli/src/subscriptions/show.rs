//! What is there to say about one subscription: what it wants, where it is, and who listens?

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::find::{Status, Subscription, find};
use super::read;
use crate::client::Client;
use crate::failure::Failure;
use crate::filter::described;
use crate::out::Out;
use crate::shown::{number, plain, time};
use crate::table::print_fields;

/// What the server says of a subscription's newest events.
#[derive(Debug, Deserialize)]
struct Preview {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    sequence: i64,
    address: Option<String>,
    error: Option<String>,
}

pub(super) async fn run(
    client: &Client,
    name: &str,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let mut url = client.scoped(&["subscriptions", &found.id]);
    url.set_query(Some("fetchstatus"));
    let answer = client.get(url).await?.success()?;
    let head = head(client).await?;
    let listening = listening(client, &found.namespace, &found.name).await?;
    if json {
        let mut shown: Map<String, Value> = answer.json()?;
        shown.insert("head".into(), head.into());
        shown.insert("connections".into(), listening.into());
        out.line(&Value::Object(shown).to_string()).await?;
        return out.flush().await;
    }
    let subscription: Subscription = answer.json()?;
    let mut fields = described_fields(&subscription);
    fields.extend(standing(&subscription.status, head));
    match listening.as_slice() {
        [] if subscription.transport == "websockets" => fields.push((
            "Listening",
            format!("nobody: `photinus listen {}` would", subscription.name),
        )),
        [] => {}
        connections => fields.extend(connections.iter().enumerate().map(|(place, connection)| {
            let heading = if place == 0 { "Listening" } else { "" };
            (heading, listener(connection))
        })),
    }
    print_fields(&fields, out).await
}

/// A subscription that was just written.
pub(super) async fn print(
    client: &Client,
    body: &str,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    if json {
        out.json(body).await?;
        return out.flush().await;
    }
    let raw: Box<RawValue> = serde_json::from_str(body).map_err(|error| {
        Failure::failed(format!("the server's answer is not understood: {error}"))
    })?;
    let subscription: Subscription = read(&raw)?;
    let mut fields = described_fields(&subscription);
    if subscription.transport != "websockets" {
        fields.extend(addresses(client, body).await.unwrap_or_default());
    }
    print_fields(&fields, out).await
}

/// Where the newest events go, or would have gone. It is saved already: nothing fails for want of these.
async fn addresses(client: &Client, body: &str) -> Option<Vec<(&'static str, String)>> {
    let url = client.scoped(&["subscriptions", "preview"]);
    let answer = client.send(Method::POST, url, body.to_owned()).await;
    let preview: Preview = answer.ok()?.success().ok()?.json().ok()?;
    let addresses = preview.addresses.into_iter().enumerate();
    let fields = addresses.map(|(place, found)| {
        let text = match (found.address, found.error) {
            (Some(address), _) => address,
            (None, error) => format!("nowhere: {}", error.unwrap_or_default()),
        };
        let heading = if place == 0 { "Goes to" } else { "" };
        (
            heading,
            format!("{} (event {})", plain(&text), found.sequence),
        )
    });
    Some(fields.collect())
}

fn described_fields(subscription: &Subscription) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Name", subscription.name.clone()),
        ("Namespace", subscription.namespace.clone()),
        ("Id", subscription.id.clone()),
        ("Transport", subscription.transport.clone()),
        ("Filter", described(&subscription.filter)),
        ("Options", options(&subscription.options)),
        ("Created", time(&subscription.created)),
    ];
    if let Some(updated) = &subscription.updated {
        fields.push(("Updated", time(updated)));
    }
    fields
}

fn options(options: &Value) -> String {
    let Value::Object(options) = options else {
        return String::new();
    };
    let options: Vec<String> = options
        .iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            value => format!("{key}={value}"),
        })
        .collect();
    options.join(" ")
}

/// What it does and why, how far it is, and what its application has.
fn standing(status: &Status, head: i64) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(state) = &status.state {
        let reason = status.reason.as_deref().map(plain);
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        fields.push(("State", format!("{}{reason}", plain(state))));
    }
    fields.push(("Offset", place(status.current_offset, head)));
    if status.seconds_behind > 0.0 {
        fields.push(("Behind", seconds(status.seconds_behind)));
    }
    if status.in_flight > 0 {
        let (events, oldest) = (number(status.in_flight), seconds(status.oldest_in_flight));
        fields.push(("In flight", format!("{events}, the oldest for {oldest}")));
    }
    fields
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// How far it is. Sequences may have gaps, and not all events have to match: so this is no number of events.
fn place(offset: i64, head: i64) -> String {
    let behind = u64::try_from(head.saturating_sub(offset.max(0))).unwrap_or(0);
    match behind {
        0 => format!("{offset} (up to date)"),
        behind => format!(
            "{offset} (the newest event is {head}: at most {} behind)",
            number(behind)
        ),
    }
}

/// The sequence of the newest event, 0 if there is none.
pub(crate) async fn head(client: &Client) -> Result<i64, Failure> {
    #[derive(Deserialize)]
    struct Event {
        sequence: i64,
    }
    let mut url = client.scoped(&["events"]);
    url.set_query(Some("limit=1"));
    let newest: Vec<Event> = client.get(url).await?.success()?.json()?;
    Ok(newest.first().map_or(0, |event| event.sequence))
}

/// The WebSocket connections that have started this subscription, the first first.
pub(crate) async fn listening(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<Value>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Connection {
        id: Value,
        remote_address: Value,
        user_agent: Value,
        #[serde(default)]
        subscriptions: Vec<Started>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Started {
        start_time: String,
        #[serde(default)]
        ephemeral: bool,
        namespace: String,
        #[serde(default)]
        name: String,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        connections: Vec<Connection>,
    }
    let answer = client.get(client.global(&["websockets"])).await?;
    // A server without this transport has no such page.
    if !answer.status.is_success() {
        return Ok(Vec::new());
    }
    let status: Status = answer.json()?;
    let mut found: Vec<(String, Value)> = Vec::new();
    for connection in status.connections {
        let started = connection.subscriptions.into_iter().find(|started| {
            !started.ephemeral && started.namespace == namespace && started.name == name
        });
        if let Some(started) = started {
            let shown = serde_json::json!({
                "id": connection.id,
                "remoteAddress": connection.remote_address,
                "userAgent": connection.user_agent,
                "startTime": started.start_time,
            });
            found.push((started.start_time, shown));
        }
    }
    found.sort_by_key(|(started, _)| time(started));
    Ok(found.into_iter().map(|(_, shown)| shown).collect())
}

fn listener(connection: &Value) -> String {
    let text = |key: &str| connection[key].as_str().unwrap_or_default();
    let client = match text("userAgent") {
        "" => String::new(),
        client => format!(" ({client})"),
    };
    format!(
        "{}{client} since {}",
        text("remoteAddress"),
        time(text("startTime"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_told_with_its_reason() {
        let shown = |status: Value| {
            let status: Status = serde_json::from_value(status).unwrap();
            let fields = standing(&status, 5);
            let fields = fields
                .into_iter()
                .map(|(name, text)| format!("{name}: {text}"));
            fields.collect::<Vec<_>>().join("; ")
        };
        let holding = serde_json::json!({
            "currentOffset": 4, "secondsBehind": 380.25, "inFlight": 1, "oldestInFlight": 12.004,
            "state": "holding", "reason": "no\u{1b}disk",
        });
        assert_eq!(
            shown(holding),
            "State: holding: no\\u{1b}disk; Offset: 4 (the newest event is 5: at most 1 behind); \
             Behind: 380.2 s; In flight: 1, the oldest for 12.0 s"
        );
        let idle = serde_json::json!({"currentOffset": 5, "state": "idle", "inFlight": 0});
        assert_eq!(shown(idle), "State: idle; Offset: 5 (up to date)");
        let older = serde_json::json!({"currentOffset": 5});
        assert_eq!(shown(older), "Offset: 5 (up to date)");
    }

    #[test]
    fn the_place_is_told_in_words() {
        for (offset, head, expected) in [
            (5, 5, "5 (up to date)"),
            (-1, 0, "-1 (up to date)"),
            (
                0,
                2000,
                "0 (the newest event is 2000: at most 2,000 behind)",
            ),
            (-1, 3, "-1 (the newest event is 3: at most 3 behind)"),
            (9, 5, "9 (up to date)"),
        ] {
            assert_eq!(place(offset, head), expected);
        }
    }
}

//! How is a subscription tried, and the exchange read by people?

use serde::Deserialize;
use serde_json::json;

use super::find::find;
use crate::client::Client;
use crate::failure::Failure;
use crate::notes::{BAD, GOOD};
use crate::out::Out;
use crate::shown::plain;

/// How a trial went, as the API has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    event: String,
    request: Side,
    #[serde(default)]
    response: Option<Side>,
    #[serde(default)]
    outcome: String,
    settled: bool,
    #[serde(default)]
    duration_ms: f64,
}

#[derive(Debug, Deserialize)]
struct Side {
    line: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

/// Status 1 if the event would not be settled, after all was printed.
pub(super) async fn run(
    client: &Client,
    name: &str,
    event: Option<String>,
    json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let found = find(client, name).await?;
    let url = client.scoped(&["subscriptions", &found.id, "test"]);
    let body = json!({ "event": event }).to_string();
    let answer = client.send_and_wait(url, body).await?;
    let answer = answer.success()?;
    let trial: Trial = answer.json()?;
    if json {
        out.json(&answer.body).await?;
    } else {
        for line in exchanged(&trial) {
            out.line(&line).await?;
        }
        let style = if trial.settled { GOOD } else { BAD };
        let end = out.paint().dress(style, &ended(&trial));
        out.line(&end).await?;
    }
    out.flush().await?;
    match trial.settled {
        true => Ok(()),
        false => Err(Failure::Said),
    }
}

/// What was sent and what came back, each line with a mark of its direction.
fn exchanged(trial: &Trial) -> Vec<String> {
    let mut lines = Vec::new();
    let sides = [('>', Some(&trial.request)), ('<', trial.response.as_ref())];
    for (mark, side) in sides {
        let Some(side) = side else { continue };
        let headers = side.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {value}"));
        let body = match side.body.is_empty() {
            true => None,
            false => Some(std::iter::once("").chain(side.body.lines())),
        };
        let body = body.into_iter().flatten().map(str::to_owned);
        let all = std::iter::once(side.line.clone())
            .chain(headers)
            .chain(body);
        lines.extend(all.map(|line| format!("{mark} {}", plain(&line)).trim_end().to_owned()));
    }
    lines
}

fn ended(trial: &Trial) -> String {
    let settled = if trial.settled {
        "settled"
    } else {
        "not settled"
    };
    let outcome = match plain(&trial.outcome) {
        outcome if outcome.is_empty() => outcome,
        outcome => format!(": {outcome}"),
    };
    format!(
        "{settled}{outcome} (event {}, {:.1} ms)",
        plain(&trial.event),
        trial.duration_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(json: serde_json::Value) -> Trial {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_exchange_is_read_in_both_directions() {
        let trial = trial(json!({
            "test": true, "event": "e1", "settled": false, "durationMs": 12.345,
            "outcome": "it would be tried again: 500",
            "request": {"line": "POST https://h/", "headers": [["A", "1"], ["B", "***"]], "body": "{\n}"},
            "response": {"line": "500 Oh\u{1b}[2J", "headers": [], "body": ""},
        }));
        assert_eq!(
            exchanged(&trial),
            [
                "> POST https://h/",
                "> A: 1",
                "> B: ***",
                ">",
                "> {",
                "> }",
                "< 500 Oh\\u{1b}[2J"
            ]
        );
        assert_eq!(
            ended(&trial),
            "not settled: it would be tried again: 500 (event e1, 12.3 ms)"
        );
    }

    #[test]
    fn nothing_may_have_come_back() {
        let trial = trial(json!({
            "event": "e1", "settled": true, "outcome": "",
            "request": {"line": "PUBLISH t", "headers": [], "body": ""},
        }));
        assert_eq!(exchanged(&trial), ["> PUBLISH t"]);
        assert_eq!(ended(&trial), "settled (event e1, 0.0 ms)");
    }
}

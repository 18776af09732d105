//! What are the values of an event's message? An event only refers to them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::Event;
use crate::client::Client;
use crate::failure::Failure;

/// The values as a JSON list, or nothing if the event is not about a message. The error is one of the connection.
pub(crate) async fn values(client: &Client, event: &Event) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow, default)]
        value: Option<&'a RawValue>,
    }
    let Some(id) = event.message_id() else {
        return Ok(None);
    };
    let answer = client.get(client.scoped(&["messages", id, "data"])).await?;
    if !answer.status.is_success() {
        return Ok(None);
    }
    let Ok(data) = serde_json::from_str::<Vec<Data<'_>>>(&answer.body) else {
        return Ok(None);
    };
    let values: Vec<&str> = data
        .iter()
        .map(|data| data.value.map_or("null", RawValue::get))
        .collect();
    Ok(Some(format!("[{}]", values.join(","))))
}

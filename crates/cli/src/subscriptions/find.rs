//! Which subscription is meant by a name or an id?

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::read;
use crate::client::Client;
use crate::failure::Failure;
use crate::shown::plain;

/// A subscription as the API has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) transport: String,
    #[serde(default)]
    pub(crate) filter: Value,
    #[serde(default)]
    pub(crate) options: Value,
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) updated: Option<String>,
    #[serde(default)]
    pub(crate) status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// Left out where it is 0.
    #[serde(default)]
    pub(crate) current_offset: i64,
    #[serde(default)]
    pub(crate) seconds_behind: f64,
    #[serde(default)]
    pub(crate) in_flight: u64,
    #[serde(default)]
    pub(crate) oldest_in_flight: f64,
    #[serde(default)]
    pub(crate) state: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// The subscription of this name or id.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Subscription, Failure> {
    read(&find_raw(client, name).await?)
}

/// As [`find`], as the server wrote it.
pub(crate) async fn find_raw(client: &Client, name: &str) -> Result<Box<RawValue>, Failure> {
    if let Some(found) = find_if_there(client, name).await? {
        return Ok(found);
    }
    Err(Failure::failed(format!(
        "there is no subscription '{}' in the namespace '{}': `photinus subscription list` shows which there are, \
         and `photinus subscription create` makes one",
        plain(name),
        plain(client.namespace())
    )))
}

/// As [`find_raw`], or nothing.
pub(crate) async fn find_if_there(
    client: &Client,
    name: &str,
) -> Result<Option<Box<RawValue>>, Failure> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
        name: String,
    }
    let mut url = client.scoped(&["subscriptions"]);
    // A server that filters gives one; others give all, so the name is compared all the same.
    if !is_id(name) {
        url.query_pairs_mut()
            .append_pair("name", &format!("={name}"));
    }
    for subscription in client.list(url).await? {
        let named: Named = read(&subscription)?;
        if named.name == name || named.id.eq_ignore_ascii_case(name) {
            return Ok(Some(subscription));
        }
    }
    Ok(None)
}

/// Whether it looks like a UUID, which a name may not.
fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_name() {
        assert!(is_id("01a2b3c4-0000-7000-8000-00000000000F"));
        for name in [
            "app1",
            "",
            "01a2b3c4-0000-7000-8000-00000000000",
            "01a2b3c4-0000-7000-8000-00000000000x",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }
}

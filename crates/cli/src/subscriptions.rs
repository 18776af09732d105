//! How are subscriptions listed, created, updated, moved, paused, tried and deleted?

mod find;
mod parked;
mod pause;
mod rotate;
mod seek;
mod show;
mod trial;

pub(crate) use self::find::{Subscription, find_if_there};
pub(crate) use self::show::{head, listening};

use self::find::{find, find_raw};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::filter::{DeliveryArguments, FilterArguments, described};
use crate::notes::note;
use crate::out::Out;
use crate::shown::{plain, shortened, time};
use crate::table::Table;
use crate::target::Target;

pub(crate) const EXAMPLES: &str = "Examples:
  photinus subscription create app1 --topic '^orders$' --first-event oldest
  photinus subscription list
  photinus subscription show app1                  # where it is, how far behind, who listens
  photinus subscription seek app1 2026-11-22T08:00:00Z --dry-run   # where that is, and what would follow
  photinus subscription seek app1 oldest           # all of it again
  photinus subscription update app1 --tag '^paid$' --topic ''   # a test more, and one less
  photinus subscription create app2 --option 'retryPolicy={\"maxAttempts\":5,\"then\":\"park\"}' --option orderingKey=topic
  photinus subscription test app1                  # one event outside of its stream, and what was exchanged
  photinus subscription rotate-secret app1 --overlap 1h   # prints the new one
  photinus subscription parked list app2           # what it has set aside, and why
  photinus subscription parked replay app2 --all   # once that is mended
  photinus subscription delete app1
  photinus listen app1                             # prints its events";

/// A filter is cut to this many columns in a list; `show` has all of it.
const FILTER_COLUMNS_MAX: usize = 60;

/// What is done with subscriptions.
#[derive(Debug, Args)]
pub struct SubscriptionCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the durable subscriptions of the namespace
    #[command(visible_alias = "ls")]
    List,
    /// Creates a durable subscription
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        shape: Box<Shape>,
    },
    /// Shows one: what it wants, where it is, and who listens
    Show {
        /// Its name or id
        name: String,
    },
    /// Changes what is given and nothing else; an empty text ('') takes a test or an option away
    ///
    /// The offset stays where it is. What is in flight is delivered again.
    Update {
        /// Its name or id
        name: String,
        #[command(flatten)]
        shape: Box<Shape>,
    },
    /// Moves one to another place of the log: its events are delivered from there on
    ///
    /// What is in flight is voided, and answers to it change nothing.
    Seek {
        /// Its name or id
        name: String,
        /// oldest, newest, a sequence (what comes after it is next), a time such as 2026-11-22T08:00:00Z (the first
        /// event of then or later is next), or the id of an event (which is next)
        #[arg(allow_hyphen_values = true)]
        to: String,
        /// Only says where it would go, and how many events would follow
        #[arg(long)]
        dry_run: bool,
    },
    /// Has one deliver nothing, until it is resumed or until a time; also after a restart
    ///
    /// What its application has may be answered.
    Pause {
        /// Its name or id
        name: String,
        /// Until when, such as 2026-11-22T08:00:00Z; then it goes on by itself
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Why, for whoever asks
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Has one that was paused go on
    Resume {
        /// Its name or id
        name: String,
    },
    /// Tries one with one event, outside of its stream, and prints what was exchanged
    ///
    /// Status 1 if the event would not be settled by that. Nothing is moved or settled, also if it is paused.
    Test {
        /// Its name or id
        name: String,
        /// An event of the log, by its id; without it, a sample that never was there
        #[arg(long, value_name = "ID")]
        event: Option<String>,
    },
    /// Replaces the secret that one signs with, and prints the new one, once
    ///
    /// Its offset stays where it is. What is in flight is delivered again.
    RotateSecret {
        /// Its name or id
        name: String,
        /// The new secret [default: one that the transport makes]
        #[arg(long, value_name = "TEXT")]
        secret: Option<String>,
        /// How long the old one is used beside it, such as 90m; 0s for not at all [default: 24h]
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
    },
    /// Lists, shows, replays and discards the events that one has set aside
    Parked {
        #[command(subcommand)]
        action: parked::ParkedAction,
    },
    /// Deletes subscriptions and their offsets
    #[command(visible_alias = "rm")]
    Delete {
        /// Their names or ids
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// What a subscription is made of.
#[derive(Clone, Debug, Args)]
struct Shape {
    /// The transport that delivers its events [default: the server's, websockets]
    #[arg(long, value_name = "NAME")]
    transport: Option<String>,
    #[command(flatten)]
    filter: FilterArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    /// Whether the values of the message are delivered with each event, for transports that do that
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    with_data: Option<bool>,
    /// An option of the transport's own, such as url=https://example.com or retry={"count":3}; the value is JSON if
    /// it can be read as such, else text; without a value the option is taken away
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = option)]
    options: Vec<(String, Value)>,
}

impl Shape {
    /// An update that changes nothing would have what is in flight delivered again for nothing.
    fn check_update(&self) -> Result<(), Failure> {
        if self.delivery.first_event.is_some() {
            return Err(Failure::usage(
                "--first-event is for a new subscription: one that is there goes on from its offset",
            ));
        }
        let is_given = self.transport.is_some()
            || self.filter.is_given()
            || !self.delivery.given().is_empty()
            || self.with_data.is_some()
            || !self.options.is_empty();
        if is_given {
            return Ok(());
        }
        Err(Failure::usage(
            "nothing to change: say what is to be different",
        ))
    }

    fn change(&self, subscription: &mut Map<String, Value>) {
        if let Some(transport) = &self.transport {
            subscription.insert("transport".into(), transport.as_str().into());
        }
        let mut part = |key: &str| {
            let part = subscription.remove(key);
            part.filter(Value::is_object).unwrap_or_else(|| json!({}))
        };
        let (mut filter, mut options) = (part("filter"), part("options"));
        self.filter.change(&mut filter);
        if let Value::Object(options) = &mut options {
            self.delivery.change(options);
            if let Some(with_data) = self.with_data {
                options.insert("withData".into(), with_data.into());
            }
            for (key, value) in &self.options {
                options.insert(key.clone(), value.clone());
            }
        }
        subscription.insert("filter".into(), filter);
        subscription.insert("options".into(), options);
    }
}

fn option(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("expected KEY=VALUE")?;
    // The server takes a null for "not there".
    let value = match value {
        "" => Value::Null,
        value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
    };
    Ok((key.to_owned(), value))
}

impl SubscriptionCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.target)?;
        let mut out = Out::new();
        let json = self.target.json;
        match self.action {
            Action::List => list(&client, json, &mut out).await,
            Action::Create { name, shape } => {
                let mut body = Map::from_iter([("name".to_owned(), Value::from(name))]);
                shape.change(&mut body);
                let body = Value::Object(body).to_string();
                let url = client.scoped(&["subscriptions"]);
                let answer = client.send(Method::POST, url, body).await?.success()?;
                show::print(&client, &answer.body, json, &mut out).await
            }
            Action::Show { name } => show::run(&client, &name, json, &mut out).await,
            Action::Update { name, shape } => {
                shape.check_update()?;
                let mut body: Map<String, Value> = read(&find_raw(&client, &name).await?)?;
                shape.change(&mut body);
                let body = Value::Object(body).to_string();
                let url = client.scoped(&["subscriptions"]);
                let answer = client.send(Method::PUT, url, body).await?.success()?;
                show::print(&client, &answer.body, json, &mut out).await
            }
            Action::Seek { name, to, dry_run } => {
                seek::run(&client, &name, &to, dry_run, json, &mut out).await
            }
            Action::Pause {
                name,
                until,
                reason,
            } => {
                let body = json!({"until": until, "reason": reason});
                pause::run(&client, &name, "pause", body, json, &mut out).await
            }
            Action::Resume { name } => {
                pause::run(&client, &name, "resume", json!({}), json, &mut out).await
            }
            Action::Test { name, event } => trial::run(&client, &name, event, json, &mut out).await,
            Action::RotateSecret {
                name,
                secret,
                overlap,
            } => rotate::run(&client, &name, secret, overlap, json, &mut out).await,
            Action::Parked { action } => action.run(&client, json, &mut out).await,
            Action::Delete { names } => {
                for name in names {
                    let found = find(&client, &name).await?;
                    let url = client.scoped(&["subscriptions", &found.id]);
                    client.delete(url).await?.success()?;
                    note(&format!("deleted {}", plain(&found.name)));
                }
                Ok(())
            }
        }
    }
}

async fn list(client: &Client, json: bool, out: &mut Out) -> Result<(), Failure> {
    let all = client.list(client.scoped(&["subscriptions"])).await?;
    if json {
        for subscription in all {
            out.json(subscription.get()).await?;
        }
        return out.flush().await;
    }
    if all.is_empty() {
        note("no subscriptions yet: `photinus subscription create NAME` makes one");
        return Ok(());
    }
    let mut table = Table::new(["NAME", "TRANSPORT", "FILTER", "CREATED"]);
    for subscription in all {
        let subscription: Subscription = read(&subscription)?;
        table.row([
            subscription.name,
            subscription.transport,
            shortened(&described(&subscription.filter), FILTER_COLUMNS_MAX),
            time(&subscription.created),
        ]);
    }
    table.print(out).await
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(json: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(json.get())
        .map_err(|error| Failure::failed(format!("the server's answer is not understood: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        shape: Shape,
    }

    #[test]
    fn an_update_changes_what_is_given_and_nothing_else() {
        let mut stored = json!({
            "id": "x", "name": "app1", "transport": "webhooks",
            "filter": {"topic": "^a$", "message": {"tag": "t"}, "transaction": {}},
            "options": {"firstEvent": "5", "url": "u", "headers": {"a": "b"}},
        });
        let words = [
            "x",
            "--tag",
            "u",
            "--topic",
            "",
            "--read-ahead=7",
            "--with-data=false",
            "--option",
            "url=v",
            "--option",
            "retry={\"count\":3}",
            "--option",
            "headers=",
        ];
        let Value::Object(stored) = &mut stored else {
            unreachable!()
        };
        Line::try_parse_from(words).unwrap().shape.change(stored);
        assert_eq!(
            Value::Object(stored.clone()),
            json!({
                "id": "x", "name": "app1", "transport": "webhooks",
                "filter": {"topic": "", "message": {"tag": "u"}, "transaction": {}},
                "options": {
                    "firstEvent": "5", "url": "v", "headers": null, "readAhead": 7, "withData": false,
                    "retry": {"count": 3},
                },
            })
        );
    }

    #[test]
    fn an_option_has_a_name() {
        assert_eq!(option("a=b=c").unwrap(), ("a".to_owned(), json!("b=c")));
        assert_eq!(option("a=true").unwrap().1, json!(true));
        assert!(option("=b").is_err());
        assert!(option("a").is_err());
    }
}

//! How are events listened to from a shell?

mod events;
mod exec;
mod render;
mod session;
mod values;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

pub(crate) use self::events::{Event, Frame, frame};
pub(crate) use self::values::values;

use self::session::{Session, Start};
use crate::client::Client;
use crate::failure::Failure;
use crate::filter::{DeliveryArguments, FilterArguments, described};
use crate::notes::{note, warn};
use crate::shown::plain;
use crate::signals::Interrupt;
use crate::subscriptions::{Subscription, find_if_there, head, listening, read};
use crate::target::Target;

pub(crate) const EXAMPLES: &str = "With a name, the events of that durable subscription: an event is acknowledged when it was printed, and the next
`listen` goes on after the last one, whatever happened in between. Without a name, the events from now on, or from
--first-event on, that match the filter; nothing is remembered.

A lost connection, or a server that starts again, is waited for. Ctrl-C ends it with status 130, when all that was
printed is acknowledged.

Examples:
  photinus listen                                  # everything, from now on
  photinus listen --topic '^orders$' --first-event oldest --count 10
  photinus listen app1 --create --tag '^paid$'     # durable; made if it is not there
  photinus listen app1 --json | jq -r .message.header.id
  photinus listen app1 --exec './bill.sh'          # one run for each event, with the event on its standard input
  photinus listen app1 --no-ack                    # looks, and leaves everything where it is";

/// Events that are on their way at once where nobody says, for a stream that is printed.
const READ_AHEAD: u16 = 100;

/// What is listened to.
#[derive(Debug, Args)]
pub struct Listen {
    /// A durable subscription; without one, everything that matches the filter, and nothing is remembered
    name: Option<String>,
    /// Listens without a durable subscription, as no name does
    #[arg(long, conflicts_with_all = ["name", "create"])]
    ephemeral: bool,
    /// Creates the subscription if it is not there, with the filter and the delivery that are given
    #[arg(long, requires = "name")]
    create: bool,
    /// Ends after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Runs a command (with `sh -c`) for each event, with the event and its "values" as JSON on its standard input;
    /// status 0 acknowledges the event, any other has it delivered again
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_ack")]
    exec: Option<String>,
    /// Acknowledges nothing: at most read-ahead + 1 events are shown, and they come again
    #[arg(long)]
    no_ack: bool,
    /// Fetches the values of each message, and shows them; with --json and --exec as "values" [default: only without --json]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    with_data: Option<bool>,
    #[command(flatten)]
    filter: FilterArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    target: Target,
}

impl Listen {
    pub(crate) async fn run(self, interrupt: &mut Interrupt) -> Result<(), Failure> {
        self.check()?;
        let client = Client::new(&self.target)?;
        let start = match &self.name {
            Some(name) => interrupt.stops(self.durable(&client, name)).await?,
            None => interrupt.stops(self.ephemeral(&client)).await?,
        };
        let session = Session {
            json: self.target.json,
            with_data: self.with_data.unwrap_or(!self.target.json),
            acks: !self.no_ack,
            count: self.count,
            exec: self.exec,
            client,
        };
        session.run(start, interrupt).await
    }

    fn check(&self) -> Result<(), Failure> {
        if self.name.is_none() || self.create {
            return Ok(());
        }
        let delivery = self.delivery.given();
        if !self.filter.is_given() && delivery.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(
            "a durable subscription has its filter and delivery already: change them with `photinus subscription update`, \
             or add --create to make it with these if it is not there",
        ))
    }

    async fn durable(&self, client: &Client, name: &str) -> Result<Start, Failure> {
        let found = match find_if_there(client, name).await? {
            Some(found) => {
                let found: Subscription = read(&found)?;
                if self.create && self.filter.is_given() {
                    self.compare(&found);
                }
                found
            }
            None if self.create => self.created(client, name).await?,
            None => {
                return Err(Failure::failed(format!(
                    "there is no subscription '{}' in the namespace '{}': add --create to make it, or make it with \
                     `photinus subscription create`",
                    plain(name),
                    plain(client.namespace())
                )));
            }
        };
        if found.transport != "websockets" {
            return Err(Failure::failed(format!(
                "'{}' delivers over {}, and not to those who listen",
                plain(&found.name),
                plain(&found.transport)
            )));
        }
        let others = listening(client, client.namespace(), &found.name).await?;
        if let Some(other) = others.first() {
            let address = other["remoteAddress"].as_str().unwrap_or_default();
            warn(&format!(
                "{} listens to '{}' already: this one gets its events when that one has ended",
                plain(address),
                plain(&found.name)
            ));
        }
        Ok(Start::Durable { name: found.name })
    }

    async fn created(&self, client: &Client, name: &str) -> Result<Subscription, Failure> {
        let mut options = Map::new();
        self.delivery.change(&mut options);
        options.entry("readAhead").or_insert(READ_AHEAD.into());
        let body = json!({
            "name": name,
            "transport": "websockets",
            "filter": self.filter.to_json(),
            "options": options,
        });
        let url = client.scoped(&["subscriptions"]);
        let answer = client.send(Method::POST, url, body.to_string()).await?;
        let created: Subscription = answer.success()?.json()?;
        note(&format!("created the subscription '{}'", plain(name)));
        Ok(created)
    }

    /// A subscription that is there keeps what it has.
    fn compare(&self, found: &Subscription) {
        let mut wanted = found.filter.clone();
        self.filter.change(&mut wanted);
        if wanted != found.filter {
            warn(&format!(
                "'{}' is there already, and keeps its filter ({}); `photinus subscription update` changes it",
                plain(&found.name),
                plain(&described(&found.filter))
            ));
        }
    }

    async fn ephemeral(&self, client: &Client) -> Result<Start, Failure> {
        let mut options = Map::new();
        self.delivery.change(&mut options);
        options.entry("readAhead").or_insert(READ_AHEAD.into());
        // From an event that is known, so that nothing is missed while a connection is lost.
        let newest = head(client).await?;
        if options
            .get("firstEvent")
            .is_none_or(|first| first == "newest")
        {
            options.insert("firstEvent".into(), newest.to_string().into());
        }
        Ok(Start::Ephemeral {
            filter: self.filter.to_json(),
            options: Value::Object(options),
        })
    }
}

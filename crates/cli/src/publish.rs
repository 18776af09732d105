//! What is published, and where does it come from?

mod answers;
mod body;
mod bulk;
mod lines;
mod progress;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::body::{Form, Header, MessageInput};
use self::bulk::Bulk;
use crate::client::Client;
use crate::failure::Failure;
use crate::out::Out;
use crate::shown::plain_lines;
use crate::signals::Interrupt;
use crate::target::{Target, duration};

pub(crate) const EXAMPLES: &str = "What is JSON and what is text:
  A value on the command line is JSON if it can be read as JSON, else it is text: hello, 42, true and {\"a\":1} are
  what they look like, and '\"42\"' is the text 42. --as text and --as json leave no room for doubt.
  In a file, or on standard input, each line is a message as the API takes it: {\"header\":{…},\"data\":[{\"value\":…}]}.
  With --as json, auto or text (--lines) each line is a value instead. Blank lines are left out.
  Options such as --topic fill in what a message does not say itself.

Output:
  The id of each message on the command line, or with --request the values of the reply. Lines are only counted,
  on standard error. With --json: what the server answered, an object for each message.

Examples:
  photinus publish 'Hello, Ada'
  photinus publish --topic orders --tag new '{\"order\":17}'
  photinus publish --request --to org_1 --tag ask 'six times nine?'
  photinus publish --file messages.ndjson --idempotency-prefix import-7
  jq -c '.orders[]' orders.json | photinus publish - --as json --topic orders
  tail -f app.log | photinus publish - --lines --topic log";

/// Where lines come from instead of a file.
const STDIN: &str = "-";

/// What is published.
#[derive(Debug, Args)]
pub struct Publish {
    /// The values, one message each; `-` reads lines from standard input
    #[arg(value_name = "VALUE")]
    values: Vec<String>,
    /// Publishes the lines of a file; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "values")]
    file: Option<PathBuf>,
    /// What a value, or a line, is [default: auto; for lines: message]
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
    /// Each line is a text: --as text
    #[arg(long, conflicts_with = "form")]
    lines: bool,
    #[command(flatten)]
    header: Header,
    /// Waits until the message is confirmed
    #[arg(long, conflicts_with_all = ["request", "file"])]
    confirm: bool,
    /// Waits for the reply to it, as long as --timeout says, and prints that
    #[arg(long, conflicts_with = "file")]
    request: bool,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    target: Target,
}

/// What there is to say about many lines.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Lines")]
pub(crate) struct Many {
    /// Gives each line without an idempotency key the key PREFIX-<line>: nothing is published twice, whatever is repeated
    #[arg(long, value_name = "PREFIX", conflicts_with = "idempotency_key")]
    idempotency_prefix: Option<String>,
    /// Begins with this line
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Writes what was refused into this file, an object a line with the line's number, the error and the line itself
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// How long a lost connection is tried again before it is given up
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    retry_for: Duration,
}

impl Publish {
    pub(crate) async fn run(mut self, interrupt: &mut Interrupt) -> Result<(), Failure> {
        self.header.check()?;
        let client = Client::new(&self.target)?;
        if self.lines {
            self.form = Some(Form::Text);
        }
        if let Some(file) = self.lines_from()? {
            let form = self.form.unwrap_or(Form::Message);
            let input = MessageInput::new(form, self.header, self.many.idempotency_prefix.clone());
            return Bulk::new(client, input, &self.many, self.target.json)
                .run(&file, interrupt)
                .await;
        }
        interrupt.stops(self.publish_values(&client)).await
    }

    /// The file whose lines are meant, if lines are.
    fn lines_from(&self) -> Result<Option<PathBuf>, Failure> {
        let file = match (&self.file, self.values.as_slice()) {
            (Some(file), _) => file.clone(),
            (None, [only]) if only == STDIN => STDIN.into(),
            (None, []) => {
                return Err(Failure::usage(
                    "nothing to publish: give a value, a --file, or `-` for standard input; \
                     `photinus publish --help` has examples",
                ));
            }
            (None, values) => {
                if values.iter().any(|value| value == STDIN) {
                    return Err(Failure::usage(
                        "`-` stands for standard input, and then there are no other values",
                    ));
                }
                if self.many.from_line != 1 || self.many.errors.is_some() {
                    return Err(Failure::usage(
                        "--from-line and --errors are for lines: name a --file, or `-` for standard input",
                    ));
                }
                return Ok(None);
            }
        };
        if self.confirm || self.request {
            return Err(Failure::usage(
                "--confirm and --request are for values on the command line; lines are answered when they are confirmed",
            ));
        }
        if self.header.idempotency_key.is_some() {
            return Err(Failure::usage(
                "one --idempotency-key is for one message; lines get theirs with --idempotency-prefix",
            ));
        }
        Ok(Some(file))
    }

    async fn publish_values(self, client: &Client) -> Result<(), Failure> {
        if self.values.len() > 1 && self.header.idempotency_key.is_some() {
            return Err(Failure::usage(
                "one --idempotency-key is for one message; several get theirs with --idempotency-prefix",
            ));
        }
        let form = self.form.unwrap_or(Form::Auto);
        let prefix = self.many.idempotency_prefix.clone();
        let input = MessageInput::new(form, self.header, prefix);
        // All are looked at before the first is published.
        let bodies: Vec<_> = (1..)
            .zip(&self.values)
            .map(|(number, value)| input.body(number, value))
            .collect::<Result<_, _>>()
            .map_err(Failure::Usage)?;
        let mut out = Out::new();
        for body in bodies {
            let route = match (self.request, body.is_private) {
                (true, _) => "requestreply",
                (false, true) => "private",
                (false, false) => "broadcast",
            };
            let mut url = client.scoped(&["messages", route]);
            if self.confirm {
                url.set_query(Some("confirm=true"));
            }
            let answer = client.send_and_wait(url, body.json).await?.success()?;
            match (self.target.json, self.request) {
                (true, _) => out.json(&answer.body).await?,
                (false, true) => print_values(&answer.json()?, &mut out).await?,
                (false, false) => out.line(&answer.json::<Message>()?.header.id).await?,
            }
            out.flush().await?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Message {
    header: MessageHeader,
    #[serde(default)]
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct MessageHeader {
    id: String,
}

#[derive(Deserialize)]
struct Data {
    value: Option<Box<RawValue>>,
}

/// Each value of a message on its line, a text as it is.
async fn print_values(message: &Message, out: &mut Out) -> Result<(), Failure> {
    for value in message.data.iter().filter_map(|data| data.value.as_ref()) {
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) if out.is_terminal() => out.line(&plain_lines(&text)).await?,
            Ok(text) => out.line(&text).await?,
            Err(_) => out.json(value.get()).await?,
        }
    }
    Ok(())
}

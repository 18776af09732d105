//! How are namespaces listed, created and shown?

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::failure::Failure;
use crate::out::Out;
use crate::shown::time;
use crate::table::{Table, print_fields};
use crate::target::Target;

pub(crate) const EXAMPLES: &str = "Examples:
  photinus namespace list
  photinus namespace create plant-7 --description 'The plant in Turin'
  photinus publish --namespace plant-7 'Here we go'";

/// What is done with namespaces.
#[derive(Debug, Args)]
pub struct NamespaceCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all namespaces
    #[command(visible_alias = "ls")]
    List,
    /// Creates a namespace
    Create {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Shows one namespace
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Deserialize)]
struct Namespace {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    created: Option<String>,
}

impl NamespaceCommand {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.target)?;
        let mut out = Out::new();
        let json = self.target.json;
        match self.action {
            Action::List => list(&client, json, &mut out).await,
            Action::Create { name, description } => {
                let body = json!({"name": name, "description": description}).to_string();
                let url = client.global(&["namespaces"]);
                let answer = client.send(Method::POST, url, body).await?.success()?;
                print(&answer.body, json, &mut out).await
            }
            Action::Show { name } => {
                let url = client.global(&["namespaces", &name]);
                let answer = client.get(url).await?.success()?;
                print(&answer.body, json, &mut out).await
            }
        }
    }
}

async fn list(client: &Client, json: bool, out: &mut Out) -> Result<(), Failure> {
    let answer = client
        .get(client.global(&["namespaces"]))
        .await?
        .success()?;
    if json {
        for namespace in answer.json::<Vec<Box<RawValue>>>()? {
            out.json(namespace.get()).await?;
        }
        return out.flush().await;
    }
    let mut table = Table::new(["NAME", "CREATED", "DESCRIPTION"]);
    for namespace in answer.json::<Vec<Namespace>>()? {
        table.row([
            namespace.name,
            namespace.created.as_deref().map(time).unwrap_or_default(),
            namespace.description,
        ]);
    }
    table.print(out).await
}

async fn print(body: &str, json: bool, out: &mut Out) -> Result<(), Failure> {
    if json {
        out.json(body).await?;
        return out.flush().await;
    }
    let namespace: Namespace = serde_json::from_str(body).map_err(|error| {
        Failure::failed(format!("the server's answer is not understood: {error}"))
    })?;
    let fields = [
        ("Name", namespace.name),
        ("Description", namespace.description),
        (
            "Created",
            namespace.created.as_deref().map(time).unwrap_or_default(),
        ),
    ];
    print_fields(&fields, out).await
}

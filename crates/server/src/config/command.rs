//! What does `photinus config` do?

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Subcommand;

use super::environment::Environment;
use super::{Configuration, reference, show};
use crate::cli::Arguments;
use crate::complain;

/// Looks at the configuration; starts nothing.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints what is in force and where it comes from, as TOML; secrets as ***
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print a file to begin with instead: every key with its meaning and its default
        #[arg(long, conflicts_with = "json")]
        default: bool,
        #[command(flatten)]
        arguments: Arguments,
    },
    /// Checks everything as at a start; ends with status 2 if something is wrong
    Check(Arguments),
    /// Prints the JSON Schema of the configuration file, for editors
    Schema,
    /// Prints the reference of every key, in Markdown
    Reference,
}

/// Runs to its end; the status is 2 if the configuration is wrong.
pub(crate) fn run(command: ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Schema => print(&super::schema().to_json()),
        ConfigCommand::Reference => print(&reference::page(&super::schema())),
        ConfigCommand::Show { default: true, .. } => print(&show::template(&super::schema())),
        ConfigCommand::Show {
            json, arguments, ..
        } => match load(arguments) {
            Ok(configuration) if json => print(&show::json(&configuration)),
            Ok(configuration) => print(&show::toml(&configuration)),
            Err(status) => status,
        },
        ConfigCommand::Check(arguments) => match load(arguments) {
            Ok(configuration) => {
                let file = configuration.file.as_ref();
                let file = file.map_or("no file".into(), |path| path.display().to_string());
                print(&format!("The configuration is right ({file}).\n"))
            }
            Err(status) => status,
        },
    }
}

fn load(arguments: Arguments) -> Result<Configuration, ExitCode> {
    let configuration = Configuration::load(arguments, &Environment::of_process())
        .map_err(|mistakes| complain(2, &mistakes.to_string()))?;
    for warning in &configuration.warnings {
        let _ = writeln!(std::io::stderr(), "photinus: warning: {warning}");
    }
    Ok(configuration)
}

fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who has stopped reading has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(1, &format!("cannot write to standard output: {error}")),
    }
}

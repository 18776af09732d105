//! How does the process begin and end?
//!
//! `photinus` is the one binary, and this crate the only one that knows which stores and transports there
//! are. It ends with status 0 when it was asked to stop, 1 if it could not start or not stop cleanly, and 2
//! if it was told something that cannot be meant. A second signal ends it at once, with the status that
//! shells give to that signal.

mod cli;
mod config;
mod files;
mod heads;
mod listen;
mod logging;
mod metrics;
mod monitoring;
mod patience;
mod registry;
mod run;
mod signals;

#[doc(hidden)]
pub mod fuzzing;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Arguments, Cli, Command};
use crate::config::Configuration;
use crate::config::environment::Environment;

/// The whole life of the process.
pub fn main() -> ExitCode {
    match Cli::parse().into_command() {
        Command::Serve(arguments) => serve(arguments),
        Command::Config(command) => config::command::run(command),
        Command::Client(command) => command.run(Cli::command()),
    }
}

fn serve(arguments: Arguments) -> ExitCode {
    let configuration = match Configuration::load(arguments, &Environment::of_process()) {
        Ok(configuration) => configuration,
        Err(mistakes) => return complain(2, &mistakes.to_string()),
    };
    let settings = configuration.settings;
    logging::start(&settings.log);
    if let Some(file) = configuration.file {
        tracing::info!(file = %file.display(), "read the configuration");
    }
    for warning in configuration.warnings {
        tracing::warn!("{warning}");
    }
    files::raise_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(1, &format!("cannot start threads: {error}")),
    };
    let ended = runtime.block_on(run::serve(settings));
    // Whatever still runs has been given its time, or never began to matter.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error),
    }
}

/// A line on standard error for each line of the error; where nobody reads it, the status still tells.
fn complain(status: u8, error: &str) -> ExitCode {
    for line in error.lines() {
        let _ = writeln!(std::io::stderr(), "photinus: {line}");
    }
    ExitCode::from(status)
}

//! What does a fuzzer reach of what the server is told?
//!
//! Not for use.

use std::ffi::OsString;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::Configuration;
use crate::config::environment::Environment;

/// What a server was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The settings, in words that can be compared.
    pub settings: String,
    /// What `photinus config show` prints of them.
    pub shown: String,
}

/// The settings of a command line, of the files that it names, and of an environment; or the mistakes, a line
/// each. `None` if the command line itself is refused, or starts no server.
pub fn settings(
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
) -> Option<Result<Told, String>> {
    let Command::Serve(arguments) = Cli::try_parse_from(arguments).ok()?.into_command() else {
        return None;
    };
    let configuration = Configuration::load(arguments, &Environment::new(environment));
    Some(match configuration {
        Ok(configuration) => Ok(Told {
            settings: format!("{:?}", configuration.settings),
            shown: configuration.to_toml(),
        }),
        Err(mistakes) => Err(mistakes.to_string()),
    })
}

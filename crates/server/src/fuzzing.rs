//! What does a fuzzer reach of what the server is told?
//!
//! Not for use.

use std::ffi::OsString;

use clap::Parser;

use crate::cli::Cli;
use crate::config::Settings;

/// The settings of a command line and of the files that it names, in words that can be compared; or the
/// error. `None` if the command line itself is refused.
pub fn settings(arguments: Vec<OsString>) -> Option<Result<String, String>> {
    let cli = Cli::try_parse_from(arguments).ok()?;
    Some(Settings::load(cli.into_arguments()).map(|settings| format!("{settings:?}")))
}

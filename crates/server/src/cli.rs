//! What can be said on the command line?

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::command::ConfigCommand;
use crate::logging::{Format, Level};

/// One durable, ordered stream of events for every application, over the transport it speaks.
///
/// FireFly's clients work with it unmodified. What is said here counts before the environment
/// (PHOTINUS__SECTION__KEY), and that before the configuration file.
#[derive(Debug, Parser)]
#[command(name = "photinus", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    arguments: Arguments,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server, as `photinus` without a command does.
    Serve(Arguments),
    #[command(flatten)]
    Client(photinus_cli::Command),
    /// Shows, checks and documents the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What the server is told.
#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// Where the API and the transports' paths are served; port 0 takes any free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where /metrics, /livez and /readyz are served [default: 127.0.0.1:6000]
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub(crate) monitoring: Option<SocketAddr>,
    /// The directory of the data, created if it is not there [default: ./photinus-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file (TOML) [default: photinus.toml, if it is there] [env: PHOTINUS_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How the log on standard error is written [default: text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<Format>,
    /// What is logged: off, error, warn, info, debug or trace, also by part, such as info,photinus_engine=debug
    /// [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<Level>,
}

impl Cli {
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.arguments))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:5000, 0.0.0.0:5000 or [::1]:5000"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_help_is_the_one_that_was_agreed_on() {
        let help = Cli::command()
            .term_width(100)
            .render_long_help()
            .to_string();
        // Cargo runs a test in the directory of its package.
        let path = "tests/help.txt";
        let agreed = std::fs::read_to_string(path).unwrap_or_default();
        if help != agreed {
            let found = std::env::temp_dir().join("photinus-help.txt");
            std::fs::write(&found, &help).unwrap();
            panic!(
                "the help differs from {path}; what it is now is in {}",
                found.display()
            );
        }
    }

    fn told(arguments: &[&str]) -> Arguments {
        match Cli::try_parse_from(arguments).unwrap().into_command() {
            Command::Serve(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_may_be_left_out() {
        for arguments in [
            &["photinus", "--data", "d"][..],
            &["photinus", "serve", "--data", "d"],
        ] {
            assert_eq!(told(arguments).data, Some(PathBuf::from("d")));
        }
        assert!(Cli::try_parse_from(["photinus", "--listen", "localhost:5000"]).is_err());
        assert!(Cli::try_parse_from(["photinus", "--log-level", "loud"]).is_err());
        let v6 = told(&["photinus", "--listen", "[::1]:0"]);
        assert_eq!(v6.listen, Some("[::1]:0".parse().unwrap()));
    }
}

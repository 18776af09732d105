//! What can a person at a shell do with a server?
//!
//! Publish, listen, and look after subscriptions and namespaces: all by HTTP and WebSocket, as any other client. Data goes
//! to standard output and nothing else does; what is said about it goes to standard error. A command ends with status 0,
//! with 1 if it failed, with 2 if it cannot be meant, and after a signal with the status that shells give to
//! it (130 after Ctrl-C).

mod client;
mod clock;
mod completions;
mod demo;
mod failure;
mod filter;
mod listen;
mod namespaces;
mod notes;
mod out;
mod publish;
mod shown;
mod signals;
mod socket;
mod subscriptions;
mod table;
mod target;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::signals::Interrupt;

/// The commands that are clients of a server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publishes messages: from arguments, a file or standard input
    #[command(after_long_help = publish::EXAMPLES)]
    Publish(Box<publish::Publish>),
    /// Prints events as they come, and acknowledges them
    #[command(after_long_help = listen::EXAMPLES)]
    Listen(Box<listen::Listen>),
    /// Lists, creates, shows, updates, moves, pauses and deletes subscriptions
    #[command(after_long_help = subscriptions::EXAMPLES)]
    #[command(visible_alias = "sub")]
    Subscription(Box<subscriptions::SubscriptionCommand>),
    /// Lists, creates and shows namespaces
    #[command(after_long_help = namespaces::EXAMPLES)]
    #[command(visible_alias = "ns")]
    Namespace(Box<namespaces::NamespaceCommand>),
    /// Shows in ten seconds what this is about: publish, deliver, kill, resume
    Demo(demo::Demo),
    /// Prints a script that lets a shell complete these commands
    #[command(after_long_help = completions::EXAMPLES)]
    Completions(completions::Completions),
}

impl Command {
    /// Runs the command to its end. `whole` is the command line that it is a part of.
    pub fn run(self, whole: clap::Command) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => return Failure::failed(format!("cannot start: {error}")).exit(),
        };
        let ended = runtime.block_on(self.perform(whole));
        // A thread may still wait for standard input.
        runtime.shutdown_background();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.exit(),
        }
    }

    async fn perform(self, whole: clap::Command) -> Result<(), Failure> {
        let mut interrupt = Interrupt::new()?;
        match self {
            Command::Publish(publish) => publish.run(&mut interrupt).await,
            Command::Listen(listen) => listen.run(&mut interrupt).await,
            Command::Subscription(command) => interrupt.stops(command.run()).await,
            Command::Namespace(command) => interrupt.stops(command.run()).await,
            Command::Demo(demo) => interrupt.stops(demo.run()).await,
            Command::Completions(command) => command.run(whole).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(name = "photinus")]
    struct Whole {
        #[command(subcommand)]
        _command: Command,
    }

    fn write_help(command: &mut clap::Command, help: &mut String) {
        let name = command.get_bin_name().unwrap_or_default().to_owned();
        write!(help, "=== {name} --help\n{}\n", command.render_long_help()).unwrap();
        for command in command.get_subcommands_mut() {
            if command.get_name() != "help" {
                write_help(command, help);
            }
        }
    }

    #[test]
    fn the_help_is_the_one_that_was_agreed_on() {
        let mut whole = Whole::command().term_width(100);
        whole.build();
        let mut help = String::new();
        for command in whole.get_subcommands_mut() {
            if command.get_name() != "help" {
                write_help(command, &mut help);
            }
        }
        // Cargo runs a test in the directory of its package.
        let path = "tests/help.txt";
        let agreed = std::fs::read_to_string(path).unwrap_or_default();
        if help != agreed {
            let found = std::env::temp_dir().join("photinus-cli-help.txt");
            std::fs::write(&found, &help).unwrap();
            panic!(
                "the help differs from {path}; what it is now is in {}",
                found.display()
            );
        }
    }

    #[test]
    fn the_commands_are_sound() {
        Whole::command().debug_assert();
    }
}

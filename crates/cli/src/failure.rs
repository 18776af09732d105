//! How does a command end that did not end well?

use std::io::{self, Write};
use std::process::ExitCode;

use crate::shown::plain_lines;

/// Why a command ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It failed, and this says why and what to do: status 1.
    Failed(String),
    /// It cannot be meant: status 2.
    Usage(String),
    /// It failed, and everything was said: status 1.
    Said,
    /// Nobody reads standard output any more, as after `| head`: status 0, without a word.
    ReaderGone,
    /// A signal: the status that shells give to it.
    Signal(u8),
}

impl Failure {
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Failure::Failed(text.into())
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure::Usage(text.into())
    }

    /// Why standard output took no more.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Failed(format!("cannot write to standard output: {error}")),
        }
    }

    /// Says it on standard error, where there is something to say, and gives the status of the process.
    pub(crate) fn exit(self) -> ExitCode {
        let (status, text) = match self {
            Failure::Failed(text) => (1, text),
            Failure::Usage(text) => (2, text),
            Failure::Said => return ExitCode::from(1),
            Failure::ReaderGone => return ExitCode::SUCCESS,
            Failure::Signal(status) => return ExitCode::from(status),
        };
        // It may repeat what the server said.
        let _ = writeln!(io::stderr(), "photinus: {}", plain_lines(&text));
        ExitCode::from(status)
    }
}

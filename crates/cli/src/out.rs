//! How does data get to standard output?
//!
//! Whole lines, flushed when they have to be there, and without holding up anything else while a reader is slow.

use std::io::IsTerminal;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use tokio::io::{AsyncWriteExt, Stdout};

use crate::failure::Failure;

/// Lines are collected up to this many bytes before they are written without having to be.
const COLLECTED_BYTES_MAX: usize = 64 << 10;

/// Standard output.
pub(crate) struct Out {
    stdout: Stdout,
    collected: Vec<u8>,
    colour: bool,
    terminal: bool,
}

impl Out {
    pub(crate) fn new() -> Self {
        let stdout = std::io::stdout();
        Self {
            colour: AutoStream::choice(&stdout) != ColorChoice::Never,
            terminal: stdout.is_terminal(),
            stdout: tokio::io::stdout(),
            collected: Vec::new(),
        }
    }

    /// Whether somebody looks at it, rather than a program.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// How text is dressed here.
    pub(crate) fn paint(&self) -> Paint {
        Paint(self.colour)
    }

    /// One line, without its end. It is written at the next flush at the latest.
    pub(crate) async fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.collected.extend_from_slice(text.as_bytes());
        self.collected.push(b'\n');
        if self.collected.len() >= COLLECTED_BYTES_MAX {
            self.write().await?;
        }
        Ok(())
    }

    /// JSON that another program wrote, as one line.
    pub(crate) async fn json(&mut self, text: &str) -> Result<(), Failure> {
        self.line(&one_line(text)).await
    }

    /// Returns when the reader's pipe, or the terminal, has all of it.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        self.write().await?;
        let flushed = self.stdout.flush().await;
        flushed.map_err(|error| Failure::of_output(&error))
    }

    async fn write(&mut self) -> Result<(), Failure> {
        let written = self.stdout.write_all(&self.collected).await;
        self.collected.clear();
        written.map_err(|error| Failure::of_output(&error))
    }
}

/// Dresses text, or leaves it as it is.
#[derive(Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    pub(crate) fn dress(self, style: Style, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// Line ends in JSON stand between its tokens only, so a blank means the same.
fn one_line(json: &str) -> String {
    json.trim().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_line_however_it_was_written() {
        assert_eq!(
            one_line("{\r\n \"a\": \"x\\ny\"\n}\n"),
            r#"{   "a": "x\ny" }"#
        );
    }
}

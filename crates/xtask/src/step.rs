//! How is one step run, timed and reported?

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps so far, for the summary.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

struct Done {
    heading: &'static str,
    elapsed: Duration,
    /// The command that failed, for the reader to repeat.
    failed: Option<String>,
}

impl Steps {
    /// Runs a step that is no command. Its error ends everything, and says what to do about it.
    pub(crate) fn task(
        &mut self,
        heading: &'static str,
        task: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        println!("── {heading}");
        let start = now();
        task()?;
        self.finish(heading, start, None);
        Ok(())
    }

    /// Runs a command with its output shown as it comes. Whether it succeeded.
    pub(crate) fn command(
        &mut self,
        heading: &'static str,
        shown: &str,
        mut command: Command,
    ) -> Result<bool> {
        println!("── {heading}: {shown}");
        let start = now();
        let status = command
            .status()
            .with_context(|| format!("could not start `{shown}`"))?;
        Ok(self.finish(heading, start, (!status.success()).then_some(shown)))
    }

    /// As [`Steps::command`], and `read` sees every line of its standard output too.
    pub(crate) fn command_read(
        &mut self,
        heading: &'static str,
        shown: &str,
        mut command: Command,
        mut read: impl FnMut(&str),
    ) -> Result<bool> {
        println!("── {heading}: {shown}");
        let start = now();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{shown}`"))?;
        let output = child.stdout.take().context("its output is piped")?;
        // By bytes, since a test may print what is no UTF-8.
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.flush()?;
            read(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        let status = child.wait()?;
        Ok(self.finish(heading, start, (!status.success()).then_some(shown)))
    }

    /// One line a step with its time, and how to repeat what failed.
    pub(crate) fn print_summary(&self) {
        println!("\n── Summary");
        for done in &self.done {
            let mark = if done.failed.is_none() {
                "ok    "
            } else {
                "FAILED"
            };
            println!(
                "   {mark} {:<16} {:>7.1} s",
                done.heading,
                done.elapsed.as_secs_f64()
            );
        }
        for command in self.done.iter().filter_map(|done| done.failed.as_deref()) {
            println!("   To repeat what failed: {command}");
        }
    }

    fn finish(&mut self, heading: &'static str, start: Instant, failed: Option<&str>) -> bool {
        let elapsed = start.elapsed();
        let outcome = if failed.is_none() { "ok" } else { "FAILED" };
        println!("   {outcome} after {:.1} s\n", elapsed.as_secs_f64());
        self.done.push(Done {
            heading,
            elapsed,
            failed: failed.map(str::to_owned),
        });
        failed.is_none()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a step took is a fact about this machine, for people"
)]
fn now() -> Instant {
    Instant::now()
}

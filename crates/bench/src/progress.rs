//! What is going on, and how long will it take?

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::clock::now;

/// Says on standard error what is being measured.
pub struct Progress {
    started: Instant,
    measurements: usize,
    begun: usize,
    name: String,
    rounds: usize,
    is_terminal: bool,
    is_silent: bool,
}

impl Progress {
    /// Of so many measurements.
    pub fn new(measurements: usize) -> Self {
        Self {
            started: now(),
            measurements,
            begun: 0,
            name: String::new(),
            rounds: 0,
            is_terminal: std::io::stderr().is_terminal(),
            is_silent: false,
        }
    }

    /// Says nothing.
    pub fn silent() -> Self {
        Self {
            is_silent: true,
            ..Self::new(1)
        }
    }

    /// A measurement begins.
    pub fn begin(&mut self, name: &str, rounds: usize) {
        self.begun += 1;
        self.name = name.to_owned();
        self.rounds = rounds;
        self.say("preparing");
    }

    /// A round of it begins.
    pub fn round(&mut self, round: usize) {
        self.say(&format!("round {} of {}", round + 1, self.rounds));
    }

    /// It has ended.
    pub fn end(&mut self) {
        if self.is_terminal && !self.is_silent {
            eprint!("\r\x1b[K");
        }
    }

    fn say(&self, what: &str) {
        if self.is_silent {
            return;
        }
        let line = format!(
            "{}/{} {}: {what}{}",
            self.begun,
            self.measurements,
            self.name,
            self.left()
        );
        let mut out = std::io::stderr().lock();
        // Nobody has to read it.
        let _ = match self.is_terminal {
            true => write!(out, "\r\x1b[K{line}"),
            false => writeln!(out, "{line}"),
        };
        let _ = out.flush();
    }

    /// About, if the measurements to come take as long as those before.
    fn left(&self) -> String {
        let done = self.begun - 1;
        if done == 0 {
            return String::new();
        }
        let each = self.started.elapsed() / u32::try_from(done).unwrap_or(1);
        let left = each * u32::try_from(self.measurements - done).unwrap_or(1);
        match left {
            left if left < Duration::from_secs(90) => format!(" (about {} s left)", left.as_secs()),
            left => format!(" (about {} min left)", left.as_secs().div_ceil(60)),
        }
    }
}

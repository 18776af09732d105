//! How is it shown that a long input is on its way?

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::now;
use crate::notes::on_terminal;
use crate::shown::number;

/// What is done before that is not worth a bar.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// The bar is looked after once in so many lines.
const LINES_BETWEEN: u64 = 64;

/// A bar on standard error, if that is a terminal and the input is long.
pub(crate) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    shown: bool,
    calls: u64,
}

impl Progress {
    /// For an input of so many bytes, if that is known.
    pub(crate) fn new(length: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
        let template = match length {
            Some(_) => "{bar:20} {bytes}/{total_bytes}  {msg}  {eta} left",
            None => "{spinner} {bytes}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            begun: now(),
            shown: !on_terminal(),
            calls: 0,
        }
    }

    /// So much of the input is answered, and so many messages are published. Nearly free where nothing is shown.
    pub(crate) fn at(&mut self, bytes: u64, published: u64, refused: u64) {
        self.calls += 1;
        if !self.calls.is_multiple_of(LINES_BETWEEN) {
            return;
        }
        let elapsed = self.begun.elapsed();
        if !self.shown && elapsed >= SHOWN_AFTER {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if self.bar.is_hidden() {
            return;
        }
        let mut message = format!(
            "{} published, {}/s",
            number(published),
            per_second(published, elapsed)
        );
        if refused > 0 {
            message.push_str(&format!(", {} refused", number(refused)));
        }
        self.bar.set_position(bytes);
        self.bar.set_message(message);
    }

    /// Says something without disturbing the bar.
    pub(crate) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    /// Takes the bar away, and returns how long it all took.
    pub(crate) fn end(&self) -> Duration {
        self.bar.finish_and_clear();
        self.begun.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A rate for people.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rate for people"
    )]
    let rate = (count as f64 / elapsed.as_secs_f64().max(0.001)).round() as u64;
    number(rate)
}

//! What became of the lines?

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::progress::{Progress, per_second};
use crate::failure::Failure;
use crate::notes::{note, warn};
use crate::shown::{number, plain, plain_lines};

/// So many refused lines are named on standard error; all of them are in the file of `--errors`.
const REFUSALS_SHOWN_MAX: u64 = 10;
/// The code of an idempotency key that was used before.
const USED_BEFORE: &str = "FF10430";

/// Counts, and says what was refused.
pub(crate) struct Report {
    pub(crate) published: u64,
    /// Lines whose idempotency key was used before: they are published, and not by this request.
    pub(crate) before: u64,
    pub(crate) refused: u64,
    errors: Option<BufWriter<File>>,
    progress: Progress,
}

impl Report {
    pub(crate) fn new(
        errors: Option<&Path>,
        goes_on: bool,
        length: Option<u64>,
    ) -> Result<Self, Failure> {
        let create = |path: &Path| {
            let mut options = OpenOptions::new();
            // Whoever goes on keeps what was refused before.
            match goes_on {
                true => options.append(true),
                false => options.write(true).truncate(true),
            };
            let file = options.create(true).open(path).map_err(|error| {
                Failure::failed(format!("cannot write {}: {error}", path.display()))
            })?;
            Ok(BufWriter::new(file))
        };
        Ok(Self {
            published: 0,
            before: 0,
            refused: 0,
            errors: errors.map(create).transpose()?,
            progress: Progress::new(length),
        })
    }

    /// A line was refused; whether it counts as such.
    pub(crate) fn refuse(
        &mut self,
        line: u64,
        error: &str,
        original: Option<&str>,
    ) -> Result<(), Failure> {
        if error.starts_with(USED_BEFORE) {
            self.before += 1;
            return Ok(());
        }
        self.refused += 1;
        if self.refused <= REFUSALS_SHOWN_MAX {
            self.progress
                .aside(|| warn(&format!("line {line}: {}", plain(error))));
        } else if self.refused == REFUSALS_SHOWN_MAX + 1 {
            let all = match self.errors {
                Some(_) => "",
                None => "; --errors FILE keeps all of them",
            };
            self.progress
                .aside(|| warn(&format!("… and more, which are only counted{all}")));
        }
        let Some(file) = &mut self.errors else {
            return Ok(());
        };
        let (error, input) = (json!(error), json!(original));
        writeln!(
            file,
            "{{\"line\":{line},\"error\":{error},\"input\":{input}}}"
        )
        .map_err(|error| Failure::failed(format!("cannot write to the file of --errors: {error}")))
    }

    /// So much of the input is answered.
    pub(crate) fn answered_up_to(&mut self, bytes: u64) {
        self.progress.at(bytes, self.published, self.refused);
    }

    /// Says something in between.
    pub(crate) fn aside(&self, text: &str) {
        self.progress.aside(|| warn(&plain_lines(text)));
    }

    /// For how many lines it is known what became of them.
    pub(crate) fn answered(&self) -> u64 {
        self.published + self.before + self.refused
    }

    /// Says what became of it all, and what else there is to say; fails if something was refused.
    pub(crate) fn end(mut self, advice: Option<&str>) -> Result<(), Failure> {
        let elapsed = self.progress.end();
        if let Some(mut errors) = self.errors.take() {
            errors.flush().map_err(|error| {
                Failure::failed(format!("cannot write to the file of --errors: {error}"))
            })?;
        }
        let messages = if self.published == 1 {
            "message"
        } else {
            "messages"
        };
        let mut text = format!(
            "published {} {messages} in {:.1} s ({}/s)",
            number(self.published),
            elapsed.as_secs_f64(),
            per_second(self.published, elapsed)
        );
        if self.before > 0 {
            text.push_str(&format!(
                "; {} were published before, by their idempotency keys",
                number(self.before)
            ));
        }
        if self.refused > 0 {
            text.push_str(&format!("; {} refused", number(self.refused)));
        }
        if self.refused > 0 || advice.is_some() {
            warn(&text);
        } else {
            note(&text);
        }
        if let Some(advice) = advice {
            warn(advice);
        }
        match self.refused {
            0 => Ok(()),
            _ => Err(Failure::Said),
        }
    }
}
